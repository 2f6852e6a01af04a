"""Which items are not well: a pure judgement on what was rolled up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.backup.rollup import ItemState
    from exporter.metrics.snapshot import VaultSnapshot


class Health(IntEnum):
    """How an item is; what is worst goes first."""

    NEVER = 0
    FAILING = 1
    LATE = 2
    WARNING = 3
    WELL = 4


LATE_AFTER: Final = timedelta(hours=30)
_LATE_AFTER: Final = {
    "Log": timedelta(hours=4),
    **dict.fromkeys(("Full", "SnapshotFull", "Differential", "Incremental"), timedelta(days=8)),
    **dict.fromkeys(("CopyOnlyFull", "SnapshotCopyOnlyFull"), timedelta.max),
}
"""By backup type, as in the alert rules as they are shipped (deploy/prometheus/settings.yaml)."""

_STOPPED_BY: Final = ("DisableBackup", "DeleteBackupData", "UnRegister")
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
    items = snapshot.rollup.items if snapshot.rollup else ()
    stopped = _stopped(items)
    good = {(*_thing(item), item.key.operation) for item in items if item.last_success}
    for item in items:
        # A job that fails early may lack the names of the item's others (FACTS 1.3).
        short = not (item.key.container and item.key.backup_type)
        known = item.last_success or (short and (*_thing(item), item.key.operation) in good)
        health = _health(item, now, never=not known, stopped=stopped.get(_thing(item)))
        yield Judged(vault=snapshot, item=item, health=health)


def _health(item: ItemState, now: datetime, *, never: bool, stopped: datetime | None) -> Health:
    # Counts what has not succeeded as metrics.success_statuses says.
    if item.consecutive_failures:
        return Health.NEVER if never else Health.FAILING
    last, key = item.last_success, item.key
    if key.operation == "Backup" and last and not (stopped and stopped > last):
        after = _LATE_AFTER.get(key.backup_type, LATE_AFTER)
        if now - last > after:
            return Health.LATE
    return Health.WARNING if item.job.status == "CompletedWithWarnings" else Health.WELL


def _stopped(items: tuple[ItemState, ...]) -> dict[tuple[str, str], datetime]:
    """When the backups of an item were ended on purpose."""
    newest: dict[tuple[str, str], datetime] = {}
    for item in items:
        if item.key.operation in _STOPPED_BY and item.last_success:
            thing = _thing(item)
            newest[thing] = max(item.last_success, newest.get(thing, item.last_success))
    return newest


def _thing(item: ItemState) -> tuple[str, str]:
    return item.key.backup_management_type, item.key.item.lower()
