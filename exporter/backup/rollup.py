"""From a vault's history to what its series say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.backup.history import History, TaskSuccess, in_window, last_successes
from exporter.backup.items import (
    age_order,
    fuller_subjects,
    item_name,
    newest_finished,
    subject_of,
    without_superseded,
)
from exporter.backup.lateness import AgeLimits, age_limits
from exporter.backup.model import (
    FINISHED_STATUSES,
    RUNNING_STATUSES,
    BackupJob,
    ItemKey,
    JobSeries,
    Settings,
    Subject,
    Vault,
)

if TYPE_CHECKING:
    from collections.abc import Callable

COUNTED_STATUSES: Final = (*FINISHED_STATUSES, *sorted(RUNNING_STATUSES))
"""The statuses ``azure_backup_jobs`` is zero-filled over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemState:
    """One item and operation.

    Attributes:
        job: Its newest finished job.
        last_success: End of the newest successful job; None if none is known.
        task_successes: The newest completion of each task.
        consecutive_failures: Finished jobs since the last success, within what was read.
        age_limits: Beyond which age its last success is late; None for what makes no recovery
            point.
    """

    key: ItemKey
    job: BackupJob
    last_success: datetime | None
    task_successes: tuple[TaskSuccess, ...]
    consecutive_failures: int
    age_limits: AgeLimits | None


class CountKey(NamedTuple):
    """The labels of ``azure_backup_jobs`` beside the vault's. Names are label names."""

    backup_management_type: str
    operation: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """What the series of one vault's jobs say.

    Attributes:
        items: One for each item and operation with a finished job.
        jobs: The individual jobs that get series, newest first.
        counts: Jobs that run or ended within the window.
        dropped: Individual jobs cut by ``max_job_series``.
    """

    items: tuple[ItemState, ...]
    jobs: tuple[tuple[ItemKey, BackupJob], ...]
    counts: Mapping[CountKey, int]
    dropped: int


def roll_up(vault: Vault, history: History, now: datetime, settings: Settings) -> Rollup:
    """Build all that ``/metrics`` says of a vault's jobs."""
    key_of = _keys(vault, history)
    individual = individual_jobs(history, now, settings)
    kept = individual[: settings.max_job_series]
    return Rollup(
        items=_items(history, settings, key_of, age_limits(vault, settings.lateness)),
        jobs=tuple((key_of(job), job) for job in kept),
        counts=_counts(history, now, settings),
        dropped=len(individual) - len(kept),
    )


def individual_jobs(history: History, now: datetime, settings: Settings) -> list[BackupJob]:
    """The jobs of ``job_series`` that run or ended within the window, newest first, uncut."""
    if settings.job_series is JobSeries.NONE:
        return []
    jobs = [
        job
        for job in history.jobs.values()
        if in_window(job, now, settings) and (job.running or settings.job_series is JobSeries.ALL)
    ]
    return sorted(jobs, key=age_order, reverse=True)


def _keys(vault: Vault, history: History) -> Callable[[BackupJob], ItemKey]:
    spellings = history.spellings

    def key_of(job: BackupJob) -> ItemKey:
        return ItemKey(
            *vault.key,
            job.backup_management_type,
            job.protection_container,
            spellings[item_name(job)],
            job.operation,
            job.backup_type,
        )

    return key_of


def _items(
    history: History,
    settings: Settings,
    key_of: Callable[[BackupJob], ItemKey],
    limits_of: Callable[[ItemKey], AgeLimits | None],
) -> tuple[ItemState, ...]:
    newest = newest_finished(history.jobs.values())
    successes = last_successes(history, settings)
    failures = _failures_since_success(history, settings, newest, successes)
    tasks: dict[Subject, list[TaskSuccess]] = {}
    for (subject, _), success in history.task_successes.items():
        tasks.setdefault(subject, []).append(success)
    shown = without_superseded(newest, history.spellings)
    return tuple(
        ItemState(
            key=(key := key_of(job)),
            job=job,
            last_success=successes.get(subject),
            task_successes=tuple(tasks.get(subject, ())),
            consecutive_failures=failures[subject],
            age_limits=limits_of(key),
        )
        for subject, job in shown.items()
    )


def _failures_since_success(
    history: History,
    settings: Settings,
    newest: Mapping[Subject, BackupJob],
    successes: Mapping[Subject, datetime],
) -> Counter[Subject]:
    """Count what failed since the last success, which a fuller name of the item may have had."""
    fuller = fuller_subjects(newest, history.spellings)
    last_success = {
        subject: max(
            (at for s in (subject, *fuller(subject)) if (at := successes.get(s))),
            default=None,
        )
        for subject in newest
    }
    failures: Counter[Subject] = Counter()
    for subject, (number, newest_failure) in history.older_failures.items():
        since = last_success.get(subject)
        if since is None or newest_failure > since:
            failures[subject] += number
    for job in history.jobs.values():
        if job.running or job.status in settings.success_statuses:
            continue
        subject = subject_of(job)
        since = last_success[subject]
        if since is None or job.ended_at is None or job.ended_at > since:
            failures[subject] += 1
    return failures


def _counts(history: History, now: datetime, settings: Settings) -> Mapping[CountKey, int]:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for job in history.jobs.values():
        kind = job.backup_management_type, job.operation
        of_kind = counts.get(kind)
        if of_kind is None:
            of_kind = counts[kind] = Counter(dict.fromkeys(COUNTED_STATUSES, 0))
        if in_window(job, now, settings):
            of_kind[job.status] += 1
    return {
        CountKey(*kind, status): count
        for kind, of_kind in counts.items()
        for status, count in of_kind.items()
    }
