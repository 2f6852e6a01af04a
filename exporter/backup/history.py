"""What is known of one vault's jobs, merged by GUID from successive reads."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import structs

from exporter.backup.containers import with_containers
from exporter.backup.items import newest_finished, subject_of, with_spellings
from exporter.backup.model import FINISHED_STATUSES, BackupJob, ItemName, Settings, Subject

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

FULL_READ_EVERY: Final = timedelta(hours=6)
"""A full list repairs what incremental reads may have missed."""

OVERLAP: Final = timedelta(minutes=15)
"""How far an incremental read reaches back behind the last one: Azure lists a job late."""

LONGEST_REACH: Final = timedelta(days=1)
"""A list reaches back to running jobs, but no further than that: one that runs for weeks would make
each list as long as all jobs since. It is asked for by its own detail."""

START_SHIFT: Final = timedelta(seconds=5)
"""A running job's startTime moves by up to 2.1 s (FACTS 1.3)."""

_LISTED_WHEN_ENDED: Final = "MAB"
"""Azure lists the jobs of its agent only after they have ended (FACTS 6)."""

_SERVICE_BEGAN: Final = datetime(2010, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSuccess:
    """When a task last completed, and how its name was spelt then."""

    task: str
    at: datetime


class OlderFailures(NamedTuple):
    """Unsuccessful jobs since the last success that are no longer kept.

    Attributes:
        number: How many.
        newest: When the newest of them ended.
    """

    number: int
    newest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that is known of one vault's jobs. A new reading makes a new history.

    Attributes:
        jobs: By ``job_id``.
        ends: End of the newest finished job of each subject and status; outlives the job. Which
            statuses are successes is asked later: a reload may change that.
        task_successes: By subject and lower-case task, the newest job in which it completed.
        older_failures: What ``consecutive_failures`` counts beyond ``jobs``.
        spellings: How the item of each of ``jobs`` is spelt on the page.
        missing: Ids of running jobs that the newest list does not name: it should, or they began
            before it.
        detailed: Ids of running jobs whose detail the newest list has brought.
        without_detail: Ids of finished jobs whose detail Azure does not have, or not readably; not
            asked for again until the next full list.
        read_at: When the newest list was asked for.
        full_read_at: When the newest list over the whole look-back was asked for.
    """

    jobs: Mapping[str, BackupJob] = field(default_factory=dict)
    ends: Mapping[tuple[Subject, str], datetime] = field(default_factory=dict)
    task_successes: Mapping[tuple[Subject, str], TaskSuccess] = field(default_factory=dict)
    older_failures: Mapping[Subject, OlderFailures] = field(default_factory=dict)
    spellings: Mapping[ItemName, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    detailed: frozenset[str] = frozenset()
    without_detail: frozenset[str] = frozenset()
    read_at: datetime | None = None
    full_read_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The interval of start times a list is asked for.

    Attributes:
        full: Whether it covers the whole look-back.
    """

    start: datetime
    end: datetime
    full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailReading:
    """What the details of one refresh brought.

    Attributes:
        jobs: Jobs with their detail.
        gone: Ids Azure answered 404 for. A running job that the list lacks too is no more.
        unreadable: Ids whose detail is no job.
    """

    jobs: list[BackupJob] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)


def next_window(history: History, now: datetime, settings: Settings) -> Window:
    """What to list next: the whole look-back at first and every six hours, else what may be new."""
    reach = _before(now, LONGEST_REACH)
    oldest_running = min(
        (
            job.start_time - START_SHIFT
            for job in history.jobs.values()
            if job.running and job.start_time and job.start_time >= reach
        ),
        default=now,
    )
    lookback = _before(now, settings.lookback)
    read_at, full_read_at = history.read_at, history.full_read_at
    if (
        read_at is None
        or full_read_at is None
        or not full_read_at <= now < full_read_at + FULL_READ_EVERY
    ):
        # After a long time without any list, what ended meanwhile is asked for, too.
        last = max(read_at - OVERLAP, remembered_from(now, settings)) if read_at else now
        return Window(start=min(lookback, oldest_running, last), end=now, full=True)
    # The next one may take longer than any so far.
    unseen = read_at - OVERLAP - 2 * _longest_unseen(history)
    start = min(read_at - OVERLAP, oldest_running, max(lookback, unseen))
    return Window(start=start, end=now, full=False)


def _longest_unseen(history: History) -> timedelta:
    """How long a job of this vault has run before Azure listed it; zero for most vaults."""
    return max(
        (
            job.end_time - job.start_time
            for job in history.jobs.values()
            if job.backup_management_type == _LISTED_WHEN_ENDED
            and job.start_time
            and job.end_time
            and job.end_time > job.start_time
        ),
        default=timedelta(),
    )


