"""Made-up estates without HTTP: vaults of machines with one nightly backup."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final
from uuid import UUID

from exporter.backup.history import History, Window, merge_list
from exporter.backup.lateness import DEFAULT_LATENESS
from exporter.backup.model import (
    BackupJob,
    JobDetail,
    JobError,
    JobSeries,
    Settings,
    Task,
    Vault,
)
from exporter.backup.rollup import roll_up
from exporter.metrics.snapshot import VaultSnapshot

NOW: Final = datetime(2026, 1, 15, 6, 0, tzinfo=UTC)
NIGHTS: Final = 8
FAILS_EVERY: Final = 10


def settings(job_series: JobSeries = JobSeries.ALL) -> Settings:
    """The defaults of the configuration, without a limit on series."""
    return Settings(
        lookback=timedelta(days=8),
        forget_after=timedelta(days=35),
        window=timedelta(hours=24),
        job_series=job_series,
        max_job_series=10**6,
        success_statuses=frozenset({"Completed", "CompletedWithWarnings"}),
        lateness=DEFAULT_LATENESS,
    )


def a_vault(number: int = 0) -> Vault:
    """One of many."""
    return Vault(
        subscription_id="00000000-0000-0000-0000-000000000000",
        resource_group="rg-backup",
        name=f"vault-{number:04}",
    )


def nightly_job(item: int, night: int) -> BackupJob:
    """The job of an item so many nights ago; ids and figures differ as they do in Azure."""
    chance = blake2b(b"%d %d" % (item, night), digest_size=32).digest()
    part = int.from_bytes(chance[:4]) / 2**32
    start = NOW - timedelta(days=night, hours=6, seconds=item % 3600 + part)
    lasts = timedelta(minutes=20 + 40 * part)
    failed = (item + night) % FAILS_EVERY == 0
    return BackupJob(
        job_id=str(UUID(bytes=chance[:16])),
        job_type="AzureIaaSVMJob",
        backup_management_type="AzureIaasVM",
        item=f"vm-{item:05}",
        protection_container=f"iaasvmcontainerv2;rg-machines;vm-{item:05}",
        operation="Backup",
        backup_type="",
        status="Failed" if failed else "Completed",
        workload_type="",
        activity_id=str(UUID(bytes=chance[16:])),
        start_time=start,
        end_time=start + lasts,
        duration_seconds=lasts.total_seconds(),
        errors=(JobError("400001", "CommandExecutionFailed"),) if failed else (),
        detail=JobDetail(
            tasks=(
                Task(name="Take Snapshot", status="Completed", step=1, duration_seconds=None),
                Task(
                    name="Transfer data to vault",
                    status="Failed" if failed else "Completed",
                    step=2,
                    duration_seconds=lasts.total_seconds() * 3 / 4,
                ),
            ),
            backup_size_bytes=0.0 if failed else chance[5] * 1234 * 2.0**20,
        ),
    )


def a_history(items: int, first: int = 0, nights: int = NIGHTS) -> History:
    """What is known of a vault with so many items."""
    jobs = [nightly_job(first + item, night) for item in range(items) for night in range(nights)]
    window = Window(start=NOW - timedelta(days=8), end=NOW, full=True)
    return merge_list(History(), jobs, window, settings())


def a_snapshot(
    vault: Vault, history: History, *, job_series: JobSeries = JobSeries.ALL, seconds: float = 1
) -> VaultSnapshot:
    """A vault that was read well, within so many seconds."""
    return VaultSnapshot(
        vault=vault,
        refresh_interval=timedelta(minutes=5),
        up=True,
        refreshed_at=NOW,
        refresh_duration=timedelta(seconds=seconds),
        details_pending=0,
        rollup=roll_up(vault, history, NOW, settings(job_series)),
    )


def an_estate(vaults: int, items: int) -> list[VaultSnapshot]:
    """So many vaults with so many items each."""
    return [
        a_snapshot(a_vault(number), a_history(items, first=number * items))
        for number in range(vaults)
    ]
