"""The items of the page, the worst first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from exporter.backup.health import Health, healths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.backup.rollup import ItemState
    from exporter.metrics.snapshot import VaultSnapshot

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
    """Every item of a vault."""
    if snapshot.rollup:
        for item, health in healths(snapshot.rollup, now):
            yield Judged(vault=snapshot, item=item, health=health)
