"""What the exporter knows about vaults and their jobs: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from exporter.backup.lateness import LatenessRule

RUNNING_STATUSES: Final = frozenset({"InProgress", "Cancelling"})
"""Statuses of jobs without an end (FACTS 4)."""

FINISHED_STATUSES: Final = ("Completed", "CompletedWithWarnings", "Failed", "Cancelled")
"""Statuses that end a job (FACTS 3); Azure's list is open."""

BACKUP: Final = "Backup"
"""The operation that makes a recovery point."""

STOPPING: Final = ("DisableBackup", "DeleteBackupData", "UnRegister")
"""Operations after which an item has no backups any more."""

PROTECTING: Final = ("ConfigureBackup", "Undelete")
"""Operations after which it has them again."""

RESTORING: Final = ("Restore", "CrossRegionRestore", "RestoreWithRehydrate")
"""Operations for which somebody waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """A Recovery Services vault.

    Attributes:
        subscription_id: Lower case.
        resource_group: As configured; Azure compares it without case.
        name: As configured; Azure compares it without case.
        vault_type: ``RecoveryServices`` or ``Backup``; a group may have one of each with one name.
        location: Azure region in lower case, e.g. ``westeurope``; empty when not known.
        sku: ``RS0`` or ``Standard``; empty when not known, as it is without discovery.
        redundancy: ``LocallyRedundant``, ``GeoRedundant`` or ``ZoneRedundant``; likewise.
        tags: Names and values as Azure spells them.
    """

    subscription_id: str
    resource_group: str
    name: str
    vault_type: str = "RecoveryServices"
    location: str = ""
    sku: str = ""
    redundancy: str = ""
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        """The ARM resource id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.RecoveryServices/vaults/{self.name}"
        )

    @property
    def id(self) -> str:
        """The resource id for comparison: ARM ids differ in case between answers (FACTS 4)."""
        return self.path.lower()

    @property
    def key(self) -> VaultKey:
        """Its labels."""
        return VaultKey(self.subscription_id, self.resource_group, self.vault_type, self.name)


# There are many of these: a Struct is made ten times faster than a frozen dataclass, and the
# garbage collector need not look at what cannot lead back to itself.
class Task(Struct, frozen=True, kw_only=True, gc=False):
    """One step of a job (``tasksList``).

    Attributes:
        name: ``taskId``, in the newer spelling where Azure has used two.
        status: NotStarted, InProgress, Completed, Failed, Cancelling, Cancelled or newer; empty
            when Azure sent none.
        step: Position in Azure's list, from 1.
        duration_seconds: None where Azure sends zero or nothing: it often sends zero for tasks
            that ran (FACTS 6).
    """

    name: str
    status: str
    step: int
    duration_seconds: float | None


class JobError(NamedTuple):
    """One element of ``errorDetails``; the message stays out, it grows without end.

    Attributes:
        code: ``errorCode`` as text; empty for DPM and MAB jobs.
        title: ``errorTitle``; empty for file shares and in 2016.
    """

    code: str
    title: str


class JobDetail(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What only the detail of a job carries (``extendedInfo``).

    Attributes:
        tasks: In Azure's order.
        backup_size_bytes: ``propertyBag["Backup Size"]``; None when absent.
        data_transferred_bytes: ``propertyBag["Data Transferred (in MB)"]``; None when absent.
        progress_ratio: 0 to 1; restores of virtual machines only.
        estimated_remaining_seconds: Restores of virtual machines only.
        machine: The last part of ``propertyBag["ContainerUniqueName"]``, ``Compute;group;machine``,
            in lower case; only where the protection of a database was changed.
    """

    tasks: tuple[Task, ...] = ()
    backup_size_bytes: float | None = None
    data_transferred_bytes: float | None = None
    progress_ratio: float | None = None
    estimated_remaining_seconds: float | None = None
    machine: str = ""


class BackupJob(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One run of one operation (Backup, Restore, ...) on one protected item.

    Texts are empty when Azure sent none. Everything but ``job_id`` may change while the job
    runs (FACTS 1.3).

    Attributes:
        job_id: The job's GUID, lower case.
        item: ``entityFriendlyName`` without a trailing `` [host]``.
        protection_container: ``containerName``, else storage account, server name or that host;
            lower case.
        operation: Without the backup type: ``Backup`` for ``Backup (Full)``.
        backup_type: ``Full`` for ``Backup (Full)``; empty for ``(Invalid)``.
        start_time: UTC.
        end_time: UTC; None while the job runs.
        duration_seconds: As Azure measured it, 100 ns steps, not below 0.
        detail: None until it was read; the list carries none (FACTS 1.6).
    """

    job_id: str
    job_type: str
    backup_management_type: str
    item: str
    protection_container: str
    operation: str
    backup_type: str
    status: str
    workload_type: str
    activity_id: str
    start_time: datetime | None
    end_time: datetime | None
    duration_seconds: float | None
    errors: tuple[JobError, ...] = ()
    detail: JobDetail | None = None

    @property
    def running(self) -> bool:
        """Whether the job has not ended. A status we do not know counts by its end time."""
        if self.status in FINISHED_STATUSES:
            return False
        return self.status in RUNNING_STATUSES or self.end_time is None

    @property
    def tasks(self) -> tuple[Task, ...]:
        """As far as the detail is known."""
        return self.detail.tasks if self.detail else ()

    @property
    def ended_at(self) -> datetime | None:
        """When a finished job ended, or the nearest instant known."""
        if self.end_time is not None or self.start_time is None:
            return self.end_time
        try:
            return self.start_time + timedelta(seconds=self.duration_seconds or 0.0)
        except OverflowError:
            return self.start_time


class Subject(NamedTuple):
    """What jobs of one series have in common within a vault.

    For comparison the item is lower case: two jobs whose names differ only by case are one item.
    """

    backup_management_type: str
    protection_container: str
    item: str
    operation: str
    backup_type: str


class ItemName(NamedTuple):
    """What tells one item of a vault from another, for comparison: ``item`` is lower case."""

    backup_management_type: str
    protection_container: str
    item: str


class VaultKey(NamedTuple):
    """The labels of a vault. Field names are label names."""

    subscription_id: str
    resource_group: str
    vault_type: str
    vault: str


class ItemKey(NamedTuple):
    """The labels of an item and operation: a vault's, then a subject's. Names are label names."""

    subscription_id: str
    resource_group: str
    vault_type: str
    vault: str
    backup_management_type: str
    protection_container: str
    item: str
    operation: str
    backup_type: str


class JobSeries(StrEnum):
    """Which individual jobs get series of their own."""

    ALL = "all"
    RUNNING = "running"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the core judges and keeps jobs; the meaning of each stands in config.example.yaml."""

    lookback: timedelta
    forget_after: timedelta
    window: timedelta
    job_series: JobSeries
    max_job_series: int
    success_statuses: frozenset[str]
    lateness: tuple[LatenessRule, ...]
