"""How many series an estate makes: ``python -m benchmarks.cardinality``.

An item is a virtual machine with one nightly backup of two tasks, all details read; every tenth
night's backup failed. So the counts are exact and the same on every machine.
"""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from exporter.backup.history import History, Window, merge_list
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
from exporter.metrics.page import Body, build_page, vault_blocks
from exporter.metrics.snapshot import VaultSnapshot

NOW = datetime(2026, 1, 15, 6, 0, tzinfo=UTC)
ITEMS = (100, 1000, 5000)
FAILS_EVERY = 10


class Cardinality(NamedTuple):
    """The size of one page."""

    items: int
    job_series: JobSeries
    series: int
    plain_bytes: int
    gzip_bytes: int


def measure(items: int, job_series: JobSeries) -> Cardinality:
    """Build the page of one vault with so many items."""
    vault = Vault(
        subscription_id="00000000-0000-0000-0000-000000000000",
        resource_group="rg-backup",
        name="vault-a",
    )
    settings = Settings(
        lookback=timedelta(days=8),
        forget_after=timedelta(days=35),
        window=timedelta(hours=24),
        job_series=job_series,
        max_job_series=items,
        success_statuses=frozenset({"Completed", "CompletedWithWarnings"}),
    )
    jobs = [_nightly(item, night) for item in range(items) for night in range(8)]
    window = Window(start=NOW - settings.lookback, end=NOW, full=True)
    history = merge_list(History(), jobs, window, settings)
    snapshot = VaultSnapshot(
        vault=vault,
        refresh_interval=timedelta(minutes=5),
        up=True,
        refreshed_at=NOW,
        refresh_duration=timedelta(seconds=1),
        details_pending=0,
        rollup=roll_up(vault, history, NOW, settings),
    )
    page = build_page([vault_blocks(snapshot)])
    return Cardinality(items, job_series, page.series, *_sizes(page.text))


def _nightly(item: int, night: int) -> BackupJob:
    start = NOW - timedelta(days=night, hours=6, seconds=item % 3600)
    failed = (item + night) % FAILS_EVERY == 0
    return BackupJob(
        job_id=f"{item:08x}-0000-4000-8000-{night:012x}",
        job_type="AzureIaaSVMJob",
        backup_management_type="AzureIaasVM",
        item=f"vm-{item:05}",
        container=f"iaasvmcontainerv2;rg-machines;vm-{item:05}",
        operation="Backup",
        backup_type="",
        status="Failed" if failed else "Completed",
        workload_type="",
        activity_id=f"{night:08x}-0000-4000-8000-{item:012x}",
        start_time=start,
        end_time=start + timedelta(minutes=40),
        duration_seconds=2400.1234567,
        errors=(JobError("400001", "CommandExecutionFailed"),) if failed else (),
        detail=JobDetail(
            tasks=(
                Task(name="Take Snapshot", status="Completed", step=1, duration_seconds=None),
                Task(
                    name="Transfer data to vault",
                    status="Failed" if failed else "Completed",
                    step=2,
                    duration_seconds=1800.5,
                ),
            ),
            backup_size_bytes=0.0 if failed else 12345 * 2.0**20,
        ),
    )


def _sizes(body: Body) -> tuple[int, int]:
    plain = b"".join(body.plain(b""))
    packed = b"".join(body.gzip(b""))
    if gzip.decompress(packed) != plain:
        raise AssertionError("the gzip page is not the plain page")
    return len(plain), len(packed)


def table() -> str:
    """The measurement as a Markdown table."""
    lines = [
        "| items | `job_series` | series | page | gzip |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    for items in ITEMS:
        for job_series in (JobSeries.ALL, JobSeries.NONE):
            found = measure(items, job_series)
            lines.append(
                f"| {items:,} | `{job_series}` | {found.series:,}"
                f" | {found.plain_bytes / 1e6:.2f} MB | {found.gzip_bytes / 1e6:.2f} MB |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
