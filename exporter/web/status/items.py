"""Which items are not well: a pure judgement on what was rolled up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from exporter.backup.model import RUNNING_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.backup.model import BackupJob, ItemKey, Task
    from exporter.backup.rollup import ItemState
    from exporter.metrics.snapshot import VaultSnapshot


class Health(IntEnum):
    """How an item is; what is worst goes first.

    As the alerts judge it under deploy/prometheus/settings.yaml as it is shipped, in the words of
    the dashboards; a test compares the thresholds below.
    """

    NEVER = 0
    REPEATEDLY = 1
    LATE = 2
    RESTORE = 3
    FAILED = 4
    TASK = 5
    WARNINGS = 6
    INCOMPLETE = 7
    WELL = 8


LATE_AFTER: Final = timedelta(hours=30)
LATE_AFTER_BY_TYPE: Final = {
    "Log": timedelta(hours=4),
    **dict.fromkeys(("Full", "SnapshotFull", "Differential", "Incremental"), timedelta(days=8)),
    **dict.fromkeys(("CopyOnlyFull", "SnapshotCopyOnlyFull"), timedelta.max),
}
BACKUP: Final = "Backup"
FAILURES_IN_A_ROW: Final = 3
ONE_OFF: Final = timedelta(days=1)
ALREADY_RUNNING: Final = "400249"

STOPPING: Final = ("DisableBackup", "DeleteBackupData", "UnRegister")
_PROTECTING: Final = (BACKUP, "ConfigureBackup", "Undelete")
RESTORING: Final = ("Restore", "CrossRegionRestore", "RestoreWithRehydrate")
_TASK_IS_WELL: Final = ("Completed", *RUNNING_STATUSES)
_BY_STATUS: Final = {
    "Completed": Health.WELL,
    "CompletedWithWarnings": Health.WARNINGS,
    "Failed": Health.FAILED,
}
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An item and how it is."""

    vault: VaultSnapshot
    item: ItemState
    health: Health

    @property
    def order(self) -> tuple[int, int, datetime, str, str]:
        """The worst first, then what fails or waits longest, then by name."""
        item = self.item
        return (
            self.health,
            -item.consecutive_failures,
            item.last_success or _LONG_AGO,
            item.key.item.lower(),
            item.key.vault.lower(),
        )


def judge(snapshot: VaultSnapshot, now: datetime) -> Iterator[Judged]:
    """Every item of a vault.

    A failure that a newer job of the same item under its fuller name has made good is not among
    them: the roll-up has dropped it.
    """
    rollup = snapshot.rollup
    items = rollup.items if rollup else ()
    running = {_doing(key) for key, job in (rollup.jobs if rollup else ()) if job.running}
    stopped = _stopped(items)
    good = {_doing(item.key) for item in items if item.last_success}
    for item in items:
        key = item.key
        if key.operation != BACKUP:
            health = _one_off_health(item, now)
        else:
            refused = any(error.code == ALREADY_RUNNING for error in item.job.errors)
            # A job that fails early may lack the names of the item's others (FACTS 1.3).
            short = not (key.protection_container and key.backup_type)
            health = _backup_health(
                item,
                now,
                known=bool(item.last_success) or (short and _doing(key) in good),
                stopped=_thing(key) in stopped,
                waits=refused and _doing(key) in running,
            )
        yield Judged(vault=snapshot, item=item, health=health)


def _backup_health(
    item: ItemState, now: datetime, *, known: bool, stopped: bool, waits: bool
) -> Health:
    # Counts what has not succeeded as metrics.success_statuses says.
    failures = 0 if stopped or waits else item.consecutive_failures
    if failures and not known:
        return Health.NEVER
    if failures >= FAILURES_IN_A_ROW:
        return Health.REPEATEDLY
    after = LATE_AFTER_BY_TYPE.get(item.key.backup_type, LATE_AFTER)
    if item.last_success and now - item.last_success > after and not stopped:
        return Health.LATE
    health = _BY_STATUS.get(item.job.status, Health.INCOMPLETE)
    if health in (Health.WELL, Health.WARNINGS) and any(tasks_not_completed(item.job)):
        return Health.TASK
    return Health.INCOMPLETE if waits and health is Health.FAILED else health


def tasks_not_completed(job: BackupJob) -> Iterator[Task]:
    """Tasks of a finished job that have ended otherwise than well, as far as its detail is known.

    The job may count as successful all the same; then its recovery point may exist as a snapshot
    only and not in the vault.
    """
    return (task for task in job.tasks if task.status and task.status not in _TASK_IS_WELL)


def _one_off_health(item: ItemState, now: datetime) -> Health:
    """Nobody repeats a restore or a deletion: how it ended is news for a while."""
    if item.job.ended_at is None or now - item.job.ended_at > ONE_OFF:
        return Health.WELL
    health = _BY_STATUS.get(item.job.status, Health.INCOMPLETE)
    restore = item.key.operation in RESTORING
    return Health.RESTORE if restore and health is Health.FAILED else health


def _stopped(items: tuple[ItemState, ...]) -> set[tuple[str, str]]:
    """What is meant to have no backups: nothing newer says otherwise."""
    ended, begun = _newest(items, STOPPING), _newest(items, _PROTECTING)
    return {thing for thing, when in ended.items() if begun.get(thing, _LONG_AGO) <= when}


def _newest(
    items: tuple[ItemState, ...], operations: tuple[str, ...]
) -> dict[tuple[str, str], datetime]:
    found: dict[tuple[str, str], datetime] = {}
    for item in items:
        if item.key.operation in operations and item.last_success:
            thing = _thing(item.key)
            found[thing] = max(item.last_success, found.get(thing, item.last_success))
    return found


def _doing(key: ItemKey) -> tuple[str, str, str]:
    return (*_thing(key), key.operation)


def _thing(key: ItemKey) -> tuple[str, str]:
    return key.backup_management_type, key.item.lower()
