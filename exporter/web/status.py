"""The status page: is everything read and fresh, and which items are not well."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tornado.template import Loader

from exporter import __version__
from exporter.backup.model import RUNNING_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from exporter.backup.rollup import ItemState
    from exporter.metrics.snapshot import VaultSnapshot

_TEMPLATES: Final = Loader(str(Path(__file__).parent))
_MOST_ITEMS: Final = 200
_WELL: Final = ("Completed",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemLine:
    """One item that is not well."""

    vault: str
    item: str
    operation: str
    status: str
    ended: str
    errors: str
    last_success: str


def render_status(
    snapshots: Iterable[VaultSnapshot], *, now: datetime, telemetry_path: str
) -> bytes:
    """The page as HTML; every value is escaped by the template."""
    vaults = list(snapshots)
    unwell = [
        (snapshot, item)
        for snapshot in vaults
        for item in (snapshot.rollup.items if snapshot.rollup else ())
        if item.job.status not in _WELL
    ]
    unwell.sort(key=lambda pair: (pair[1].job.status != "Failed", -pair[1].consecutive_failures))
    return _TEMPLATES.load("status.html").generate(
        version=__version__,
        vaults=vaults,
        age=lambda instant: _age(instant, now),
        running=_running,
        lines=[_line(snapshot, item, now) for snapshot, item in unwell[:_MOST_ITEMS]],
        hidden=max(0, len(unwell) - _MOST_ITEMS),
        telemetry_path=telemetry_path,
    )


def _line(snapshot: VaultSnapshot, item: ItemState, now: datetime) -> ItemLine:
    backup_type = f" ({item.key.backup_type})" if item.key.backup_type else ""
    return ItemLine(
        vault=snapshot.vault.name,
        item=item.key.item,
        operation=item.key.operation + backup_type,
        status=item.job.status or "unknown",
        ended=_age(item.job.ended_at, now),
        errors=", ".join(error.title or error.code for error in item.job.errors),
        last_success=_age(item.last_success, now) if item.last_success else "none known",
    )


def _running(snapshot: VaultSnapshot) -> int:
    counts = snapshot.rollup.counts if snapshot.rollup else {}
    return sum(count for key, count in counts.items() if key.status in RUNNING_STATUSES)


def _age(instant: datetime | None, now: datetime) -> str:
    """How long ago, in the two largest units."""
    if instant is None:
        return "never"
    ago: timedelta = now - instant
    minutes, seconds = divmod(max(0, int(ago.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h ago"
    if hours:
        return f"{hours} h {minutes} min ago"
    return f"{minutes} min {seconds} s ago" if minutes else f"{seconds} s ago"
