"""What an error answer of Azure says: bodies come in several shapes (FACTS 9). Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from exporter.backup.formats import parse_timespan
from exporter.errors import PayloadError
from exporter.masking import masked

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMIT: Final = re.compile(
    r"limit of '(?P<limit>[0-9]{1,7})' for time interval '(?P<interval>[0-9:.]+)'"
)
_TRY_AFTER: Final = re.compile(r"try again after '(?P<seconds>[0-9]{1,6})' seconds", re.IGNORECASE)
_DEFAULT_WAIT: Final = timedelta(minutes=1)
_LONGEST_WAIT: Final = timedelta(hours=6)
"""Azure names an hour at most; a date of a clock gone wrong must not end reading for ever."""

_SHOWN: Final = 300

_ID_HEADERS: Final = {
    "request_id": "x-ms-request-id",
    "correlation_id": "x-ms-correlation-request-id",
}
_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:/-]{0,99}")
"""A GUID as a rule; some services put a region or a time before it."""

_GUID: Final = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_SIGN_IN_ID: Final = re.compile(rf"\b(Trace|Correlation) ID: ({_GUID})\b")


class Throttling(NamedTuple):
    """What a 429 says.

    Attributes:
        retry_after: How long to ask nothing, six hours at most.
        limit: Reads allowed per interval; None if the message does not name it.
        interval: That interval; None if the message does not name it.
    """

    retry_after: timedelta
    limit: int | None
    interval: timedelta | None


def error_text(body: object) -> str:
    """Code and message of an error body, in one line that fits a log.

    Args:
        body: Decoded JSON of any of Azure's shapes, or anything else; HTML becomes empty.
    """
    fields = _folded(body)
    inner = _folded(fields.get("error"))
    code = inner.get("code") or fields.get("errorcode") or ""
    message = inner.get("message") or fields.get("message") or ""
    if isinstance(message, dict):  # the old service shape: {"Language", "Value"}
        message = _folded(message).get("value") or ""
    line = ": ".join(str(part) for part in (code, message) if part)
    return " ".join(line.split())[:_SHOWN]


def read_ids(headers: Mapping[str, str]) -> dict[str, str]:
    """Under which Azure's support finds a request; what is no id is left out."""
    named = ((name, headers.get(header, "")) for name, header in _ID_HEADERS.items())
    return {name: masked(value) for name, value in named if _ID.fullmatch(value)}


def read_sign_in_ids(text: str) -> dict[str, str]:
    """The same of what Entra ID says, e.g. ``... Trace ID: 5f... Correlation ID: 0c...``."""
    return {f"{found[1].lower()}_id": found[2] for found in _SIGN_IN_ID.finditer(text)}


def read_throttling(headers: Mapping[str, str], body: object, now: datetime) -> Throttling:
    """How long to wait, and which limit was hit.

    The ``Retry-After`` header counts first, in seconds or as a date; the wait stands in the
    message too (FACTS 10). A date is compared with the answer's own: our clock may be off.
    """
    message = error_text(body)
    named = _LIMIT.search(message)
    interval = None
    if named:
        try:
            interval = timedelta(seconds=parse_timespan(named["interval"])) or None
        except PayloadError:
            interval = None
    wait = read_retry_after(headers, now) or _message_wait(message)
    return Throttling(
        retry_after=min(wait or _DEFAULT_WAIT, _LONGEST_WAIT),
        limit=int(named["limit"]) or None if named else None,
        interval=interval,
    )


def read_retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """When to ask again, by the header; None if it says nothing."""
    header = headers.get("Retry-After")
    if header is None:
        return None
    sent_at = read_date(headers) or now
    if re.fullmatch(r"[0-9]{1,6}", header.strip()):
        return timedelta(seconds=int(header))
    at = _date(header)
    return max(at - sent_at, timedelta(seconds=1)) if at else None


def read_date(headers: Mapping[str, str]) -> datetime | None:
    """When the answer was sent, by the clock of who sent it; None if it does not say."""
    return _date(headers.get("Date", ""))


def _date(header: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(header)
    except (OverflowError, ValueError):
        return None
    return at.replace(tzinfo=at.tzinfo or UTC)


def _message_wait(message: str) -> timedelta | None:
    match = _TRY_AFTER.search(message)
    return timedelta(seconds=int(match["seconds"])) if match else None


def _folded(value: object) -> dict[str, Any]:
    return {str(k).lower(): v for k, v in value.items()} if isinstance(value, dict) else {}
