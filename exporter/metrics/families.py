"""The one table of metric families: name, type, HELP, labels, and where samples come from.

Label names come from the fields of the keys, and roll-up keys jobs by those same types, so no
series can appear twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, NamedTuple, TypeVar

from exporter.backup.model import (
    FINISHED_STATUSES,
    BackupJob,
    ItemKey,
    JobDetail,
    VaultKey,
)
from exporter.backup.rollup import CountKey, ItemState
from exporter.backup.vaults import tag_label
from exporter.errors import ErrorKind
from exporter.metrics.snapshot import VaultSnapshot

Row = TypeVar("Row")
Sample = tuple[tuple[str, ...], float]
"""The values of a family's own labels, and the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family(Generic[Row]):
    """One metric family.

    Attributes:
        name: As it stands on the page; a counter's ends with ``_total``.
        help: What, unit, and Azure's own field name.
        key: The labels every sample of the family's rows carries.
        labels: The family's own labels beside those.
        samples: From a row to the values of ``labels`` and the value; nothing for unknown.
        type: ``gauge`` or ``counter``.
        free_labels: From a row to labels whose names the configuration decides; None for none.
    """

    name: str
    help: str
    key: tuple[str, ...]
    samples: Callable[[Row], Iterable[Sample]]
    labels: tuple[str, ...] = ()
    type: str = "gauge"
    free_labels: Callable[[Row], Iterable[tuple[str, str]]] | None = None


class JobRow(NamedTuple):
    """One individual job under its item's labels."""

    key: ItemKey
    job: BackupJob


LAST_JOB_STATUSES: Final = (*FINISHED_STATUSES, "Other")
JOB_KEY: Final = (*ItemKey._fields, "job_id")

_DURATION_HELP: Final = "in seconds (duration); a negative one, of clocks that disagree, is 0."
_SIZE_HELP: Final = "in bytes (propertyBag 'Backup Size'); Azure's MB is read as 2^20 bytes."
_TRANSFER_HELP: Final = (
    "in bytes (propertyBag 'Data Transferred (in MB)'); Azure's MB is read as 2^20 bytes."
)
_TASK_STATUS_HELP: Final = "(tasksList taskId and status), always 1; step is its position from 1."
_TASK_DURATION_HELP: Final = (
    "in seconds (tasksList endTime - startTime, else duration)."
    " Absent where Azure sends zero or nothing."
)


def _value(value: float | None) -> Iterable[Sample]:
    return () if value is None else (((), value),)


def _instant(instant: datetime | None) -> Iterable[Sample]:
    return () if instant is None else (((), instant.timestamp()),)


def _of_detail(
    read: Callable[[JobDetail], float | None],
) -> Callable[[BackupJob], Iterable[Sample]]:
    return lambda job: () if job.detail is None else _value(read(job.detail))


def _last(
    samples: Callable[[BackupJob], Iterable[Sample]],
) -> Callable[[ItemState], Iterable[Sample]]:
    return lambda item: samples(item.job)


def _task_status(job: BackupJob) -> Iterator[Sample]:
    for task in job.tasks:
        yield (task.name, str(task.step), task.status), 1


def _task_duration(job: BackupJob) -> Iterator[Sample]:
    for task in job.tasks:
        if task.duration_seconds is not None:
            yield (task.name, str(task.step)), task.duration_seconds


def _last_status(item: ItemState) -> Iterator[Sample]:
    status = item.job.status if item.job.status in FINISHED_STATUSES else "Other"
    for known in LAST_JOB_STATUSES:
        yield (known,), int(known == status)


def _age_limits(item: ItemState) -> Iterator[Sample]:
    if item.age_limits:
        for severity, limit in item.age_limits._asdict().items():
            if limit is not None:
                yield (severity,), limit.total_seconds()


def _job_status(row: JobRow) -> Iterable[Sample]:
    return (((row.job.status,), 1),) if row.job.status else ()


def _info(job: BackupJob) -> Iterable[Sample]:
    return (((job.job_id, job.job_type, job.workload_type, job.activity_id), 1),)


def _item(
    name: str, text: str, samples: Callable[[ItemState], Iterable[Sample]], *labels: str
) -> Family[ItemState]:
    return Family(
        name=f"azure_backup_{name}",
        help=text,
        key=ItemKey._fields,
        labels=labels,
        samples=samples,
    )


def _job(
    name: str, text: str, samples: Callable[[BackupJob], Iterable[Sample]], *labels: str
) -> Family[JobRow]:
    return Family(
        name=f"azure_backup_job_{name}",
        help=text,
        key=JOB_KEY,
        labels=labels,
        samples=lambda row: samples(row.job),
    )


