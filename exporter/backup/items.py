"""Which jobs belong to one item, and which of them is the newest finished one."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from exporter.backup.model import BackupJob, ItemName, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_Age = tuple[datetime, datetime, str]
_Seen = tuple[datetime, str, str]


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


def without_superseded(
    newest: Mapping[Subject, BackupJob], names: Iterable[ItemName]
) -> dict[Subject, BackupJob]:
    """Drop the subjects that say less than another one with a newer finished job.

    A database can fail as ``Backup`` of ``msdb`` and succeed as ``Backup (Full)`` of
    ``msdb [host]`` (FACTS 1.3): without this the failure would stand for ever.

    Args:
        newest: The newest finished job of each subject.
        names: All items that are known.
    """
    fuller = fuller_subjects(newest, names)
    return {
        subject: job
        for subject, job in newest.items()
        if not any(age_order(newest[other]) > age_order(job) for other in fuller(subject))
    }


def fuller_subjects(
    subjects: Iterable[Subject], names: Iterable[ItemName]
) -> Callable[[Subject], list[Subject]]:
    """A look-up among these subjects: which name the type or container that a given one lacks.

    Where an item's name is known in two containers, one without container may be either's: a
    success of one server must not hide a failure that may be the other's.
    """
    by_item: dict[tuple[str, str, str], list[Subject]] = {}
    for subject in subjects:
        by_item.setdefault(_doing(subject), []).append(subject)
    places: dict[tuple[str, str], set[str]] = {}
    for name in names:
        if name.protection_container:
            of_name = places.setdefault((name.backup_management_type, name.item), set())
            of_name.add(name.protection_container)

    def fuller(subject: Subject) -> list[Subject]:
        others = by_item.get(_doing(subject), ())
        known = places.get((subject.backup_management_type, subject.item), ())
        return [other for other in others if _lacks(subject, other, certain=len(known) <= 1)]

    return fuller


def _lacks(subject: Subject, other: Subject, *, certain: bool) -> bool:
    """Whether the other names a backup type or a container that this one leaves out.

    Args:
        subject: The one that may say less.
        other: Of the same item and operation.
        certain: Whether one that names no container can only mean the one that is known.
    """
    ours, theirs = subject.protection_container, other.protection_container
    one_place = ours == theirs or (certain and not (ours and theirs))
    if not one_place:
        return False
    if not subject.backup_type and other.backup_type:
        return True
    return not ours and bool(theirs) and subject.backup_type == other.backup_type


def _doing(subject: Subject) -> tuple[str, str, str]:
    return subject.backup_management_type, subject.item, subject.operation


def item_name(job: BackupJob) -> ItemName:
    """What the job's item is called, for comparison."""
    return ItemName(
        job.backup_management_type, job.protection_container, sys.intern(job.item.lower())
    )


def with_spellings(
    known: Mapping[ItemName, str], jobs: Iterable[BackupJob]
) -> Mapping[ItemName, str]:
    """How each item is spelt: as it was first seen, for a new spelling would be a new series.

    Of several jobs that are new together the oldest counts. A name may come without its container
    at first, as databases' do (FACTS 1.3): it and the only container known share one spelling.
    """
    first: dict[ItemName, _Seen] = {}
    for job in jobs:
        name = item_name(job)
        if name in known:
            continue
        seen = (job.start_time or _LATEST, job.job_id, job.item)
        if name not in first or seen < first[name]:
            first[name] = seen
    if not first:
        return known
    spelt = dict(known)
    namesakes: dict[tuple[str, str], list[ItemName]] = {}
    for name in known:
        namesakes.setdefault((name.backup_management_type, name.item), []).append(name)
    for name, (_, _, spelling) in sorted(first.items(), key=lambda found: found[1]):
        others = namesakes.setdefault((name.backup_management_type, name.item), [])
        shared = len(others) == 1 and not (
            name.protection_container and others[0].protection_container
        )
        spelt[name] = spelt[others[0]] if shared else spelling
        others.append(name)
    return spelt
