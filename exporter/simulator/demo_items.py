"""Short ways to write down the demo's items and schedules."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from exporter.simulator.inventory import ProtectedItem, Workload
from exporter.simulator.outcomes import COMPLETED, Outcome
from exporter.simulator.schedule import DAY, Schedule

HISTORY: Final = 5 * DAY


def minutes(count: float) -> timedelta:
    """So many minutes of schedule time."""
    return timedelta(minutes=count)


def schedule(
    operation: str,
    at: float,
    takes: float,
    *ends: Outcome,
    every: timedelta = DAY,
    backup_type: str = "",
    history: timedelta = HISTORY,
) -> Schedule:
    """A schedule whose slot 0 starts so many minutes after the anchor, or before it."""
    return Schedule(
        operation=operation,
        backup_type=backup_type,
        every=every,
        offset=minutes(at),
        takes=minutes(takes),
        outcomes=ends or (COMPLETED,),
        first_slot=-(history // every),
    )


def log(at: float, every: float) -> Schedule:
    """Log backups are many; half a day of them is history enough."""
    return schedule("Backup", at, 4, every=minutes(every), backup_type="Log", history=DAY / 2)


def machine(
    name: str,
    *schedules: Schedule,
    group: str = "rg-app",
    size_mb: int = 6000,
    transfer_task: str = "Transfer data to vault",
    job_type: str = "",
    spellings: tuple[str, ...] = (),
) -> ProtectedItem:
    """A virtual machine."""
    return ProtectedItem(
        workload=Workload.VIRTUAL_MACHINE,
        container=group,
        spellings=spellings or (name,),
        schedules=schedules,
        size_mb=size_mb,
        transfer_task=transfer_task,
        job_type=job_type,
    )


def share(name: str, *schedules: Schedule, size_mb: int, vaulted: bool) -> ProtectedItem:
    """A file share, kept as snapshots only unless it is vaulted."""
    return ProtectedItem(
        workload=Workload.FILE_SHARE,
        container="stcompanyfiles",
        spellings=(name,),
        schedules=schedules,
        size_mb=size_mb,
        transfer_task="Transfer data to vault" if vaulted else "",
    )


def database(
    workload: Workload, name: str, host: str, *schedules: Schedule, size_mb: int
) -> ProtectedItem:
    """A database on a host."""
    return ProtectedItem(
        workload=workload, container=host, spellings=(name,), schedules=schedules, size_mb=size_mb
    )