def _vault(
    name: str,
    text: str,
    samples: Callable[[VaultSnapshot], Iterable[Sample]],
    *labels: str,
    counter: bool = False,
) -> Family[VaultSnapshot]:
    return Family(
        name=f"azure_backup_{name}",
        help=text,
        key=VaultKey._fields,
        labels=labels,
        samples=samples,
        type="counter" if counter else "gauge",
    )


ITEM_FAMILIES: Final = (
    _item(
        "last_job_status",
        "Status of the item's newest finished job (status): 1 for its status, 0 for the others.",
        _last_status,
        "status",
    ),
    _item(
        "last_job_duration_seconds",
        f"Duration of the item's newest finished job {_DURATION_HELP}",
        _last(lambda job: _value(job.duration_seconds)),
    ),
    _item(
        "last_job_backup_size_bytes",
        f"Backup size of the item's newest finished job {_SIZE_HELP}",
        _last(_of_detail(lambda detail: detail.backup_size_bytes)),
    ),
    _item(
        "last_job_data_transferred_bytes",
        f"Data transferred by the item's newest finished job {_TRANSFER_HELP}",
        _last(_of_detail(lambda detail: detail.data_transferred_bytes)),
    ),
    _item(
        "last_job_start_timestamp_seconds",
        "Start of the item's newest finished job (startTime), Unix time.",
        _last(lambda job: _instant(job.start_time)),
    ),
    _item(
        "last_job_end_timestamp_seconds",
        "End of the item's newest finished job (endTime), Unix time.",
        _last(lambda job: _instant(job.end_time)),
    ),
    _item(
        "last_job_task_status",
        f"Tasks of the item's newest finished job {_TASK_STATUS_HELP}",
        _last(_task_status),
        "task",
        "step",
        "status",
    ),
    _item(
        "last_job_task_duration_seconds",
        f"Duration of the tasks of the item's newest finished job {_TASK_DURATION_HELP}",
        _last(_task_duration),
        "task",
        "step",
    ),
    _item(
        "last_job_info",
        "The item's newest finished job (name, jobType, workloadType, activityId), always 1.",
        _last(_info),
        "job_id",
        "job_type",
        "workload_type",
        "activity_id",
    ),
    _item(
        "last_job_error_info",
        "Error of the item's newest finished job (errorDetails errorCode and errorTitle),"
        " 1 while that job carries it.",
        _last(lambda job: (((error.code, error.title), 1) for error in job.errors)),
        "error_code",
        "error_title",
    ),
    _item(
        "last_success_timestamp_seconds",
        "End of the item's newest successful job (endTime), Unix time; kept after that job left"
        " the window, until the item is forgotten.",
        lambda item: _instant(item.last_success),
    ),
    _item(
        "last_success_age_limit_seconds",
        "Age of the item's newest successful backup beyond which it is late (lateness), in seconds,"
        " by the alert's severity; absent where it never is, and for what makes no recovery point.",
        _age_limits,
        "severity",
    ),
    _item(
        "task_last_success_timestamp_seconds",
        "End of the item's newest job in which the task Completed (endTime), Unix time;"
        " for 'Transfer data to vault' the last copy in the vault.",
        lambda item: (((task.task,), task.at.timestamp()) for task in item.task_successes),
        "task",
    ),
    _item(
        "consecutive_failures",
        "Finished jobs of the item since its last success, within what was read.",
        lambda item: _value(item.consecutive_failures),
    ),
)
"""SPEC 5a: the newest finished job of each item and operation."""

