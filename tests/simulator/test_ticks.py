"""Azure's time texts, against the forms in F§1 and F§4."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.ticks import (
    PER_SECOND,
    american_text,
    from_datetime,
    instant_text,
    iso_duration_text,
    timespan_text,
    to_datetime,
)

HOUR = 3600 * PER_SECOND
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("span", "iso", "timespan"),
    [
        (0, "PT0S", "00:00:00"),
        (4 * PER_SECOND, "PT4S", "00:00:04"),
        (5 * PER_SECOND + 5_000_000, "PT5.5S", "00:00:05.5000000"),
        (61 * PER_SECOND + 1, "PT1M1.0000001S", "00:01:01.0000001"),
        (HOUR, "PT1H", "01:00:00"),
        (DAY, "P1D", "1.00:00:00"),
        (DAY + 5 * HOUR + 2_500_000, "P1DT5H0.25S", "1.05:00:00.2500000"),
    ],
)
def test_durations_are_written_as_dotnet_writes_them(span: int, iso: str, timespan: str) -> None:
    assert (iso_duration_text(span), timespan_text(span)) == (iso, timespan)


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0, ""), (1, ".0000001"), (1_234_500, ".12345"), (9_999_999, ".9999999")],
)
def test_instants_have_up_to_seven_digits_without_trailing_zeros(fraction: int, text: str) -> None:
    at = from_datetime(datetime(2026, 3, 1, 23, 5, 9, tzinfo=UTC)) + fraction

    assert instant_text(at) == f"2026-03-01T23:05:09{text}Z"


@pytest.mark.parametrize(
    ("hour", "text"),
    [(0, "12:05:09 AM"), (9, "9:05:09 AM"), (12, "12:05:09 PM"), (18, "6:05:09 PM")],
)
def test_bags_have_american_dates(hour: int, text: str) -> None:
    at = from_datetime(datetime(2026, 3, 1, hour, 5, 9, tzinfo=UTC))

    assert american_text(at) == f"3/1/2026 {text}"


@given(st.datetimes(timezones=st.just(UTC)))
def test_no_microsecond_is_lost(instant: datetime) -> None:
    assert to_datetime(from_datetime(instant)) == instant
    if instant.year >= 1970:
        assert datetime.fromisoformat(instant_text(from_datetime(instant))) == instant


def test_a_tick_is_a_tenth_of_a_microsecond() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)

    assert from_datetime(start + timedelta(microseconds=1)) - from_datetime(start) == 10
