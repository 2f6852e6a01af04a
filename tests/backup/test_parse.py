"""ARM JSON to model."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.backup.parse import parse_job, parse_job_detail, parse_job_page, without_future
from exporter.errors import PayloadError
from tests.builders import NOW, a_job, a_running_job
from tests.payloads import ODD_JSON

FIELDS = [
    "jobType",
    "backupManagementType",
    "entityFriendlyName",
    "operation",
    "status",
    "startTime",
    "endTime",
    "duration",
    "containerName",
    "storageAccountName",
    "workloadType",
    "activityId",
    "errorDetails",
    "extendedInfo",
]


def payload(**properties: Any) -> dict[str, Any]:
    return {
        "name": "7B0F4E1C-0000-4000-8000-000000000001",
        "properties": {
            "jobType": "AzureIaaSVMJob",
            "entityFriendlyName": "vm1",
            "operation": "Backup",
            "status": "Completed",
            **properties,
        },
    }


def read(**properties: Any) -> Any:
    """The job of a payload none of whose fields is odd."""
    problems: Counter[str] = Counter()
    job = parse_job_detail(payload(**properties), problems)
    assert not problems
    return job


def odd_fields(**properties: Any) -> dict[str, int]:
    problems: Counter[str] = Counter()
    parse_job_detail(payload(**properties), problems)
    return dict(problems)


def test_the_name_is_compared_without_case() -> None:
    assert read().job_id == "7b0f4e1c-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("friendly_name", "item", "container"),
    [
        ("vm1", "vm1", ""),
        ("msdb [SqlHost]", "msdb", "sqlhost"),
        ("MSSQLSERVER/msdb [sqlhost]", "MSSQLSERVER/msdb", "sqlhost"),
        ("odd [name] [sqlhost]", "odd [name]", "sqlhost"),
        ("[host]", "[host]", ""),
        (" [host]", " [host]", ""),
        ("name[host]", "name[host]", ""),
    ],
)
def test_a_host_behind_the_name_is_the_container(
    friendly_name: str, item: str, container: str
) -> None:
    """It comes and goes while a job runs (FACTS 1.3)."""
    job = read(entityFriendlyName=friendly_name)

    assert (job.item, job.protection_container) == (item, container)


@pytest.mark.parametrize(
    ("fields", "container"),
    [
        ({"containerName": "IaasVMContainerV2;RG;vm1"}, "iaasvmcontainerv2;rg;vm1"),
        ({"storageAccountName": "Account1"}, "account1"),
        ({"mabServerName": "Server1"}, "server1"),
        ({"dpmServerName": "Server1", "containerName": "Dpm;Server1"}, "dpm;server1"),
        ({"dpmServerName": "Server1"}, "server1"),
        ({"containerName": "c", "entityFriendlyName": "msdb [host]"}, "c"),
        ({}, ""),
    ],
)
def test_the_container_is_the_best_name_azure_gives(fields: dict[str, str], container: str) -> None:
    assert read(**fields).protection_container == container


@pytest.mark.parametrize(
    ("operation", "name", "backup_type"),
    [
        ("Backup", "Backup", ""),
        ("Backup (Full)", "Backup", "Full"),
        ("Restore (Invalid)", "Restore", ""),
        ("Backup (SnapshotCopyOnlyFull)", "Backup", "SnapshotCopyOnlyFull"),
        ("MoveRecoveryPoint", "MoveRecoveryPoint", ""),
        ("Something (new) entirely", "Something (new) entirely", ""),
    ],
)
def test_the_backup_type_is_cut_off_the_operation(
    operation: str, name: str, backup_type: str
) -> None:
    job = read(operation=operation)

    assert (job.operation, job.backup_type) == (name, backup_type)


@pytest.mark.parametrize("job_type", ["AzureStorageJobV2", "VaultJob", "SomethingNewJob"])
def test_job_types_are_an_open_set(job_type: str) -> None:
    """Types outside the specification occur (FACTS 1.7)."""
    assert read(jobType=job_type).job_type == job_type


def test_a_negative_duration_is_zero() -> None:
    """Clock skew between Azure's servers (FACTS 1.2)."""
    assert read(duration="-PT4M20.8890416S").duration_seconds == 0