def merge_list(
    history: History, listed: Iterable[BackupJob], window: Window, settings: Settings
) -> History:
    """Take in a whole list.

    The window is applied here again, since Azure has been seen to ignore ``$filter``.
    """
    earliest = min(window.start, _before(window.end, settings.lookback))
    taken: dict[str, BackupJob] = {}
    for job in listed:
        in_time = job.running or job.start_time is None or job.start_time >= earliest
        if in_time or job.job_id in history.jobs:
            # Pages can overlap: of two entries of one job the finished one stands.
            taken[job.job_id] = _reconcile(taken.get(job.job_id), job)
    known = history.jobs
    if window.full:
        # One without any instant never ages.
        known = {k: job for k, job in known.items() if k in taken or job.running or job.ended_at}
    merged = _merge(replace(history, jobs=known), taken.values())
    returned = (job for job_id, job in merged.jobs.items() if job_id not in history.jobs)
    return replace(
        merged,
        older_failures=_without_returned(history, returned, settings),
        read_at=window.end,
        full_read_at=window.end if window.full else history.full_read_at,
        # One list without a job that runs proves nothing: lists have been seen empty, and do not
        # reach back to those that run for days. Its detail decides.
        missing=frozenset(k for k, job in merged.jobs.items() if job.running and k not in taken),
        detailed=frozenset(k for k, job in taken.items() if job.running and job.detail),
        without_detail=frozenset() if window.full else history.without_detail,
    )


def merge_running(history: History, listed: Iterable[BackupJob]) -> History:
    """Take in running jobs that are not known: those that began before the look-back."""
    unknown = [job for job in listed if job.running and job.job_id not in history.jobs]
    if not unknown:
        return history
    merged = _merge(history, unknown)
    return replace(merged, missing=merged.missing | {job.job_id for job in unknown})


def merge_details(history: History, reading: DetailReading) -> History:
    """Take in what the reading of details brought."""
    jobs = {
        job_id: job
        for job_id, job in history.jobs.items()
        if not (job.running and job_id in reading.gone and job_id in history.missing)
    }
    merged = _merge(replace(history, jobs=jobs), reading.jobs)
    without = {*history.without_detail, *reading.gone, *reading.unreadable}
    ended = frozenset(k for k in without if k in merged.jobs and not merged.jobs[k].running)
    return replace(merged, without_detail=ended)


def without_running_details(history: History, job_ids: Collection[str]) -> History:
    """Drop what details said of those of these jobs that still run: it would look fresh."""
    stale = {
        job_id: structs.replace(job, detail=None)
        for job_id, job in history.jobs.items()
        if job.running and job.detail and job_id in job_ids
    }
    return replace(history, jobs={**history.jobs, **stale}) if stale else history


def prune(history: History, now: datetime, settings: Settings) -> History:
    """Forget jobs that no family shows any more, and items that had none for ``forget_after``.

    So are details: of a finished job, only those of an item's newest and within the window show.
    """
    keep_from, remember_from = _keep_from(now, settings), remembered_from(now, settings)
    newest = newest_finished(history.jobs.values())
    newest_ids = {
        job.job_id
        for job in newest.values()
        if job.ended_at is None or job.ended_at >= remember_from
    }
    jobs = {
        job_id: structs.replace(job, detail=None)
        if job.detail and job_id not in newest_ids and not in_window(job, now, settings)
        else job
        for job_id, job in history.jobs.items()
        if job.running or job_id in newest_ids or job.ended_at is None or job.ended_at >= keep_from
    }
    # Where a finished job with an end is kept, its subject's newest is.
    subjects = {subject for subject, job in newest.items() if job.job_id in jobs}
    subjects |= {subject_of(job) for job in jobs.values() if job.running or job.ended_at is None}
    names = {ItemName(*subject[:3]) for subject in subjects}
    older = _with_older_failures(history, jobs, settings)
    return replace(
        history,
        jobs=jobs,
        older_failures={k: v for k, v in older.items() if k in subjects},
        ends={
            (subject, status): at
            for (subject, status), at in history.ends.items()
            if subject in subjects and status in {*FINISHED_STATUSES, *settings.success_statuses}
        },
        task_successes={k: v for k, v in history.task_successes.items() if k[0] in subjects},
        spellings={k: v for k, v in history.spellings.items() if k in names},
        without_detail=history.without_detail & jobs.keys(),
    )


