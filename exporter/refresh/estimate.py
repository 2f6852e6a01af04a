"""How long the first fill will take under the read budgets: pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.azure.budget import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What the vaults that share a budget still want.

    Attributes:
        lists: Job lists that were not read yet and cost a read, a page each.
        unread: Vaults that were not read yet, whoever lists their jobs.
        read: Vaults that were.
        wanted: Details these wanted at first, all together.
        details: Of those, how many still wait.
        last_turn: Seconds until each vault whose details wait has had its next turn.
    """

    room: Room
    lists: int
    unread: int
    read: int
    wanted: int
    details: int
    last_turn: float = 0.0


def seconds_left(shares: Iterable[Share]) -> float | None:
    """How long the slowest of them takes at least; None while one of them cannot tell."""
    each = [_seconds_left(share) for share in shares]
    known = [seconds for seconds in each if seconds is not None]
    return max(known) if known and len(known) == len(each) else None


def _seconds_left(share: Share) -> float | None:
    """As if the vaults not read yet wanted as many details as the others.

    Lists may take the whole budget, details what is not reserved for lists. It takes longer when
    a vault finds too little left in its turn and has to wait for another one.
    """
    if share.unread and not share.read:
        return None
    details = float(share.details)
    if share.unread:
        details += share.unread * share.wanted / share.read
    room = share.room
    for_all = (share.lists + details - room.left) / room.reads
    for_details = (details - min(room.left, room.details)) / room.details
    return max(share.last_turn, max(0.0, for_all, for_details) * room.per_seconds)