def test_null_means_absent_and_is_no_problem() -> None:
    """Api-versions up to 2016 send null for what is not set (FACTS 4)."""
    job = read(duration=None, endTime=None, errorDetails=None, extendedInfo=None)

    assert (job.duration_seconds, job.end_time, job.errors) == (None, None, ())


def test_a_list_entry_has_no_detail_even_where_extended_info_is_null() -> None:
    assert parse_job(payload(extendedInfo=None), Counter()).detail is None


def test_a_detail_without_extended_info_is_read_all_the_same() -> None:
    """Else it would be asked for at every refresh."""
    assert read().detail is not None


def test_tasks_sizes_and_progress_of_a_detail() -> None:
    detail = read(
        extendedInfo={
            "tasksList": [
                {"taskId": "Take Snapshot", "duration": "00:00:00", "status": "Completed"},
                {"taskId": "Transfer Data to Vault", "status": "InProgress", "duration": "PT5S"},
            ],
            "propertyBag": {"Backup Size": "2332 MB", "Data Transferred (in MB)": "1.5"},
            "progressPercentage": 51.5,
            "estimatedRemainingDuration": "P1DT1S",
        }
    ).detail

    assert [(t.step, t.name, t.status, t.duration_seconds) for t in detail.tasks] == [
        (1, "Take Snapshot", "Completed", None),
        (2, "Transfer data to vault", "InProgress", 5.0),
    ]
    assert detail.backup_size_bytes == 2445279232
    assert detail.data_transferred_bytes == 1.5 * 2**20
    assert detail.progress_ratio == 0.515
    assert detail.estimated_remaining_seconds == 86401


@pytest.mark.parametrize(
    ("task", "seconds"),
    [
        ({"startTime": "2023-05-15T08:00:00Z", "endTime": "2023-05-15T08:01:00Z"}, 60),
        (
            {
                "startTime": "2023-05-15T08:00:00Z",
                "endTime": "2023-05-15T08:01:00Z",
                "duration": "PT0S",
            },
            60,
        ),
        (
            {
                "startTime": "2023-05-15T08:00:00Z",
                "endTime": "0001-01-01T00:00:00",
                "duration": "PT9S",
            },
            9,
        ),
        ({"startTime": "0001-01-01T00:00:00", "duration": "PT0S"}, None),
        ({"duration": "-PT1S"}, None),
        ({}, None),
    ],
)
def test_a_task_takes_from_start_to_end_and_never_zero(
    task: dict[str, str], seconds: float | None
) -> None:
    """Azure often sends PT0S for a task that ran (FACTS 6)."""
    detail = read(extendedInfo={"tasksList": [{"taskId": "t", "status": "Completed", **task}]})

    assert detail.detail.tasks[0].duration_seconds == seconds


def test_errors_keep_code_and_title_once_each() -> None:
    job = read(
        errorDetails=[
            {"errorCode": 1073871825, "errorTitle": "Title", "errorString": "long text"},
            {"errorCode": 1073871825, "errorTitle": "Title", "errorString": "other text"},
            {"errorCode": 400001},
            {"errorString": "a DPM job has no code", "recommendations": []},
        ]
    )

    assert job.errors == (("1073871825", "Title"), ("400001", ""), ("", ""))


@pytest.mark.parametrize(
    ("properties", "odd"),
    [
        ({"duration": "soon"}, {"duration": 1}),
        ({"startTime": 5, "endTime": "24 o'clock"}, {"startTime": 1, "endTime": 1}),
        ({"status": ["Completed"]}, {"status": 1}),
        ({"entityFriendlyName": {}}, {"entityFriendlyName": 1}),
        ({"errorDetails": "none"}, {"errorDetails": 1}),
        ({"errorDetails": ["x", {"errorCode": True}]}, {"errorDetails": 1, "errorCode": 1}),
        ({"extendedInfo": []}, {"extendedInfo": 1}),
        ({"extendedInfo": {"tasksList": [None, {}]}}, {"tasksList": 1}),
        ({"extendedInfo": {"propertyBag": "big"}}, {"propertyBag": 1}),
        ({"extendedInfo": {"propertyBag": {"Backup Size": "big"}}}, {"Backup Size": 1}),
        ({"extendedInfo": {"progressPercentage": 101}}, {"progressPercentage": 1}),
        ({"extendedInfo": {"progressPercentage": float("nan")}}, {"progressPercentage": 1}),
        ({"extendedInfo": {"progressPercentage": 10**400}}, {"progressPercentage": 1}),
    ],
)
def test_an_odd_field_is_absent_and_counted_by_azures_name(
    properties: dict[str, Any], odd: dict[str, int]
) -> None:
    """One odd field costs that field, not the job."""
    assert odd_fields(**properties) == odd


