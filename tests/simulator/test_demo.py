"""Each situation worth watching is there soon after the start, and real time is kept."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from exporter.simulator import Fleet, demo_fleet
from exporter.simulator.arm_json import detail_document
from exporter.simulator.ticks import from_datetime

from .client import ANCHOR

Properties = dict[str, Any]
Seen = list[Properties]

SPEED = 120
VAULT_TASK = "Transfer data to vault"


def look(fleet: Fleet, after: timedelta) -> Iterator[Properties]:
    now = from_datetime(ANCHOR + after)
    for vault in fleet.vaults:
        for job in fleet.jobs(vault, None, None, now):
            document = detail_document(job, now, "2024-10-01")
            yield {**document["properties"], "name": document["name"], "vault": vault.name}


@pytest.fixture(scope="module")
def seen() -> Seen:
    """All details, read every second of the demo's first half minute."""
    fleet = demo_fleet(speed=SPEED, anchor=ANCHOR)
    return [job for second in range(31) for job in look(fleet, timedelta(seconds=second))]


def tasks(job: Properties) -> dict[str, str]:
    return {task["taskId"]: task["status"] for task in job["extendedInfo"]["tasksList"]}


def code(job: Properties) -> int:
    errors = job.get("errorDetails") or [{"errorCode": 0}]
    return int(errors[0]["errorCode"])


def is_(**fields: str) -> Callable[[Properties], bool]:
    return lambda job: all(job.get(key) == value for key, value in fields.items())


def vault_task(job: Properties) -> str | None:
    return next((s for t, s in tasks(job).items() if t.lower() == VAULT_TASK.lower()), None)


def size(job: Properties) -> str:
    return str(job["extendedInfo"]["propertyBag"].get("Backup Size", ""))