def in_window(job: BackupJob, now: datetime, settings: Settings) -> bool:
    """Whether the job runs, or ended within ``metrics.window``."""
    return job.running or job.ended_at is None or now - job.ended_at <= settings.window


def remembered_from(now: datetime, settings: Settings) -> datetime:
    """An item without any job since then is forgotten."""
    # A list over a longer look-back would bring a forgotten item straight back.
    return min(_keep_from(now, settings), _before(now, settings.forget_after))


def _keep_from(now: datetime, settings: Settings) -> datetime:
    return _before(now, max(settings.lookback, settings.window))


def _with_older_failures(
    history: History, kept: Mapping[str, BackupJob], settings: Settings
) -> dict[Subject, OlderFailures]:
    successes = last_successes(history, settings)
    older = {
        subject: failures
        for subject, failures in history.older_failures.items()
        if subject not in successes or failures.newest > successes[subject]
    }
    for job_id, job in history.jobs.items():
        ended = job.ended_at
        if job_id in kept or ended is None or job.status in settings.success_statuses:
            continue
        subject = subject_of(job)
        success = successes.get(subject)
        if success is None or ended > success:
            number, newest = older.get(subject, OlderFailures(0, ended))
            older[subject] = OlderFailures(number + 1, max(newest, ended))
    return older


def _without_returned(
    history: History, returned: Iterable[BackupJob], settings: Settings
) -> Mapping[Subject, OlderFailures]:
    """Leave the count of older failures to ``jobs`` where these bring one back.

    They do while a job runs that began before the look-back, and after that was made longer.
    """
    if not history.older_failures:
        return history.older_failures
    older = dict(history.older_failures)
    for job in returned:
        failures, ended = older.get(subject := subject_of(job)), job.ended_at
        if job.running or ended is None or job.status in settings.success_statuses:
            continue
        if failures and ended <= failures.newest:
            older[subject] = failures._replace(number=failures.number - 1)
    return {subject: failures for subject, failures in older.items() if failures.number > 0}


def last_successes(history: History, settings: Settings) -> dict[Subject, datetime]:
    """End of the newest successful job of each subject."""
    successes: dict[Subject, datetime] = {}
    for (subject, status), ended in history.ends.items():
        if status in settings.success_statuses:
            successes[subject] = max(ended, successes.get(subject, ended))
    return successes


def _merge(history: History, new: Iterable[BackupJob]) -> History:
    jobs = dict(history.jobs)
    ends = dict(history.ends)
    task_successes = dict(history.task_successes)
    changed = []
    for reading in with_containers(list(new), history.jobs, history.spellings):
        known = jobs.get(reading.job_id)
        job = _reconcile(known, reading)
        if job is not known:
            changed.append(job)
        jobs[job.job_id] = job
        if job.running or job.ended_at is None:
            continue
        subject, ended = subject_of(job), job.ended_at
        of_status = (subject, job.status)
        ends[of_status] = max(ended, ends.get(of_status, ended))
        for task in job.tasks:
            if task.status != "Completed":
                continue
            key = (subject, sys.intern(task.name.lower()))
            if key not in task_successes or task_successes[key].at <= ended:
                task_successes[key] = TaskSuccess(task=task.name, at=ended)
    return replace(
        history,
        jobs=jobs,
        ends=ends,
        task_successes=task_successes,
        spellings=with_spellings(history.spellings, changed),
    )


def _reconcile(known: BackupJob | None, new: BackupJob) -> BackupJob:
    """One job from what was known and what was read.

    A finished job stays finished (a lagging front end may still list it as running) and keeps
    its detail, which never changes. The tasks of a run that has ended since are dropped.

    Names only grow: list and detail may disagree in them (FACTS 1.3), and which of the two was
    read last must not decide what the job's series are called.
    """
    if known is None:
        return new
    if not known.running and new.running:
        return known
    if new.detail is None and known.running == new.running:
        new = structs.replace(new, detail=known.detail)
    if new != known:
        new = structs.replace(
            new,
            job_type=known.job_type or new.job_type,
            backup_management_type=known.backup_management_type or new.backup_management_type,
            item=known.item or new.item,
            protection_container=known.protection_container or new.protection_container,
            operation=known.operation or new.operation,
            backup_type=known.backup_type or new.backup_type,
            workload_type=known.workload_type or new.workload_type,
            activity_id=known.activity_id or new.activity_id,
        )
    # The same object for the same job: memory stays flat over thousands of refreshes.
    return known if new == known else new


def _before(now: datetime, span: timedelta) -> datetime:
    """``now - span``, however long the span."""
    try:
        return max(now - span, _SERVICE_BEGAN)
    except OverflowError:
        return _SERVICE_BEGAN
