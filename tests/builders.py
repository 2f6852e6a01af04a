"""Valid objects by default; a test names only what differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from exporter.backup.history import History, Window, merge_list
from exporter.backup.lateness import DEFAULT_LATENESS
from exporter.backup.model import BackupJob, JobDetail, JobSeries, Settings, Task, Vault

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def a_vault(**changes: Any) -> Vault:
    vault = Vault(
        subscription_id="11111111-2222-3333-4444-555555555555",
        resource_group="rg-backup",
        name="vault-a",
    )
    return replace(vault, **changes)


def a_job(job_id: str = "j1", **changes: Any) -> BackupJob:
    """A VM backup that completed an hour ago; ``ended`` moves start and end together."""
    ended = changes.pop("ended", hours_ago(1))
    job = BackupJob(
        job_id=job_id,
        job_type="AzureIaaSVMJob",
        backup_management_type="AzureIaasVM",
        item="vm1",
        protection_container="iaasvmcontainerv2;rg;vm1",
        operation="Backup",
        backup_type="",
        status="Completed",
        workload_type="",
        activity_id="a1",
        start_time=ended - timedelta(minutes=20),
        end_time=ended,
        duration_seconds=1200.0,
    )
    return structs.replace(job, **changes)


def a_running_job(job_id: str = "r1", **changes: Any) -> BackupJob:
    started = changes.pop("started", hours_ago(0.5))
    running: dict[str, Any] = {"status": "InProgress", "start_time": started, "end_time": None}
    return a_job(job_id, **{**running, **changes})


def a_detail(**changes: Any) -> JobDetail:
    detail = JobDetail(
        tasks=(
            Task(name="Take Snapshot", status="Completed", step=1, duration_seconds=None),
            Task(name="Transfer data to vault", status="Completed", step=2, duration_seconds=300.0),
        ),
        backup_size_bytes=2.0**20,
    )
    return structs.replace(detail, **changes)


def settings(**changes: Any) -> Settings:
    defaults = Settings(
        lookback=timedelta(days=8),
        forget_after=timedelta(days=35),
        window=timedelta(hours=24),
        job_series=JobSeries.ALL,
        max_job_series=1000,
        success_statuses=frozenset({"Completed", "CompletedWithWarnings"}),
        lateness=DEFAULT_LATENESS,
    )
    return replace(defaults, **changes)


def a_history(*jobs: BackupJob, at: datetime = NOW, **changes: Any) -> History:
    """What is known after one full list of these jobs."""
    window = Window(start=at - timedelta(days=8), end=at, full=True)
    return merge_list(History(), jobs, window, settings(**changes))
