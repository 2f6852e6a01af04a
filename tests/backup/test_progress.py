"""How far a job is, as lines for people; recorded jobs from the first reading to the last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from exporter.backup.progress import changes, size, summary
from exporter.backup.tracked import TrackedJob, parse_tracked
from exporter.errors import PayloadError

if TYPE_CHECKING:
    from pathlib import Path


def a_tracked(status: str = "InProgress", **properties: Any) -> TrackedJob:
    return parse_tracked(
        {
            "name": "J1",
            "type": "Microsoft.RecoveryServices/vaults/backupJobs",
            "properties": {
                "operation": "Restore",
                "entityFriendlyName": "vm",
                "status": status,
                **properties,
            },
        }
    )


def extended(percent: float, task: str, note: str = "") -> dict[str, Any]:
    tasks = [{"taskId": "Transfer data from vault", "status": task, "taskExecutionDetails": note}]
    return {
        "tasksList": tasks,
        "progressPercentage": percent,
        "estimatedRemainingDuration": "PT2M",
        "propertyBag": {"Backup Size": "20992 MB"},
    }


def test_the_first_look_says_all_and_the_next_only_what_is_new() -> None:
    first = a_tracked(extendedInfo=extended(1.0, "InProgress"))
    second = a_tracked(extendedInfo=extended(51.07, "InProgress", "5 GBs / 10 GBs Transferred"))

    assert list(changes(None, first)) == [
        "Restore of vm, job j1",
        "InProgress",
        "1. Transfer data from vault: InProgress",
        "1 %, about 2 min left",
    ]
    assert list(changes(first, first)) == []
    assert list(changes(first, second)) == [
        "1. Transfer data from vault: InProgress (5 GBs / 10 GBs Transferred)",
        "51 %, about 2 min left",
    ]


def test_a_job_that_gets_another_name_says_so() -> None:
    """``msdb`` becomes ``msdb [host]`` and Backup ``Backup (Full)`` while it runs (FACTS 1.3)."""
    before = a_tracked(operation="Backup", entityFriendlyName="msdb")
    after = a_tracked(operation="Backup (Full)", entityFriendlyName="msdb")

    assert list(changes(before, after)) == ["Backup (Full) of msdb, job j1"]


def test_the_end_says_size_time_and_what_azure_recommends() -> None:
    ended = a_tracked(
        "Failed",
        duration="PT13M2S",
        extendedInfo=extended(100, "Failed"),
        errorDetails=[
            {
                "errorCode": 400003,
                "errorTitle": "RestoreOperationFailed",
                "errorString": "It failed.",
                "recommendations": ["Try again. ", ""],
            }
        ],
    )

    assert summary(ended) == [
        "Failed after 13 min 2 s; backup size 20.5 GiB",
        "error 400003 RestoreOperationFailed: It failed.",
        "  Azure recommends: Try again.",
    ]


@pytest.mark.parametrize(
    ("byte_count", "text"), [(0, "0 bytes"), (2**20, "1.0 MiB"), (1536 * 2**30, "1,536.0 GiB")]
)
def test_sizes_for_people(byte_count: float, text: str) -> None:
    assert size(byte_count) == text


@pytest.mark.parametrize(
    "odd",
    [
        {"errorDetails": "x", "extendedInfo": 7},
        {"errorDetails": [None, {"recommendations": [7]}], "extendedInfo": {"tasksList": [None]}},
        {"extendedInfo": {"tasksList": {"taskId": 7}}},
        {"errorDetails": [{"recommendations": True}, {"recommendedAction": 7}]},
    ],
)
def test_odd_fields_cost_only_themselves(odd: dict[str, Any]) -> None:
    assert summary(a_tracked("Completed", **odd))[0] == "Completed"


@pytest.mark.parametrize("body", [None, [], {}, {"name": "x"}])
def test_what_is_no_job_is_refused(body: object) -> None:
    with pytest.raises(PayloadError):
        parse_tracked(body)


def test_every_recorded_sequence_ends_well(shared: Path) -> None:
    for folder in sorted((shared / "recorded/job-sequences").iterdir()):
        last = None
        lines: list[str] = []
        for path in sorted(folder.glob("*.json")):
            now = parse_tracked(json.loads(path.read_text())["body"])
            lines += changes(last, now)
            last = now
        assert last is not None
        assert not last.job.running
        assert lines.count("InProgress") == 1
        assert lines.count("Completed") == 1


def test_recorded_jobs_of_backup_vaults_are_read(shared: Path) -> None:
    for path in sorted((shared / "recorded/dataprotection/job-details").glob("*.json")):
        tracked = parse_tracked(json.loads(path.read_text())["body"])
        job = tracked.job

        assert job.item
        assert job.operation in ("Backup", "Restore")
        assert job.running == ("inprogress" in path.name)
        assert job.detail is not None
        assert all(task.name for task in job.detail.tasks)