JOB_FAMILIES: Final = (
    Family(
        name="azure_backup_job_status",
        help="Status of an individual job (status), always 1.",
        key=JOB_KEY,
        labels=("status",),
        samples=_job_status,
    ),
    _job(
        "duration_seconds",
        f"Duration of an individual job, so far while it runs, {_DURATION_HELP}",
        lambda job: _value(job.duration_seconds),
    ),
    _job(
        "start_timestamp_seconds",
        "Start of an individual job (startTime), Unix time.",
        lambda job: _instant(job.start_time),
    ),
    _job(
        "end_timestamp_seconds",
        "End of an individual job (endTime), Unix time. Absent while it runs.",
        lambda job: _instant(job.end_time),
    ),
    _job(
        "backup_size_bytes",
        f"Backup size of an individual job {_SIZE_HELP}",
        _of_detail(lambda detail: detail.backup_size_bytes),
    ),
    _job(
        "data_transferred_bytes",
        f"Data transferred by an individual job {_TRANSFER_HELP}",
        _of_detail(lambda detail: detail.data_transferred_bytes),
    ),
    _job(
        "progress_ratio",
        "Progress of an individual job, 0 to 1 (progressPercentage / 100);"
        " Azure sends it for restores of virtual machines.",
        _of_detail(lambda detail: detail.progress_ratio),
    ),
    _job(
        "estimated_remaining_seconds",
        "Time an individual job is expected to need still, in seconds"
        " (estimatedRemainingDuration); Azure sends it for restores of virtual machines.",
        _of_detail(lambda detail: detail.estimated_remaining_seconds),
    ),
    _job(
        "task_status",
        f"Tasks of an individual job {_TASK_STATUS_HELP}",
        _task_status,
        "task",
        "step",
        "status",
    ),
    _job(
        "task_duration_seconds",
        f"Duration of the tasks of an individual job {_TASK_DURATION_HELP}",
        _task_duration,
        "task",
        "step",
    ),
)
"""SPEC 5b: individual jobs within ``metrics.window``."""


def _counts(snapshot: VaultSnapshot) -> Iterable[Sample]:
    return snapshot.rollup.counts.items() if snapshot.rollup else ()


def _errors(snapshot: VaultSnapshot) -> Iterator[Sample]:
    for kind in ErrorKind:
        yield (kind.value,), snapshot.errors.get(kind, 0)


def _down(snapshot: VaultSnapshot) -> Iterator[Sample]:
    if snapshot.up is not None:
        for kind in ErrorKind:
            yield (kind.value,), int(kind is snapshot.failed_kind)


def _vault_info(snapshot: VaultSnapshot) -> Iterable[Sample]:
    vault = snapshot.vault
    return (((vault.location, vault.sku, vault.redundancy), 1),)


def _vault_tags(snapshot: VaultSnapshot) -> Iterable[tuple[str, str]]:
    """By label: a resource has no two tags whose names differ by case only."""
    return {tag_label(name): text for name, text in snapshot.vault.tags}.items()


VAULT_FAMILIES: Final = (
    Family(
        name="azure_backup_vault_info",
        help="What discovery knows of the vault (location, sku.name, standardTierStorageRedundancy,"
        " and tags of metrics.vault_tags and lateness as tag_<name>), always 1.",
        key=VaultKey._fields,
        labels=("location", "sku", "redundancy"),
        samples=_vault_info,
        free_labels=_vault_tags,
    ),
    _vault(
        "jobs",
        "Jobs of the vault that run or ended within metrics.window, by status.",
        _counts,
        *CountKey._fields,
    ),
    _vault(
        "vault_up",
        "1 if the last refresh read the vault's jobs, 0 if it failed, or if the vault could not be"
        " read at all within refresh.keep_stale of the start.",
        lambda snapshot: _value(snapshot.up),
    ),
    _vault(
        "vault_down",
        "Why the vault is down: 1 for the kind of the newest failure, 0 for the others; all 0 while"
        " it is up.",
        _down,
        "kind",
    ),
    _vault(
        "vault_last_refresh_success_timestamp_seconds",
        "When the newest refresh that read the vault's jobs began, Unix time:"
        " how old its data are.",
        lambda snapshot: _instant(snapshot.refreshed_at),
    ),
    _vault(
        "vault_refresh_duration_seconds",
        "How long the last refresh of the vault took to read its job list, in seconds; details are"
        " read behind it.",
        lambda snapshot: _value(
            None if snapshot.refresh_duration is None else snapshot.refresh_duration.total_seconds()
        ),
    ),
    _vault(
        "vault_refresh_interval_seconds",
        "The refresh interval in effect, in seconds; longer than refresh.interval while Azure's"
        " read limit does not allow more.",
        lambda snapshot: _value(snapshot.refresh_interval.total_seconds()),
    ),
    _vault(
        "vault_refresh_errors_total",
        "Refreshes that could not read the vault, by reason.",
        _errors,
        "kind",
        counter=True,
    ),
    _vault(
        "vault_details_pending",
        "Jobs whose detail (size, tasks) has not been read yet: it waits for the read budget.",
        lambda snapshot: _value(snapshot.details_pending),
    ),
    _vault(
        "vault_job_series_dropped",
        "Individual jobs without series of their own because of metrics.max_job_series.",
        lambda snapshot: _value(snapshot.rollup.dropped if snapshot.rollup else None),
    ),
)
"""SPEC 5c: vaults and totals."""
