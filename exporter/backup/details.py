"""Which details are worth a request, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from exporter.backup.containers import names_no_container
from exporter.backup.history import History, in_window
from exporter.backup.items import age_order, newest_finished, without_superseded
from exporter.backup.model import BackupJob, Settings
from exporter.backup.rollup import individual_jobs


class Urgency(IntEnum):
    """How soon a detail is needed; a smaller one goes first."""

    FAILED = 0
    NEWEST = 1
    RUNNING = 2
    REST = 3


class WantedDetail(NamedTuple):
    """A job whose detail some series needs."""

    job: BackupJob
    urgency: Urgency


DetailPolicy = Callable[[History, datetime, Settings], list[WantedDetail]]
"""Which details are read, most urgent first."""


def wanted_details(history: History, now: datetime, settings: Settings) -> list[WantedDetail]:
    """The jobs whose detail some series needs and the history lacks, most urgent first.

    Failed jobs, then the newest finished of each item, then those that run, then finished ones
    that have series of their own; newest first within each. Details are the scarce resource
    (FACTS 1.5), so a finished job that no series shows is never asked for; a running one that the
    list lacks is, to learn whether there still is such a job.
    """
    newest = without_superseded(newest_finished(history.jobs.values()), history.spellings).values()
    # Those of one name may each be the newest of another server's item.
    unplaced = [
        job
        for job in history.jobs.values()
        if names_no_container(job) and in_window(job, now, settings)
    ]
    # What the list does not name is known by its detail alone.
    current = {job.job_id for job in (*newest, *unplaced)} | history.missing
    shown = individual_jobs(history, now, settings)[: settings.max_job_series]
    missing = [history.jobs[job_id] for job_id in history.missing]
    wanted = {
        job.job_id: job
        for job in (*newest, *unplaced, *shown, *missing)
        if lacks_detail(job, history)
    }

    def urgency(job: BackupJob) -> Urgency:
        if job.status == "Failed":
            return Urgency.FAILED
        if job.job_id in current:
            return Urgency.NEWEST
        return Urgency.RUNNING if job.running else Urgency.REST

    newest_first = sorted(wanted.values(), key=age_order, reverse=True)
    return sorted(
        (WantedDetail(job, urgency(job)) for job in newest_first), key=lambda one: one.urgency
    )


def lacks_detail(job: BackupJob, history: History) -> bool:
    """Whether its detail is worth a read: a finished job's never changes, a running one's may.

    What the newest list has brought with the job is not asked for again.
    """
    if job.running:
        return job.job_id not in history.detailed
    return job.detail is None and job.job_id not in history.without_detail
