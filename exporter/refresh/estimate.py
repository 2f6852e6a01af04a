"""How long the first fill will take under the read budgets: pure arithmetic."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.azure.budget import Room

HOUR_SECONDS: Final = 3600.0
LONGEST_HOURS: Final = 14 * 24
"""An estimate goes no further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What the vaults that share a budget still want.

    Attributes:
        lists: Job lists that were not read yet and cost a read, a page each.
        unread: Vaults that were not read yet, whoever lists their jobs.
        read: Vaults that were.
        unfilled: Of these, vaults for whose details it is still the first time.
        next_list: Seconds until a vault that was read is listed again.
        ended: Finished jobs of the unfilled by age, from the last hour to a day ago or more.
        waiting: Their details that wait, by age of the job in hours, however old.
    """

    room: Room
    lists: int
    unread: int
    read: int
    unfilled: int
    next_list: float
    ended: tuple[int, ...]
    waiting: Mapping[int, int]


def seconds_left(shares: Iterable[Share]) -> float | None:
    """How long the slowest of them takes; None while one of them cannot tell."""
    each = [_seconds_left(share) for share in shares]
    known = [seconds for seconds in each if seconds is not None]
    return max(known) if known and len(known) == len(each) else None


def _seconds_left(share: Share) -> float | None:
    """Hour by hour: jobs end as they did before and take the place of the oldest.

    A new job's detail is read first; who waits for that of the job before then waits for it no
    more. Vaults not read yet are taken to be like the others. None where that has no end.
    """
    if share.unread and not share.read:
        return None
    more = share.unread / max(1, share.read)
    ending = deque(number * (1 + more) for number in share.ended)
    waiting = deque(
        share.waiting.get(age, 0) + more * number for age, number in enumerate(share.ended)
    )
    older = sum(number for age, number in share.waiting.items() if age >= len(share.ended))
    left: float = older + sum(waiting)
    # The last detail of a vault fills it, and then its new jobs do not count.
    counts = 1 - min(1.0, share.unfilled * (1 + more) / left) if left else 0.0
    lists: float = share.lists
    at_once: float = max(0, share.room.left - share.room.for_failures)
    for hour in range(LONGEST_HOURS):
        reads = _details_in(hour, share)
        if lists + left <= max(reads, at_once):
            rest = max(0.0, lists + left - at_once)
            return (hour + (rest / (reads - at_once) if rest else 0.0)) * HOUR_SECONDS
        at_once = 0.0
        read = max(0.0, reads - lists)
        lists = max(0.0, lists - reads)
        left -= read
        for age, number in enumerate(waiting):
            taken = min(read, number)
            waiting[age] -= taken
            read -= taken
            if not read:
                break
        ended = ending.pop()
        waited = waiting.pop()
        new = waited + counts * (ended - waited)
        left += new - waited
        ending.appendleft(ended)
        waiting.appendleft(new)
    return None


def _details_in(hour: int, share: Share) -> float:
    """How many details can be read in that hour from now: fewer once lists are due again.

    What is spent half an interval before still lacks when they are.
    """
    room = share.room
    hour_of = HOUR_SECONDS / room.per_seconds
    fast = (room.reads - room.for_failures) * hour_of
    alone = (share.next_list - room.per_seconds / 2) / HOUR_SECONDS - hour
    return fast - room.lists * hour_of * (1 - min(1.0, max(0.0, alone)))
