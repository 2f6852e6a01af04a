"""Which jobs belong to one item, and which of them is the newest finished one."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from exporter.backup.model import BackupJob, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_Age = tuple[datetime, datetime, str]


def subject_of(job: BackupJob) -> Subject:
    """What the job is about, for comparison."""
    return Subject(
        job.backup_management_type,
        job.protection_container,
        sys.intern(job.item.lower()),
        job.operation,
        job.backup_type,
    )


def age_order(job: BackupJob) -> _Age:
    """Sort key, oldest first: by end, since a job that fails at once may overlap a long one."""
    return (job.ended_at or _LONG_AGO, job.start_time or _LONG_AGO, job.job_id)


def newest_finished(jobs: Iterable[BackupJob]) -> dict[Subject, BackupJob]:
    """The newest finished job of each subject."""
    newest: dict[Subject, tuple[_Age, BackupJob]] = {}
    for job in jobs:
        if job.running:
            continue
        subject, age = subject_of(job), age_order(job)
        known = newest.get(subject)
        if known is None or age > known[0]:
            newest[subject] = age, job
    return {subject: job for subject, (_, job) in newest.items()}


def without_superseded(newest: Mapping[Subject, BackupJob]) -> dict[Subject, BackupJob]:
    """Drop the subjects that say less than another one with a newer finished job.

    A database can fail as ``Backup`` of ``msdb`` and succeed as ``Backup (Full)`` of
    ``msdb [host]`` (FACTS 1.3): without this the failure would stand for ever.
    """
    fuller = fuller_subjects(newest)
    return {
        subject: job
        for subject, job in newest.items()
        if not any(age_order(newest[other]) > age_order(job) for other in fuller(subject))
    }


def fuller_subjects(subjects: Iterable[Subject]) -> Callable[[Subject], list[Subject]]:
    """A look-up among these subjects: which name the type or container that a given one lacks."""
    by_item: dict[tuple[str, str, str], list[Subject]] = {}
    for subject in subjects:
        by_item.setdefault(_item_of(subject), []).append(subject)

    def fuller(subject: Subject) -> list[Subject]:
        return [other for other in by_item.get(_item_of(subject), ()) if _lacks(subject, other)]

    return fuller


def _lacks(subject: Subject, other: Subject) -> bool:
    """Whether the other names a backup type or a container that this one leaves out."""
    names_type = not subject.backup_type and bool(other.backup_type)
    names_container = not subject.protection_container and bool(other.protection_container)
    if names_type:
        # Then the container may be missing on either side.
        ours, theirs = subject.protection_container, other.protection_container
        return ours == theirs or not (ours and theirs)
    return names_container and subject.backup_type == other.backup_type


def _item_of(subject: Subject) -> tuple[str, str, str]:
    return subject.backup_management_type, subject.item, subject.operation


def spellings(jobs: Iterable[BackupJob]) -> dict[tuple[str, str, str], str]:
    """How the newest job spells each item, by management type, container and lower-case name."""
    newest: dict[tuple[str, str, str], tuple[datetime, str, str]] = {}
    for job in jobs:
        name = spelling_key(job)
        spelt = (job.start_time or _LONG_AGO, job.job_id, job.item)
        known = newest.get(name)
        if known is None or spelt > known:
            newest[name] = spelt
    return {name: item for name, (_, _, item) in newest.items()}


def spelling_key(job: BackupJob) -> tuple[str, str, str]:
    """The item's name for comparison; equal names in two containers are two items."""
    return job.backup_management_type, job.protection_container, job.item.lower()
