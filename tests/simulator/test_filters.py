"""The real filter syntax (F§3), as text and over HTTP."""

from datetime import UTC, datetime

import pytest

from exporter.simulator import Simulator
from exporter.simulator.filters import Criteria, FilterError, parse_filter
from exporter.simulator.ticks import from_datetime, to_datetime

from .client import Client, names


@pytest.mark.parametrize(
    ("text", "criteria"),
    [
        ("", Criteria()),
        ("status eq 'InProgress'", Criteria(status="InProgress")),
        ("operation eq 'Backup'", Criteria(operation="Backup")),
        ("operation eq ''", Criteria()),
        (
            "operation eq '' and status eq 'Failed' and backupManagementType eq 'AzureStorage'",
            Criteria(status="Failed", backup_management_type="AzureStorage"),
        ),
        ("jobId eq 'ABC'", Criteria(job_id="abc")),
    ],
)
def test_conditions_are_joined_in_any_order(text: str, criteria: Criteria) -> None:
    assert parse_filter(text) == criteria


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("12:05:09 AM", 0),
        ("00:05:09 AM", 0),
        ("01:05:09 AM", 1),
        ("12:05:09 PM", 12),
        ("11:05:09 PM", 23),
    ],
)
def test_times_are_on_the_12_hour_clock(text: str, hour: int) -> None:
    criteria = parse_filter(f"startTime eq '2026-03-01 {text}' and endTime eq '2026-03-02 {text}'")

    assert criteria.start is not None
    assert to_datetime(criteria.start) == datetime(2026, 3, 1, hour, 5, 9, tzinfo=UTC)
    assert criteria.end == from_datetime(datetime(2026, 3, 2, hour, 5, 9, tzinfo=UTC))


@pytest.mark.parametrize(
    "text",
    [
        "status -eq 'Failed'",
        "status ne 'Failed'",
        "status eq Failed",
        "status eq 'failed'",
        "status eq 'Failed' or status eq 'Completed'",
        "status eq 'Failed' AND operation eq 'Backup'",
        "status eq 'Failed' and status eq 'Completed'",
        "status eq 'Failed' and ",
        "vault eq 'x'",
        "operation eq 'Backup (Full)'",
        "backupManagementType eq 'AzureIaaSVM'",
        "startTime eq '2026-03-01T00:00:00Z'",
        "startTime eq '2026-03-0100:00:00'",
        "startTime eq '2026-03-01 13:00:00 PM'",
        "startTime eq '2026-03-01 00:00:00 PM'",
        "startTime eq '2026-02-30 01:00:00 PM'",
        "startTime eq '2026-03-01 01:00:00'",
        "startTime gt '2026-03-01 01:00:00 AM'",
        "startTime eq ''",
    ],
)
def test_all_else_is_refused_with_the_rules(text: str) -> None:
    with pytest.raises(FilterError, match=r"status eq \{Invalid, InProgress"):
        parse_filter(text)


def test_a_bad_filter_is_a_400(client: Client) -> None:
    answer = client.page(job_filter="status -eq 'Failed'")

    assert answer.status_code == 400
    assert "joined by ' and '" in answer.json()["error"]["message"]
    assert "-eq" in answer.json()["error"]["message"]


def test_the_interval_is_that_of_start_times_with_both_ends(client: Client) -> None:
    """Job 4 may end after the interval: only its start counts."""
    everything = client.jobs()
    starts = [datetime.fromisoformat(job["properties"]["startTime"]) for job in everything]
    form = "%Y-%m-%d %I:%M:%S %p"

    found = client.jobs(
        job_filter=f"startTime eq '{starts[6]:{form}}' and endTime eq '{starts[3]:{form}}'"
    )

    # The filter has whole seconds, cut down: the start of job 3 lies after its end.
    assert names(found) == names(everything[4:7])


def test_fields_of_the_job_are_matched(simulator: Simulator, client: Client) -> None:
    first = client.jobs()[0]

    assert len(client.jobs(job_filter="status eq 'Completed' and operation eq 'Backup'")) == 10
    assert client.jobs(job_filter="status eq 'InProgress'") == []
    assert client.jobs(job_filter="operation eq 'Restore'") == []
    assert client.jobs(job_filter="backupManagementType eq 'MAB'") == []
    assert client.jobs(job_filter=f"jobId eq '{first['name'].upper()}'") == [first]
