"""What an operation's status says, in every shape of FACTS 12."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from exporter.backup.operation import OperationStatus, parse_operation
from exporter.errors import PayloadError

if TYPE_CHECKING:
    from pathlib import Path

JOB = "8bd90a9b-9246-4368-be42-5a4bf178ab76"
BACKUP_VAULT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v"
FULL = f"{BACKUP_VAULT}/backupJobs/{JOB}"


def an_operation(status: str = "Succeeded", **more: Any) -> OperationStatus:
    return parse_operation({"id": "o", "name": "o", "status": status, **more})


@pytest.mark.parametrize("end", ["0001-01-01T00:00:00", "0001-01-01T00:00:00Z", None])
@pytest.mark.parametrize("status", ["InProgress", "Inprogress", "Brewing"])
def test_it_goes_on_until_it_has_an_end(status: str, end: str | None) -> None:
    assert an_operation(status, endTime=end).running


def test_a_status_that_nobody_knows_ends_with_its_end() -> None:
    assert not an_operation("Brewed", endTime="2024-06-11T08:18:22Z").running


@pytest.mark.parametrize(
    ("properties", "jobs"),
    [
        ({"objectType": "OperationStatusJobExtendedInfo", "jobId": JOB.upper()}, (JOB,)),
        ({"objectType": "OperationStatusJobsExtendedInfo", "jobIds": [JOB, "b", JOB]}, (JOB, "b")),
        ({"objectType": "OperationStatusJobsExtendedInfo", "jobIds": {"x": JOB}}, (JOB,)),
        ({"objectType": "OperationJobExtendedInfo", "jobId": FULL}, (FULL,)),
        ({"objectType": "OperationStatusJobExtendedInfo"}, ()),
        ({"jobIds": "x", "jobId": 7}, ()),
        ({}, ()),
        (None, ()),
    ],
)
def test_the_jobs_it_has_made(properties: object, jobs: tuple[str, ...]) -> None:
    operation = an_operation(properties=properties)

    assert operation.jobs == jobs
    assert not operation.running
    assert not operation.failed


def test_canceled_with_one_l_is_cancelled() -> None:
    assert an_operation("Canceled").cancelled


def test_a_failure_says_why() -> None:
    operation = an_operation("Failed", error={"code": "UserErrorX", "message": "No such disk."})

    assert operation.failed
    assert operation.errors == ("UserErrorX: No such disk.",)


def test_a_success_with_an_error_stays_one() -> None:
    """Seen once with a Backup vault."""
    operation = an_operation(error={"code": "Warn", "message": "m"}, properties={"jobId": JOB})

    assert not operation.failed
    assert operation.errors == ("Warn: m",)


def test_jobs_that_could_not_be_made_are_a_failure() -> None:
    operation = an_operation(
        properties={"jobIds": [JOB], "failedJobsError": {"vm-1": "no snapshot"}}
    )

    assert operation.failed
    assert operation.jobs == (JOB,)
    assert operation.errors == ("vm-1: no snapshot",)


def test_a_validation_says_what_to_do() -> None:
    result = {"code": "Quota", "message": "Reached.", "recommendations": ["Contact support."]}
    response = {"validateOperationResponse": {"validationResults": [result]}}

    assert an_operation(properties=response).errors == ("Quota: Reached. Contact support.",)
    assert an_operation(properties=response).failed


def test_the_script_and_password_of_file_recovery_are_not_read() -> None:
    properties = {
        "objectType": "OperationStatusProvisionILRExtendedInfo",
        "recoveryTarget": {"clientScripts": [{"scriptContent": "s3cret", "url": "u-s3cret"}]},
    }
    operation = an_operation(properties=properties)

    assert operation.file_recovery
    assert "s3cret" not in repr(operation)


@pytest.mark.parametrize("body", [None, [], "x", {}, {"status": 7}])
def test_what_is_no_operation_is_refused(body: object) -> None:
    with pytest.raises(PayloadError):
        parse_operation(body)


def test_every_recorded_operation_is_read(shared: Path) -> None:
    folders = [shared / "recorded/operations", shared / "recorded/dataprotection/operations"]
    files = sorted(path for folder in folders for path in folder.glob("*.json"))
    read = {}
    for path in files:
        recorded = json.loads(path.read_text())
        if recorded["status"] == 200 and recorded["request"]["method"] == "GET":
            read[path.name] = parse_operation(recorded["body"])

    assert len(read) >= 10
    assert read["backupoperations-200-inprogress.json"].running
    assert read["backupoperations-200-succeeded.json"].jobs == (JOB,)
    assert read["backupoperations-200-succeeded-2.json"].jobs == ()
    assert not any(operation.failed for operation in read.values())


def test_every_example_of_an_operation_is_read(shared: Path) -> None:
    jobs = set()
    for path in sorted((shared / "examples").rglob("*Operation*.json")):
        answers = json.loads(path.read_text()).get("responses", {})
        body = answers.get("200", {}).get("body")
        if isinstance(body, dict) and body.keys() & {"status", "jobId"}:
            jobs |= set(parse_operation(body).jobs)

    assert len(jobs) >= 2