def test_what_a_page_cannot_carry_is_replaced() -> None:
    """Prometheus stops reading at a NUL; a lone surrogate cannot be encoded."""
    assert read(entityFriendlyName="a\0b\ud800c").item == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    "bad", [None, 5, "job", [], {}, {"name": 1}, {"name": " "}, {"name": "x", "properties": None}]
)
def test_a_bad_job_is_left_out_and_counted_never_the_list(bad: Any) -> None:
    page = parse_job_page({"value": [payload(), bad, {**payload(), "name": "two"}]})

    assert [job.job_id[:3] for job in page.jobs] == ["7b0", "two"]
    assert page.problems == {"job": 1}


@pytest.mark.parametrize("body", [None, [], "x", {}, {"value": None}, {"value": [], "nextLink": 5}])
def test_what_is_no_job_list_is_refused(body: Any) -> None:
    with pytest.raises(PayloadError):
        parse_job_page(body)


@pytest.mark.parametrize("link", [{}, {"nextLink": None}, {"nextLink": ""}])
def test_the_last_page_has_no_next_link_in_any_form(link: dict[str, Any]) -> None:
    assert parse_job_page({"value": [], **link}).next_link is None


@given(st.dictionaries(st.sampled_from(FIELDS), ODD_JSON), ODD_JSON)
def test_any_json_makes_a_job_or_a_payload_error(properties: dict[str, Any], whole: Any) -> None:
    """And its texts can be encoded, whatever they held."""
    job = parse_job_detail({"name": "n", "properties": properties}, Counter())
    json.dumps([job.item, job.operation, job.status]).encode()
    "".join((job.item, job.protection_container, job.status)).encode()
    assert job.duration_seconds is None or job.duration_seconds >= 0

    try:
        parse_job_page(whole)
        parse_job(whole, Counter())
    except PayloadError:
        pass


INSTANTS = st.none() | st.integers(1_700_000_000, 250_000_000_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)


@given(start=INSTANTS, end=INSTANTS, took=st.none() | st.floats(0, 1e18))
def test_no_instant_that_is_believed_lies_in_the_future(
    start: datetime | None, end: datetime | None, took: float | None
) -> None:
    problems: Counter[str] = Counter()
    job = a_job(
        start_time=start,
        end_time=end,
        duration_seconds=took,
    )

    believed = without_future(job, NOW, problems)

    instants = (believed.start_time, believed.end_time, believed.ended_at)
    assert all(at <= NOW + timedelta(hours=1) for at in instants if at)
    assert (believed == job) == (not problems)
    for name in ("start_time", "end_time", "duration_seconds"):
        assert getattr(believed, name) in (None, getattr(job, name))


def test_what_lies_ahead_by_the_clocks_of_azures_servers_is_believed() -> None:
    """A running job's start has been seen ahead of the server that listed it (FACTS 1.2)."""
    job = a_running_job(start_time=NOW + timedelta(minutes=59), duration_seconds=0.0)

    assert without_future(job, NOW, Counter()) is job


@pytest.mark.parametrize(
    ("extended", "brings"),
    [
        ({"tasksList": [{"taskId": "t", "status": "Completed"}]}, True),
        ({"propertyBag": {"Backup Size": "1 MB"}}, True),
        ({"tasksList": [], "propertyBag": {}}, False),
        ({"dynamicErrorMessage": ""}, False),
        (None, False),
        ("text", False),
    ],
)
def test_a_list_entry_with_tasks_or_a_bag_is_a_detail(extended: object, brings: bool) -> None:
    body = {"value": [{"name": "n", "properties": {"extendedInfo": extended}}]}

    [job] = parse_job_page(body).jobs

    assert (job.detail is not None) is brings
