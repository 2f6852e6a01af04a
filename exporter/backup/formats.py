"""The text forms Azure uses for durations, instants and sizes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from exporter.errors import PayloadError

MEBIBYTE: Final = 2**20
"""Azure's "MB" (the article's 2332 MB is what the portal shows for 2332 x 2^20 bytes)."""

_TIMESPAN: Final = re.compile(
    r"(?P<sign>-?)(?:(?P<days>[0-9]{1,8})\.)?"
    r"(?P<hours>[0-9]{1,2}):(?P<minutes>[0-9]{2}):(?P<seconds>[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,9}))?"
)
_ISO_DURATION: Final = re.compile(
    r"(?P<sign>-?)P(?=[0-9T])(?:(?P<days>[0-9]{1,8})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,8})H)?(?:(?P<minutes>[0-9]{1,8})M)?"
    r"(?:(?P<seconds>[0-9]{1,10})(?:\.(?P<fraction>[0-9]{1,9}))?S)?)?"
)
_SIZE: Final = re.compile(r"(?P<number>[0-9]{1,18}(?:\.[0-9]{1,9})?)(?: ?(?P<unit>[A-Z]+))?")
_UNITS: Final = {"KB": 2**10, "MB": MEBIBYTE, "GB": 2**30, "TB": 2**40}

_YEARS: Final = range(2010, 2100)
"""Azure Backup's; .NET's largest instant, 9999-12-31, would outlive every newer job."""

_NEVER: Final = frozenset({datetime(year, 1, 1, tzinfo=UTC) for year in (1, 1601, 2001)})
"""What Azure and .NET send for "not yet" (FACTS 4, 6)."""


def parse_timespan(text: str) -> float:
    """Read a duration.

    Azure sends ISO 8601 since api-version 2017-07-01 and .NET TimeSpan text
    (``[-][d.]hh:mm:ss[.fffffff]``) before, in the how-to article and in the lists of Backup
    vaults (FACTS 1.1, 1.8).

    Args:
        text: E.g. "PT13M2.7830357S", "-PT5.8026456S", "00:20:23.0896697", "1.02:00:00".

    Returns:
        Seconds, exact to the nearest float; negative where Azure's clocks disagree.

    Raises:
        PayloadError: The text has another shape. The message quotes it.
    """
    match = _TIMESPAN.fullmatch(text) or _ISO_DURATION.fullmatch(text)
    if match is None:
        raise PayloadError(f"not a duration: {text[:80]!r}")
    sign, days, hours, minutes, seconds, fraction = match.groups("0")
    whole = int(days) * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    nanoseconds = whole * 10**9 + int(fraction.ljust(9, "0"))
    # One division of integers rounds once: 1223.0896697, not 1223.0896696999999.
    return (-nanoseconds if sign else nanoseconds) / 10**9


def parse_timestamp(text: str) -> datetime | None:
    """Read an instant.

    Args:
        text: E.g. "2018-05-21T08:35:40.9488967Z"; 0 to 7 fraction digits. Without "Z" it is UTC
            all the same (FACTS 4).

    Returns:
        The instant in UTC, cut to microseconds; None for the sentinels that mean "not yet".

    Raises:
        PayloadError: The text has another shape, or names no year of this service.
    """
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not UTC:
            instant = instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise PayloadError(f"not an instant: {text[:80]!r}") from error
    if instant.year in _YEARS:
        return instant
    if instant in _NEVER:
        return None
    raise PayloadError(f"no instant of a backup: {text[:80]!r}")


def parse_size(text: str, *, default_unit: str = "") -> float:
    """Read a size of a job's property bag.

    Args:
        text: E.g. "2332 MB", or "20.1147" where the key names the unit (FACTS 7).
        default_unit: The unit of a bare number; without one a bare number is refused.

    Returns:
        Bytes; Azure's MB is 2^20.

    Raises:
        PayloadError: The text has another shape or unit. The message quotes it.
    """
    match = _SIZE.fullmatch(text.strip().upper())
    factor = _UNITS.get((match["unit"] or default_unit) if match else "")
    if match is None or factor is None:
        raise PayloadError(f"not a size: {text[:80]!r}")
    return float(match["number"]) * factor
