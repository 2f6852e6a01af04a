"""How far a job is: what has changed since the last look, and how it ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.words import span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.backup.model import BackupJob, Task
    from exporter.backup.tracked import TrackedJob

SIZE_UNITS: Final = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def size(byte_count: float) -> str:
    """Bytes for people, e.g. ``20.5 GiB``."""
    for unit, factor in SIZE_UNITS:
        if byte_count >= factor:
            return f"{byte_count / factor:,.1f} {unit}"
    return f"{byte_count:.0f} bytes"


def title(job: BackupJob) -> str:
    """Which job it is, e.g. ``Backup (Full) of msdb``."""
    kind = f" ({job.backup_type})" if job.backup_type else ""
    return f"{job.operation or 'Job'}{kind} of {job.item or job.job_id}"


def sizes(job: BackupJob) -> list[str]:
    """What it has backed up and moved, as far as Azure says."""
    detail = job.detail
    texts = []
    if detail and detail.backup_size_bytes is not None:
        texts.append(f"backup size {size(detail.backup_size_bytes)}")
    if detail and detail.data_transferred_bytes is not None:
        texts.append(f"{size(detail.data_transferred_bytes)} transferred")
    return texts


def remaining(job: BackupJob) -> str:
    """How long it will take, as Azure estimates it; empty when it does not, or has ended."""
    seconds = job.detail.estimated_remaining_seconds if job.detail and job.running else None
    return f"about {span(timedelta(seconds=seconds))} left" if seconds else ""


def changes(before: TrackedJob | None, after: TrackedJob) -> Iterator[str]:
    """One line for each thing that is new."""
    job, old = after.job, before.job if before else None
    if old is None or title(old) != title(job):
        yield f"{title(job)}, job {job.job_id}"
    if old is None or old.status != job.status:
        yield job.status
    known = {task.step: task for task in (old.tasks if old else ())}
    for task in job.tasks:
        last = known.get(task.step)
        note = after.notes.get(task.step, "")
        noted = before.notes.get(task.step, "") if before else ""
        if last is None or last.status != task.status or note != noted:
            yield task_line(task, note)
    if (share := percentage(job)) is not None and (old is None or share != percentage(old)):
        yield ", ".join(filter(None, [f"{share} %", remaining(job)]))


def task_line(task: Task, note: str) -> str:
    """A task in one line, e.g. ``2. Transfer data to vault: InProgress (1 GBs / 2 GBs)``."""
    took = span(timedelta(seconds=task.duration_seconds)) if task.duration_seconds else ""
    more = ", ".join(filter(None, [took, note]))
    return f"{task.step}. {task.name}: {task.status}{f' ({more})' if more else ''}"


def summary(tracked: TrackedJob) -> list[str]:
    """How it ended, in one line; then each error with what Azure recommends."""
    job = tracked.job
    took = span(timedelta(seconds=job.duration_seconds)) if job.duration_seconds is not None else ""
    head = f"{job.status}{f' after {took}' if took else ''}"
    lines = ["; ".join([head, *sizes(job)])]
    for fault in tracked.faults:
        lines.append("error " + " ".join(filter(None, [fault.code, fault.message])))
        lines += [f"  Azure recommends: {tip}" for tip in fault.advice]
    return lines


def percentage(job: BackupJob) -> int | None:
    """Whole percent; None where Azure sends none, as for all but restores of machines."""
    ratio = job.detail.progress_ratio if job.detail else None
    return None if ratio is None else int(ratio * 100)
