"""Which jobs a person asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.backup.details import Urgency, WantedDetail, lacks_detail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.backup.history import History
    from exporter.backup.model import BackupJob, Settings, Vault

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class ListedJob(NamedTuple):
    """A job and the vault that lists it."""

    vault: Vault
    job: BackupJob


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """What jobs must be like. Everything compares without case; patterns are a shell's (``sql*``).

    Attributes:
        since: Jobs that run, or ended within this time.
        statuses: Any of these, lower case; empty for all.
        vault: Pattern of the vault's name or resource id.
        item: Pattern of the item's name.
        operation: Pattern of the operation, without the backup type.
    """

    since: timedelta
    statuses: frozenset[str] = frozenset()
    vault: str = "*"
    item: str = "*"
    operation: str = "*"

    def reads(self, vault_id: str) -> bool:
        """Whether a vault is asked for; its id in lower case."""
        return any(_fits(text, self.vault) for text in (vault_id, vault_id.rpartition("/")[2]))

    def accepts(self, job: BackupJob, now: datetime) -> bool:
        """Whether a job is asked for."""
        ended_at = job.ended_at
        return (
            (job.running or ended_at is None or now - ended_at <= self.since)
            and (not self.statuses or job.status.lower() in self.statuses)
            and _fits(job.item, self.item)
            and _fits(job.operation, self.operation)
        )

    def wanted_details(
        self, history: History, now: datetime, settings: Settings
    ) -> list[WantedDetail]:
        """The details that the jobs asked for still lack: failed ones first, then the newest."""
        del settings
        wanted = [
            WantedDetail(job, Urgency.FAILED if job.status == "Failed" else Urgency.NEWEST)
            for job in sorted(history.jobs.values(), key=_started_at, reverse=True)
            if self.accepts(job, now) and lacks_detail(job, history)
        ]
        return sorted(wanted, key=lambda one: one.urgency)


def no_details(history: History, now: datetime, settings: Settings) -> list[WantedDetail]:
    """None: the lists say enough."""
    del history, now, settings
    return []


def newest_first(jobs: Iterable[ListedJob]) -> list[ListedJob]:
    """Jobs by their start; those without one come last."""
    return sorted(jobs, key=lambda one: (_started_at(one.job), one.job.job_id), reverse=True)


def _started_at(job: BackupJob) -> datetime:
    return job.start_time or _LONG_AGO


def _fits(text: str, pattern: str) -> bool:
    return fnmatchcase(text.lower(), pattern.lower())
