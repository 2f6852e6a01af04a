"""What Azure's error answers say, in all their shapes (FACTS 9, 10)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.azure.error_body import error_text, read_ids, read_sign_in_ids, read_throttling
from exporter.masking import hide

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
MESSAGE = (
    "Number of requests for action 'Microsoft.RecoveryServices/vaults/backupJobs/read' exceeded"
    " the limit of '150' for time interval '01:00:00'. Please try again after '324' seconds."
)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": {"code": "C", "message": "M", "target": None}}, "C: M"),
        ({"Error": {"Code": "C", "Message": "M", "Details": None}}, "C: M"),
        ({"ErrorCode": "C", "Message": {"Language": "en-US", "Value": "M\r\nN"}}, "C: M N"),
        ({"error": {"additionalInfo": [{"info": {}}], "code": "C", "message": "M"}}, "C: M"),
        ({"error": {"code": "C", "message": ""}}, "C"),
        ({"error": "invalid_request"}, ""),
        ({"Message": "An error has occurred."}, "An error has occurred."),
        ("<html>", ""),
        (None, ""),
        ([], ""),
    ],
)
def test_every_shape_of_an_error_body_is_one_line(body: Any, text: str) -> None:
    assert error_text(body) == text


def test_every_recorded_error_has_a_text(shared: Path) -> None:
    files = sorted((shared / "recorded" / "errors").glob("[45]*.json"))
    assert len(files) > 20
    for file in files:
        body = json.loads(file.read_text())["body"]
        text = error_text(body)
        assert (len(text) > 5) == isinstance(body, dict), file.name
        assert "\n" not in text


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"Retry-After": "17"}, MESSAGE, 17),
        ({"Retry-After": "Tue, 10 Mar 2026 12:01:40 GMT"}, MESSAGE, 100),
        ({"Retry-After": "Tue, 10 Mar 2026 11:00:00 GMT"}, MESSAGE, 1),
        ({"Retry-After": "soon"}, MESSAGE, 324),
        ({"Retry-After": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, MESSAGE, 324),
        ({"Retry-After": "Tue, 10 Mar 2026 12:00:00 -99999999999999"}, MESSAGE, 324),
        ({"Retry-After": "Fri, 01 Jan 9999 00:00:00 GMT"}, MESSAGE, 6 * 3600),
        ({"Retry-After": "999999"}, MESSAGE, 6 * 3600),
        ({}, MESSAGE, 324),
        ({}, "Too many.", 60),
    ],
)
def test_the_wait_is_the_headers_or_else_the_messages(
    headers: dict[str, str], message: str, seconds: int
) -> None:
    body = {"error": {"code": "ResourceRequestsThrottled", "message": message}}

    throttling = read_throttling(headers, body, NOW)

    assert throttling.retry_after == timedelta(seconds=seconds)


def test_a_date_to_wait_for_is_by_azures_clock() -> None:
    """By ours, ten minutes fast, it would be past, and Azure asked again at once."""
    headers = {
        "Retry-After": "Tue, 10 Mar 2026 11:55:00 GMT",
        "Date": "Tue, 10 Mar 2026 11:50:00 GMT",
    }
    assert read_throttling(headers, {}, NOW).retry_after == timedelta(minutes=5)
    nonsense = {**headers, "Retry-After": "Tue, 10 Mar 2026 12:01:00 GMT", "Date": "today"}
    assert read_throttling(nonsense, {}, NOW).retry_after == timedelta(minutes=1)


def test_the_limit_stands_in_the_message() -> None:
    throttling = read_throttling({}, {"error": {"code": "C", "message": MESSAGE}}, NOW)

    assert (throttling.limit, throttling.interval) == (150, timedelta(hours=1))


def test_the_recorded_429_names_limit_and_wait(shared: Path) -> None:
    folder = shared / "recorded" / "errors" / "throttled-sequence-1"
    recorded = json.loads((folder / "03-429.json").read_text())

    assert read_throttling(recorded["headers"], recorded["body"], NOW) == (
        timedelta(seconds=324),
        150,
        timedelta(hours=1),
    )


@given(st.recursive(st.none() | st.text() | st.integers(), lambda s: st.dictionaries(st.text(), s)))
def test_any_body_has_a_short_text_and_some_wait(body: Any) -> None:
    assert len(error_text({"error": body, "message": body})) <= 300
    assert read_throttling({}, body, NOW).retry_after > timedelta()


@pytest.mark.parametrize(
    "value", ["", " ", "a b", "a\x1b[31m", "a\u202e", "é", "<b>", '"', "a" * 101, "-", "a\nb"]
)
def test_what_is_no_id_is_left_out(value: str) -> None:
    """It comes from a peer, and goes into log lines and onto terminals."""
    assert read_ids({"x-ms-request-id": value, "x-ms-correlation-request-id": "ok"}) == {
        "correlation_id": "ok"
    }


def test_an_id_that_repeats_a_secret_is_masked() -> None:
    hide("s3cret-of-nobody")

    assert read_ids({"x-ms-request-id": "id:s3cret-of-nobody"}) == {"request_id": "id:[hidden]"}


@given(st.text())
def test_of_a_sign_in_nothing_but_guids_are_ids(text: str) -> None:
    trace = "5f3c1f8e-0000-4000-8000-00000000000a"

    assert read_sign_in_ids(text) == {}
    assert read_sign_in_ids(f"{text} Trace ID: {trace}\r\nCorrelation ID: x") == {"trace_id": trace}
