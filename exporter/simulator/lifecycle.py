"""What a job looks like at some moment of its life."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.simulator import ticks
from exporter.simulator.inventory import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.simulator.job import Job

# How a job's time is divided among those tasks that it has.
_SHARES: Final = {
    "Take Snapshot": 0.25,
    "Transfer data to vault": 0.7,
    "Transfer data from vault": 0.7,
    "Create the restored virtual machine": 0.25,
    "Rehydrate from Archive storage": 0.25,
}
# Nothing happens for a while before each task of a job.
_PAUSES: Final = 0.05
_OPENING_SHARE: Final = 0.3
_LONGEST_OPENING: Final = 10 * ticks.PER_SECOND
_CANCELLING_FROM: Final = 0.75


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a job. Times in ticks; None before they are known."""

    task_id: str
    status: str
    start: int | None = None
    end: int | None = None


class Observation(NamedTuple):
    """A job as seen at one moment.

    Attributes:
        end: In ticks; None while it runs.
        elapsed: In ticks.
        opening: Its first seconds, in which Azure does not know it well yet.
        named: Whether Azure knows a database's backup type and host.
        progress: From 0 to 1.
    """

    status: str
    operation: str
    entity_friendly_name: str
    end: int | None
    elapsed: int
    opening: bool
    named: bool
    progress: float


def observe(job: Job, now: int) -> Observation:
    """What a list tells of a job; ``now`` in ticks, not before its start."""
    lasts = job.end - job.start
    elapsed = min(now - job.start, lasts)
    progress = elapsed / lasts if lasts else 1.0
    running = now < job.end
    outcome = job.outcome
    if not running:
        status = outcome.status
    elif outcome.cancelled and progress >= _CANCELLING_FROM:
        status = "Cancelling"
    else:
        status = "InProgress"
    opening = running and elapsed < min(lasts * _OPENING_SHARE, _LONGEST_OPENING)
    named = outcome.named and not opening
    return Observation(
        status=status,
        operation=_operation(job, named=named),
        entity_friendly_name=_entity_friendly_name(job, named=named),
        end=None if running else job.end,
        elapsed=elapsed,
        opening=opening,
        named=named,
        progress=progress,
    )


def tasks(job: Job, seen: Observation) -> Iterator[Task]:
    """The tasks of a job, in order."""
    if job.item.workload.is_database and not seen.named:
        return
    planned = list(_planned(job))
    used = sum(_SHARES[task] for task, last in planned if last != "NotStarted")
    lasts = job.end - job.start
    pause = round(lasts * _PAUSES / max(len(planned), 1))
    cursor = job.start
    for task, last in planned:
        if last == "NotStarted":
            yield Task(_spelt(job, task), last)
            continue
        start = cursor + pause
        cursor = start + round(lasts * (1 - _PAUSES) * _SHARES[task] / used)
        yield _at(Task(_spelt(job, task), last, start, min(cursor, job.end)), job, seen)


def _at(task: Task, job: Job, seen: Observation) -> Task:
    """The task as far as it is now."""
    now = job.start + seen.elapsed
    if seen.end is not None or (task.end is not None and now >= task.end):
        return task
    if task.start is None or now < task.start:
        return Task(task.task_id, "NotStarted")
    status = "Cancelling" if seen.status == "Cancelling" else "InProgress"
    return Task(task.task_id, status, task.start)


def _planned(job: Job) -> Iterator[tuple[str, str]]:
    """Each task with the status it will end in."""
    last = job.outcome.tasks
    for index, task in enumerate(_TASKS.get((job.item.workload, job.schedule.operation), ())):
        status = last[min(index, len(last) - 1)]
        if status is not None and _spelt(job, task):
            yield task, status


_TASKS: Final = {
    (Workload.VIRTUAL_MACHINE, "Backup"): ("Take Snapshot", "Transfer data to vault"),
    (Workload.VIRTUAL_MACHINE, "Restore"): (
        "Transfer data from vault",
        "Create the restored virtual machine",
    ),
    (Workload.FILE_SHARE, "Backup"): ("Take Snapshot", "Transfer data to vault"),
    (Workload.SQL_DATABASE, "Backup"): ("Transfer data to vault",),
    (Workload.SQL_DATABASE, "Restore"): ("Transfer data from vault",),
    (Workload.SQL_DATABASE, "RestoreWithRehydrate"): (
        "Rehydrate from Archive storage",
        "Transfer data from vault",
    ),
    (Workload.HANA_DATABASE, "Backup"): ("Transfer data to vault",),
    (Workload.HANA_DATABASE, "Restore"): ("Transfer data from vault",),
}


def _spelt(job: Job, task: str) -> str:
    return job.item.transfer_task if task == "Transfer data to vault" else task


def _operation(job: Job, *, named: bool) -> str:
    operation, backup_type = job.schedule.operation, job.schedule.backup_type
    return f"{operation} ({backup_type})" if named and backup_type else operation


def _entity_friendly_name(job: Job, *, named: bool) -> str:
    """A database's job names the host once it knows it; before, HANA is in lower case (F§1.3)."""
    if not job.item.workload.is_database:
        return job.spelling
    if named and job.schedule.operation in ("Backup", "Restore", "RestoreWithRehydrate"):
        return f"{job.spelling} [{job.item.container}]"
    return job.spelling.lower() if job.item.workload is Workload.HANA_DATABASE else job.spelling
