"""Alerts, the Overview dashboard and the status page say the same of every situation.

One page with all situations at once is judged by the exporter itself, and given to the engine of
Prometheus (promtool) for the alerts and for the dashboard's query.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from msgspec import structs

from exporter.backup.health import Health, healths
from exporter.backup.model import BackupJob, ItemKey, JobError, Task
from grafana.source.queries import state_number
from tests.builders import NOW, a_detail, a_job, a_running_job, hours_ago
from tests.pages import a_snapshot, page_of, samples_of
from tests.processes import ROOT
from tests.stack.test_rules import RULES, promtool

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

OVERVIEW: Final = json.loads(
    (ROOT / "grafana/dashboards/azure-backup-overview.json").read_text("utf-8")
)
_ASKED_AT: Final = 70 * 60
"""Seconds from the first scrape to the question: the slowest alert waits for an hour."""

_ALERTS: Final = {
    "AzureBackupNeverSucceeded": Health.NEVER,
    "AzureBackupFailsRepeatedly": Health.REPEATEDLY,
    "AzureBackupLate": Health.LATE,
    "AzureBackupRestoreFailed": Health.RESTORE,
    "AzureBackupProtectionStopped": Health.STOPPED,
    "AzureBackupMissed": Health.MISSED,
    "AzureBackupJobFailed": Health.FAILED,
    "AzureBackupOperationFailed": Health.FAILED,
    "AzureBackupTaskNotCompleted": Health.TASK,
    "AzureBackupCompletedWithWarnings": Health.WARNINGS,
}

FAILED_TRANSFER: Final = a_detail(
    tasks=(
        Task(name="Take Snapshot", status="Completed", step=1, duration_seconds=None),
        Task(name="Transfer data to vault", status="Failed", step=2, duration_seconds=None),
    )
)
REFUSED: Final = (JobError("400249", "UserErrorBackupOperationInProgress"),)

Expected = dict[str, Health]
"""By ``container:operation/type``; the container ``c`` is left out, and a type that is empty."""


@dataclass(frozen=True)
class Situation:
    """What has happened to the items of one name, and what is to be said of each operation."""

    name: str
    jobs: list[BackupJob]
    expected: Expected


def job(
    hours: float = 1, status: str = "Completed", container: str = "c", **more: Any
) -> BackupJob:
    return a_job("", ended=hours_ago(hours), status=status, protection_container=container, **more)


def running(container: str = "c") -> BackupJob:
    return a_running_job("", protection_container=container)


def stop(hours: float, container: str = "c", **more: Any) -> BackupJob:
    return job(hours, container=container, **{"operation": "DisableBackup", **more})


def configured(hours: float, container: str = "c") -> BackupJob:
    return job(hours, container=container, operation="ConfigureBackup")


WELL, ENDED, LATE, FAILED = Health.WELL, Health.ENDED, Health.LATE, Health.FAILED
MISSED: Final = Health.MISSED

SITUATIONS: Final = [
    Situation("well", [job()], {"Backup": WELL}),
    Situation("warnings", [job(status="CompletedWithWarnings")], {"Backup": Health.WARNINGS}),
    Situation("failed", [job(20), job(1, "Failed")], {"Backup": FAILED}),
    Situation("cancelled", [job(20), job(1, "Cancelled")], {"Backup": Health.INCOMPLETE}),
    Situation("unknown-status", [job(20), job(1, "Odd")], {"Backup": Health.INCOMPLETE}),
    Situation("never", [job(1, "Failed")], {"Backup": Health.NEVER}),
    Situation("never-ended-well", [job(1, "Cancelled")], {"Backup": Health.NEVER}),
    Situation(
        "repeatedly",
        [job(20), *(job(hours, "Failed") for hours in (3, 2, 1))],
        {"Backup": Health.REPEATEDLY},
    ),
    Situation("missed", [job(31)], {"Backup": MISSED}),
    Situation("missed-and-failed", [job(31), job(1, "Failed")], {"Backup": MISSED}),
    Situation("missed-and-warnings", [job(31, "CompletedWithWarnings")], {"Backup": MISSED}),
    Situation("late", [job(55)], {"Backup": LATE}),
    Situation("late-and-failed", [job(55), job(1, "Failed")], {"Backup": LATE}),
    Situation(
        "late-and-repeatedly",
        [job(99), *(job(hours, "Failed") for hours in (3, 2, 1))],
        {"Backup": Health.REPEATEDLY},
    ),
    Situation("transfer-failed", [job(detail=FAILED_TRANSFER)], {"Backup": Health.TASK}),
    Situation(
        "transfer-failed-with-warnings",
        [job(1, "CompletedWithWarnings", detail=FAILED_TRANSFER)],
        {"Backup": Health.TASK},
    ),
    Situation("late-and-transfer-failed", [job(55, detail=FAILED_TRANSFER)], {"Backup": LATE}),
    Situation(
        "failed-with-its-transfer",
        [job(20), job(1, "Failed", detail=FAILED_TRANSFER)],
        {"Backup": FAILED},
    ),
    Situation(
        "types",
        [
            job(5, backup_type="Log"),
            job(100, backup_type="Full"),
            job(180, backup_type="CopyOnlyFull"),
            job(31, backup_type="New"),
        ],
        {
            "Backup/Log": LATE,
            "Backup/Full": WELL,
            "Backup/CopyOnlyFull": WELL,
            "Backup/New": MISSED,
        },
    ),
    # Operations that nobody repeats.
    Situation(
        "restore-failed", [job(1, "Failed", operation="Restore")], {"Restore": Health.RESTORE}
    ),
    Situation("restore-failed-once", [job(25, "Failed", operation="Restore")], {"Restore": WELL}),
    Situation(
        "not-configured",
        [job(1, "Failed", operation="ConfigureBackup")],
        {"ConfigureBackup": FAILED},
    ),
    # The end of a protection, and what is not.
    Situation(
        "stopped-today",
        [job(60), stop(2)],
        {"Backup": ENDED, "DisableBackup": Health.STOPPED},
    ),
    Situation(
        "retired-after-a-failure",
        [job(60), job(40, "Failed"), stop(39, operation="DeleteBackupData")],
        {"Backup": ENDED, "DeleteBackupData": WELL},
    ),
    Situation(
        "retired-after-warnings",
        [job(60, "CompletedWithWarnings"), stop(39)],
        {"Backup": ENDED, "DisableBackup": WELL},
    ),
    Situation(
        "retired-without-transfer",
        [job(60, detail=FAILED_TRANSFER), stop(39)],
        {"Backup": ENDED, "DisableBackup": WELL},
    ),
    Situation("retired-though-well", [job(60), stop(39)], {"Backup": ENDED, "DisableBackup": WELL}),
    Situation(
        "cut-off-by-the-stop",
        [job(70), stop(30.1), job(30, "Failed")],
        {"Backup": ENDED, "DisableBackup": WELL},
    ),
    Situation(
        "not-stopped-after-all",
        [job(60), stop(50, status="Failed")],
        {"Backup": LATE, "DisableBackup": WELL},
    ),
    Situation(
        "configured-again",
        [job(60), stop(50), configured(40)],
        {"Backup": LATE, "DisableBackup": WELL, "ConfigureBackup": WELL},
    ),
    Situation(
        "fails-after-the-stop",
        [job(25), stop(24.5), job(1, "Failed")],
        {"Backup": FAILED, "DisableBackup": WELL},
    ),
    # Two items of one name.
    Situation(
        "one-of-two-shares-stopped",
        [job(60, container="one"), stop(50, "one"), job(60, container="two")],
        {"one:Backup": ENDED, "one:DisableBackup": WELL, "two:Backup": LATE},
    ),
    Situation(
        "moved-to-another-group",
        [
            job(60, container="old"),
            stop(50, "old"),
            configured(40, "new"),
            job(1, container="new"),
        ],
        {
            "old:Backup": ENDED,
            "old:DisableBackup": WELL,
            "new:ConfigureBackup": WELL,
            "new:Backup": WELL,
        },
    ),
    Situation(
        "never-and-its-namesake-is-well",
        [job(1, "Failed", container="one"), job(1, container="two")],
        {"one:Backup": Health.NEVER, "two:Backup": WELL},
    ),
    # A backup that was refused because another one runs.
    Situation(
        "waits",
        [job(20), job(1, "Failed", errors=REFUSED), running()],
        {"Backup": Health.INCOMPLETE},
    ),
    Situation(
        "waits-and-is-late",
        [job(60), job(1, "Failed", errors=REFUSED), running()],
        {"Backup": LATE},
    ),
    Situation(
        "waits-for-one-without-server",
        [job(20), job(1, "Failed", errors=REFUSED), running("")],
        {"Backup": Health.INCOMPLETE},
    ),
    Situation(
        "waits-for-nobody",
        [
            job(20),
            job(1, "Failed", errors=REFUSED),
            job(20, container="other"),
            running("other"),
        ],
        {"Backup": FAILED, "other:Backup": WELL},
    ),
    Situation(
        "waits-perhaps",
        [job(20), job(1, "Failed", errors=REFUSED), job(20, container="other"), running("")],
        {"Backup": FAILED, "other:Backup": WELL},
    ),
    # Jobs that name no server, or no type of backup.
    Situation(
        "failed-before-its-type-was-known",
        [job(20, backup_type="Full"), job(1, "Failed")],
        {"Backup": FAILED, "Backup/Full": WELL},
    ),
    Situation(
        "failed-before-its-server-was-known",
        [job(1, "Failed", container=""), job(20, container="a"), job(20, container="b")],
        {":Backup": FAILED, "a:Backup": WELL, "b:Backup": WELL},
    ),
    Situation(
        "never-and-another-servers-full-one-is-well",
        [
            job(1, "Failed", container="a"),
            job(20, container="b", backup_type="Full"),
        ],
        {"a:Backup": Health.NEVER, "b:Backup/Full": WELL},
    ),
    Situation(
        "stop-of-the-only-server",
        [job(60), stop(50, "")],
        {"Backup": ENDED, ":DisableBackup": WELL},
    ),
    Situation(
        "stop-of-either-server",
        [job(60, container="a"), job(60, container="b"), stop(50, "")],
        {"a:Backup": LATE, "b:Backup": LATE, ":DisableBackup": WELL},
    ),
    Situation(
        "retired-before-its-server-was-known",
        [job(60, "Failed", container=""), job(65, container="a"), stop(50, "a")],
        {":Backup": ENDED, "a:Backup": ENDED, "a:DisableBackup": WELL},
    ),
    Situation(
        "perhaps-retired",
        [
            job(1, "Failed", container=""),
            job(20, container="a"),
            job(60, container="b"),
            stop(50, "b"),
        ],
        {":Backup": FAILED, "a:Backup": WELL, "b:Backup": ENDED, "b:DisableBackup": WELL},
    ),
    Situation(
        "configured-on-some-server",
        [
            job(60, container="a"),
            stop(50, "a"),
            job(60, container="b"),
            stop(50, "b"),
            configured(40, ""),
        ],
        {
            "a:Backup": LATE,
            "a:DisableBackup": WELL,
            "b:Backup": LATE,
            "b:DisableBackup": WELL,
            ":ConfigureBackup": WELL,
        },
    ),
    Situation(
        "no-server-at-all",
        [job(60, container=""), stop(50, "")],
        {":Backup": ENDED, ":DisableBackup": WELL},
    ),
]


def short(key: ItemKey) -> str:
    container = "" if key.protection_container == "c" else f"{key.protection_container}:"
    return f"{container}{key.operation}" + (f"/{key.backup_type}" if key.backup_type else "")


@pytest.fixture(scope="module")
def snapshot() -> Any:
    """All situations in one vault; an item's name is its situation's."""
    count = 0
    jobs = []
    for situation in SITUATIONS:
        for one in situation.jobs:
            count += 1
            jobs.append(_named(one, situation.name, count))
    return a_snapshot(*jobs)


def _named(one: BackupJob, name: str, number: int) -> BackupJob:
    return structs.replace(one, item=name, job_id=f"j{number}")


EXPECTED: Final = {
    (situation.name, operation): health
    for situation in SITUATIONS
    for operation, health in situation.expected.items()
}


def test_every_situation_has_its_own_name_and_every_health_its_situation() -> None:
    assert max(Counter(one.name for one in SITUATIONS).values()) == 1
    assert set(EXPECTED.values()) == set(Health)


def test_the_status_page_says_it(snapshot: Any) -> None:
    said = {
        (item.key.item, short(item.key)): health for item, health in healths(snapshot.rollup, NOW)
    }

    assert said == EXPECTED


def series_of(snapshot: Any) -> list[dict[str, str]]:
    """The page as it is, scraped for an hour; instants as old as they are when it is asked."""
    start = NOW.timestamp() - _ASKED_AT
    given = []
    for (name, labels), value in samples_of(page_of(snapshot)).items():
        if not name.startswith("azure_backup_"):
            continue
        texts = {**dict(labels), "job": "azure-backup-exporter", "instance": "i1"}
        inside = ", ".join(f'{label}="{text}"' for label, text in texts.items())
        at = value - start if name.endswith("_timestamp_seconds") else value
        given.append({"series": f"{name}{{{inside}}}", "values": f"{at}x{_ASKED_AT // 60}"})
    return given


def ask(snapshot: Any, expr: str, expected: dict[tuple[str, str], int], tmp_path: Path) -> None:
    """The expression gives these numbers for these items and operations, and no others."""
    keys = {(item.key.item, short(item.key)): item.key for item in snapshot.rollup.items}
    samples = []
    for one, number in expected.items():
        inside = ", ".join(
            f'{label}="{text}"' for label, text in keys[one]._asdict().items() if text
        )
        samples.append({"labels": f"{{{inside}}}", "value": float(number)})
    check = {"expr": expr, "eval_time": f"{_ASKED_AT}s", "exp_samples": samples}
    test = {"interval": "1m", "input_series": series_of(snapshot), "promql_expr_test": [check]}
    promtool([test], tmp_path, alert="", text=RULES.read_text("utf-8"))


def test_the_alerts_say_it(snapshot: Any, tmp_path: Path) -> None:
    by = ", ".join(ItemKey._fields)
    expr = " or ".join(
        f'max by ({by}) (ALERTS{{alertname="{alert}", alertstate="firing"}}) * 0'
        f" + {state_number(health)}"
        for alert, health in _ALERTS.items()
    )
    expected = {
        one: state_number(health) for one, health in EXPECTED.items() if health in _ALERTS.values()
    }

    ask(snapshot, expr, expected, tmp_path)


def test_the_overview_says_it(snapshot: Any, tmp_path: Path) -> None:
    """Of backups; other operations have a table of their own."""
    [table] = [panel for panel in OVERVIEW["panels"] if panel["title"] == "Backups, worst first"]
    [expr] = [target["expr"] for target in table["targets"] if target["refId"] == "A"]
    expr = re.sub(r"\$\w+", ".*", expr)
    expected = {
        (name, operation): state_number(health)
        for (name, operation), health in EXPECTED.items()
        if "Backup" in re.split(r"[:/]", operation)
    }

    ask(snapshot, expr, expected, tmp_path)


def test_every_alert_about_an_item_is_part_of_the_judgement() -> None:
    """But for one about a job that still runs, and one about what is not shown any more."""
    content = yaml.safe_load(RULES.read_text("utf-8"))
    [items] = [group for group in content["groups"] if group["name"] == "azure-backup-items"]
    alerts = {rule["alert"] for rule in items["rules"]}

    assert alerts - {"AzureBackupRunsTooLong", "AzureBackupItemDisappeared"} == set(_ALERTS)
