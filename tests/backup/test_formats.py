"""The text forms of durations, instants and sizes (FACTS 1, 4, 7)."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.backup.formats import parse_size, parse_timespan, parse_timestamp
from exporter.errors import PayloadError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:20:23.0896697", 1223.0896697),
        ("00:00:00", 0),
        ("1.02:00:00", 93600),
        ("1.09:22:25.7992056", 120145.7992056),
        ("-00:00:01.5", -1.5),
        ("PT13M2.7830357S", 782.7830357),
        ("-PT5.8026456S", -5.8026456),
        ("PT0S", 0),
        ("PT4S", 4),
        ("PT2H", 7200),
        ("P1D", 86400),
        ("P1DT5H41M38.249492S", 106898.249492),
    ],
)
def test_both_forms_of_a_duration_are_read_to_the_last_digit(text: str, seconds: float) -> None:
    """100 ns steps: 1223.0896697, not a neighbour that prints longer."""
    assert parse_timespan(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1",
        "PT1",
        "1:2:3",
        "00:20",
        "20 min",
        "PT1M ",
        "\u0660\u0660:\u0662\u0660:\u0662\u0663",
        "1" * 5000,
        "P1Y",
    ],
)
def test_other_shapes_are_refused_with_a_quote(text: str) -> None:
    with pytest.raises(PayloadError, match="not a duration"):
        parse_timespan(text)


@given(
    days=st.integers(0, 9999),
    seconds=st.integers(0, 86399),
    fraction=st.text("0123456789", max_size=7),
    negative=st.booleans(),
)
def test_the_same_time_reads_the_same_in_both_forms(
    days: int, seconds: int, fraction: str, negative: bool
) -> None:
    """One job is read through old and new api-versions."""
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    sign = "-" if negative else ""
    tail = f".{fraction}" if fraction else ""
    timespan = f"{sign}{days}.{hours:02}:{minutes:02}:{rest:02}{tail}"
    iso = f"{sign}P{days}DT{hours}H{minutes}M{rest}{tail}S"

    assert parse_timespan(timespan) == parse_timespan(iso)
    expected = days * 86400 + seconds + (float(f"0{tail}") if tail else 0)
    assert abs(parse_timespan(iso)) == pytest.approx(expected, rel=1e-12)
    assert parse_timespan(iso) <= 0 if negative else parse_timespan(iso) >= 0


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_timespan, parse_timestamp, parse_size):
        with suppress(PayloadError):
            parse(text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2018-05-21T08:35:40.9488967Z", datetime(2018, 5, 21, 8, 35, 40, 948896, tzinfo=UTC)),
        ("2018-05-21T08:35:40.94Z", datetime(2018, 5, 21, 8, 35, 40, 940000, tzinfo=UTC)),
        ("2018-05-21T08:35:40Z", datetime(2018, 5, 21, 8, 35, 40, tzinfo=UTC)),
        ("2018-05-21T08:35:40", datetime(2018, 5, 21, 8, 35, 40, tzinfo=UTC)),
        ("2018-05-21T10:35:40+02:00", datetime(2018, 5, 21, 8, 35, 40, tzinfo=UTC)),
    ],
)
def test_instants_are_utc_with_any_number_of_digits(text: str, instant: datetime) -> None:
    assert parse_timestamp(text) == instant


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "2001-01-01T00:00:00Z", "1601-01-01T00:00:00Z"],
)
def test_a_sentinel_is_no_instant(text: str) -> None:
    """An end in the year 1 or 2001 would fire every "backup too old" alert."""
    assert parse_timestamp(text) is None


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59.9999999Z", "0001-01-01T00:00:01Z", "2009-12-31T00:00:00Z"]
)
def test_an_instant_of_no_backup_is_refused(text: str) -> None:
    """Else a job of the year 9999 would be the newest for ever."""
    with pytest.raises(PayloadError, match="no instant of a backup"):
        parse_timestamp(text)


@given(
    st.datetimes(datetime(2010, 1, 2), datetime(2099, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
)
def test_an_instant_survives_the_way_there_and_back(instant: datetime) -> None:
    assert parse_timestamp(instant.isoformat().replace("+00:00", "Z")) == instant


@pytest.mark.parametrize(
    ("text", "unit", "size"),
    [
        ("2332 MB", "", 2445279232),
        ("0 MB", "", 0),
        ("20.1147", "MB", 20.1147 * 2**20),
        ("0.00", "MB", 0),
        ("5 GB", "", 5 * 2**30),
        ("3MB", "MB", 3 * 2**20),
        ("5 KB", "", 5120),
        ("2", "GB", 2**31),
        ("1.5 TB", "", 1.5 * 2**40),
    ],
)
def test_sizes_are_bytes(text: str, unit: str, size: float) -> None:
    assert parse_size(text, default_unit=unit) == size


@pytest.mark.parametrize("text", ["", "MB", "2332", "-1 MB", "1,024 MB", "1 parsec", "NaN MB"])
def test_a_size_of_unknown_unit_is_refused(text: str) -> None:
    """A guess would be wrong by a factor of a million."""
    with pytest.raises(PayloadError, match="not a size"):
        parse_size(text)