SITUATIONS: dict[str, Callable[[Properties], bool]] = {
    "machine completes": lambda j: (
        is_(jobType="AzureIaaSVMJob", operation="Backup", status="Completed")(j)
        and re.fullmatch(r"[1-9]\d* MB", size(j)) is not None
        and j["containerName"].startswith("iaasvmcontainerv2;rg-")
    ),
    "share completes": is_(jobType="AzureStorageJob", operation="Backup", status="Completed"),
    "full SQL backup completes": is_(
        workloadType="SQLDataBase", operation="Backup (Full)", status="Completed"
    ),
    "differential SQL backup": is_(operation="Backup (Differential)", status="Completed"),
    "SQL log backup": is_(workloadType="SQLDataBase", operation="Backup (Log)"),
    "HANA log backup": is_(workloadType="SAPHanaDatabase", operation="Backup (Log)"),
    "warning, transfer failed": lambda j: (
        j["status"] == "CompletedWithWarnings"
        and vault_task(j) == "Failed"
        and size(j) == "0 MB"
        and code(j) == 400309
    ),
    "warning, transfer cancelled": lambda j: (
        j["status"] == "CompletedWithWarnings"
        and vault_task(j) == "Cancelled"
        and size(j) == "0 MB"
        and code(j) == 400158
    ),
    "machine fails": lambda j: (
        is_(jobType="AzureIaaSVMJob", operation="Backup", status="Failed")(j)
        and code(j) == 400136
        and j["errorDetails"][0]["recommendations"] != []
        and tasks(j) == {"Take Snapshot": "Failed", VAULT_TASK: "NotStarted"}
    ),
    "share fails": lambda j: (
        is_(jobType="AzureStorageJob", status="Failed")(j) and code(j) == 320001
    ),
    "another backup runs": lambda j: j["status"] == "Failed" and code(j) == 400249,
    "being cancelled": lambda j: (
        j["status"] == "Cancelling" and "endTime" not in j and "Cancelling" in tasks(j).values()
    ),
    "cancelled": is_(status="Cancelled"),
    "green without a copy in the vault": lambda j: (
        j["status"] == "Completed" and vault_task(j) == "NotStarted"
    ),
    "green, transfer cancelled": lambda j: (
        j["status"] == "Completed" and vault_task(j) == "Cancelled"
    ),
    "green, transfer absent": lambda j: (
        is_(jobType="AzureIaaSVMJob", operation="Backup", status="Completed")(j)
        and tasks(j) == {"Take Snapshot": "Completed"}
    ),
    "running snapshot": lambda j: tasks(j).get("Take Snapshot") == "InProgress",
    "running transfer": lambda j: tasks(j).get(VAULT_TASK) == "InProgress",
    "restore with progress": lambda j: (
        is_(operation="Restore", status="InProgress", jobType="AzureIaaSVMJob")(j)
        and 0 < j["extendedInfo"]["progressPercentage"] < 100
        and j["extendedInfo"]["estimatedRemainingDuration"].startswith("PT")
        and "GBs / 127 GBs" in j["extendedInfo"]["tasksList"][0]["taskExecutionDetails"]
    ),
    "restore fails": is_(operation="Restore", status="Failed"),
    "restore of a share": is_(operation="Restore", jobType="AzureStorageJob"),
    "restore of a database": is_(operation="Restore (Full)", workloadType="SQLDataBase"),
    "restore from archive": is_(operation="RestoreWithRehydrate", status="InProgress"),
    "protection configured": is_(operation="ConfigureBackup", jobType="AzureIaaSVMJob"),
    "protection stopped": is_(operation="DisableBackup"),
    "backups deleted": is_(operation="DeleteBackupData"),
    "database not known yet": lambda j: (
        is_(operation="Backup", jobType="AzureWorkloadJob", status="InProgress")(j)
        and "workloadType" not in j
        and tasks(j) == {}
        and "[" not in j["entityFriendlyName"]
    ),
    "database that fails unknown": lambda j: (
        is_(operation="Backup", entityFriendlyName="msdb", status="Failed")(j)
        and "workloadType" not in j
    ),
    "database that fails known": is_(operation="Backup (Full)", status="Failed"),
    "system database in lower case": is_(entityFriendlyName="systemdb"),
    "system database in capitals": is_(entityFriendlyName="SYSTEMDB [hana-01]"),
    "other spelling of the transfer": lambda j: "Transfer Data to Vault" in tasks(j),
    "second version of a job type": is_(jobType="AzureIaaSVMJobV2"),
    "tasks with times": lambda j: any("startTime" in t for t in j["extendedInfo"]["tasksList"]),
    "tasks without times": lambda j: any(
        "duration" in t and "startTime" not in t for t in j["extendedInfo"]["tasksList"]
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_demo_shows(situation: str, seen: Seen) -> None:
    assert any(map(SITUATIONS[situation], seen))


def test_a_database_gets_its_name_while_it_runs(seen: Seen) -> None:
    """The GUID alone stays (F§1.3)."""
    by_job: dict[str, list[tuple[str, str]]] = {}
    for job in seen:
        if job["status"] == "InProgress" and job["jobType"] == "AzureWorkloadJob":
            by_job.setdefault(job["name"], []).append((job["operation"], job["entityFriendlyName"]))

    changes = {change for forms in by_job.values() for change in pairwise(dict.fromkeys(forms))}
    assert (("Backup", "systemdb"), ("Backup (Full)", "SYSTEMDB [hana-01]")) in changes
    assert (("Backup", "crm"), ("Backup (Full)", "crm [sql-02]")) in changes


def test_an_item_fails_several_nights_in_a_row(seen: Seen) -> None:
    nights = dict.fromkeys(
        (job["startTime"], job["status"]) for job in seen if job["entityFriendlyName"] == "mail-01"
    )

    assert [status for _, status in sorted(nights, reverse=True)][:4] == ["Failed"] * 4


def test_an_item_is_spelt_in_two_ways(seen: Seen) -> None:
    assert {"print-01", "PRINT-01"} <= {job["entityFriendlyName"] for job in seen}


def test_sizes_of_an_item_vary_smoothly(seen: Seen) -> None:
    nights = {job["startTime"]: size(job) for job in seen if job["entityFriendlyName"] == "web-02"}
    sizes = [int(text.removesuffix(" MB")) for _, text in sorted(nights.items()) if text]

    assert len(set(sizes)) > 3
    assert all(0.85 < later / earlier < 1.15 for earlier, later in pairwise(sizes))


def test_every_item_has_past_nights(seen: Seen) -> None:
    fleet = demo_fleet(speed=SPEED, anchor=ANCHOR)
    items = sum(len(vault.items) for vault in fleet.vaults)
    backups = {
        job["entityFriendlyName"].lower().partition(" [")[0]
        for job in seen
        if job["operation"].startswith("Backup") and job["status"] == "Completed"
    }

    assert len(backups) >= items - 5


@pytest.mark.parametrize("minute", [0, 5, 30, 61])
def test_at_any_time_something_starts_and_something_ends_within_half_a_minute(minute: int) -> None:
    fleet = demo_fleet(speed=SPEED, anchor=ANCHOR)
    before, after = (
        {job["name"]: job["status"] for job in look(fleet, timedelta(minutes=minute, seconds=s))}
        for s in (0, 30)
    )

    assert after.keys() - before.keys()
    assert any(
        status == "InProgress" and after.get(name, status) != status
        for name, status in before.items()
    ) or any(status != "InProgress" for name, status in after.items() if name not in before)


def test_times_are_real_times_at_any_speed() -> None:
    """`time() - timestamp` must be right in Prometheus: nothing lies ahead or far back."""
    started = datetime.now(UTC)
    fleet = demo_fleet(speed=SPEED)
    now = from_datetime(datetime.now(UTC) + timedelta(seconds=20))

    for vault in fleet.vaults:
        for job in fleet.jobs(vault, None, None, now):
            properties = detail_document(job, now, "2024-10-01")["properties"]
            start = datetime.fromisoformat(properties["startTime"])
            assert timedelta(hours=-2) < start - started < timedelta(minutes=1)


def test_the_list_does_not_grow_without_end() -> None:
    fleet = demo_fleet(speed=SPEED, anchor=ANCHOR)
    counts = [sum(1 for _ in look(fleet, timedelta(hours=hours))) for hours in (0, 2, 200)]

    assert counts[2] < counts[0] * 4
    assert abs(counts[2] - counts[1]) < 60
