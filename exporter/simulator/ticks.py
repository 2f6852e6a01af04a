"""Azure's time texts. Azure counts in 100 ns ticks, finer than datetime, so we do too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

PER_SECOND: Final = 10_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def from_datetime(instant: datetime) -> int:
    """Ticks since 1970 of an aware datetime."""
    return (instant - _EPOCH) // _MICROSECOND * 10


def from_timedelta(span: timedelta) -> int:
    """Ticks of a span."""
    return span // _MICROSECOND * 10


def from_text(text: object) -> int | None:
    """The instant of a text, UTC unless it says otherwise; None for what cannot be read."""
    try:
        instant = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return from_datetime(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def to_datetime(ticks: int) -> datetime:
    """The instant to the microsecond, UTC."""
    return _EPOCH + timedelta(microseconds=ticks // 10)


def instant_text(ticks: int) -> str:
    """An instant as in startTime: UTC, up to 7 fraction digits, trailing zeros dropped (F§4)."""
    seconds, fraction = divmod(ticks, PER_SECOND)
    minutes, second = divmod(seconds, 60)
    return f"{_minute_text(minutes)}:{second:02}{_fraction_text(fraction)}Z"


@lru_cache(maxsize=50_000)
def _minute_text(minutes: int) -> str:
    """Jobs share their minutes, and this is written very often."""
    return f"{datetime.fromtimestamp(minutes * 60, UTC):%Y-%m-%dT%H:%M}"


def american_text(ticks: int) -> str:
    """An instant as property bags have it, e.g. ``1/31/2023 6:14:49 PM`` (F§7)."""
    at = to_datetime(ticks)
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S %p}"


def timespan_text(ticks: int) -> str:
    """A duration of api-version 2016-12-01 and older, ``[d.]hh:mm:ss[.fffffff]`` (F§1.1)."""
    seconds, fraction = divmod(ticks, PER_SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    text = f"{days}." if days else ""
    text += f"{hours:02}:{minutes:02}:{seconds:02}"
    return f"{text}.{fraction:07}" if fraction else text


def iso_duration_text(ticks: int) -> str:
    """A duration of later api-versions: ISO 8601 as .NET writes it, zero parts left out (F§1.1)."""
    whole, fraction = divmod(ticks, PER_SECOND)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    time = f"{hours}H" if hours else ""
    time += f"{minutes}M" if minutes else ""
    time += f"{seconds}{_fraction_text(fraction)}S" if seconds or fraction else ""
    if days:
        return f"P{days}DT{time}" if time else f"P{days}D"
    return f"PT{time or '0S'}"


def _fraction_text(fraction: int) -> str:
    return f".{fraction:07}".rstrip("0") if fraction else ""
