"""The whole scheduler as one pure function: which fetches start now, and when to look again."""

from __future__ import annotations

import math
from collections import Counter
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.refresh.fetch import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from exporter.azure.room import Room
    from exporter.refresh.fetch import Fetch, FetchId, Request
    from exporter.refresh.records import BudgetKey

_SLOW_SECONDS: Final = 2.0


class Plan(NamedTuple):
    """What to do now.

    Attributes:
        start: In this order.
        due_at: Monotonic time when the next fetch is due that is not yet.
        room_at: The same when a budget may allow one that is due.
        held: Budgets that do not allow a detail that is due.
    """

    start: list[Fetch]
    due_at: float
    room_at: float
    held: frozenset[BudgetKey]


class Busy(NamedTuple):
    """What workers do.

    Attributes:
        number: How many requests may be under way.
        under_way: Which are.
        served: By vault, monotonic time when a detail of it was last started.
    """

    number: int
    under_way: Mapping[FetchId, Request]
    served: Mapping[str, float]


def plan(
    wanted: Iterable[Fetch],
    details: Mapping[str, Sequence[Fetch]],
    rooms: Callable[[BudgetKey], Room],
    busy: Busy,
    now: float,
) -> Plan:
    """Choose what starts.

    Whatever has been due longest goes first, and all of that before details: a list says more than
    a detail. Of the details the most urgent of all vaults go first; of equal ones each vault has
    one in turn, and who has waited longest since its last one begins.

    No vault has more than half of the workers, nor have requests that may hang together, nor those
    that spend no budget, which may take minutes; details leave a quarter, at least one, to lists.

    Args:
        wanted: All but details, in any order.
        details: By vault, the most urgent first.
        rooms: What each budget allows.
        busy: What is under way.
        now: Monotonic seconds.
    """
    choice = _Choice(rooms, busy, now)
    due = []
    for fetch in wanted:
        if fetch.due > now:
            choice.due_at = min(choice.due_at, fetch.due)
        else:
            due.append(fetch)
    heapify(due)
    while due and choice.free > 0:
        choice.take(heappop(due))
    heads = [choice.rank(vault, fetches, 0) for vault, fetches in details.items() if fetches]
    heapify(heads)
    while heads and choice.free > 0:
        *_, vault, index = heappop(heads)
        fetches = details[vault]
        choice.take(fetches[index])
        if index + 1 < len(fetches):
            heappush(heads, choice.rank(vault, fetches, index + 1))
    return Plan(choice.start, choice.due_at, choice.room_at, frozenset(choice.held))


class _Choice:
    """What has been chosen so far, and what that leaves."""

    def __init__(self, rooms: Callable[[BudgetKey], Room], busy: Busy, now: float) -> None:
        self.start: list[Fetch] = []
        self.due_at = self.room_at = math.inf
        self.held: set[BudgetKey] = set()
        self.free = busy.number - len(busy.under_way)
        self._busy = busy
        self._rooms = rooms
        self._now = now
        self._half = max(1, busy.number // 2)
        self._most_details = max(1, busy.number - max(1, busy.number // 4))
        self._of_vault: Counter[str] = Counter()
        self._of_cost: Counter[Cost] = Counter()
        self._slow = 0
        self._left: dict[BudgetKey, list[int]] = {}
        for request in busy.under_way.values():
            self._note(request.fetch)
            old = request.asked.monotonic < now - _SLOW_SECONDS
            self._slow += old and not request.fetch.suspect

    def rank(
        self, vault: str, fetches: Sequence[Fetch], index: int
    ) -> tuple[int, int, float, str, int]:
        """When a vault's next detail has its turn; a smaller one goes first."""
        served = self._busy.served.get(vault, -math.inf)
        return fetches[index].urgency, self._of_vault[vault], served, vault, index

    def take(self, fetch: Fetch) -> None:
        """Start it, if it is due and nothing forbids it."""
        if fetch.due > self._now:
            self.due_at = min(self.due_at, fetch.due)
        elif fetch.id not in self._busy.under_way and self._fits(fetch):
            self.start.append(fetch)
            self.free -= 1
            self._note(fetch)

    def _fits(self, fetch: Fetch) -> bool:
        cost = fetch.cost
        if (
            self._of_vault[fetch.id.subject] >= self._half
            or (fetch.suspect and self._slow >= self._half)
            or (cost is Cost.NOTHING and self._of_cost[cost] >= self._half)
            or (cost is Cost.DETAIL and self._of_cost[cost] >= self._most_details)
        ):
            # Whoever ends makes room, and then it is looked at again.
            return False
        return fetch.budget is None or self._allowed(fetch.budget, cost)

    def _allowed(self, budget: BudgetKey, cost: Cost) -> bool:
        room = self._rooms(budget)
        left = self._left.setdefault(budget, [room.starts, room.lists, room.details])
        if left[0] > 0 and left[cost] > 0:
            left[0] -= 1
            left[cost] -= 1
            return True
        self.room_at = min(self.room_at, room.look_at)
        if cost is Cost.DETAIL and room.details <= 0:
            self.held.add(budget)
        return False

    def _note(self, fetch: Fetch) -> None:
        self._of_vault[fetch.id.subject] += 1
        self._of_cost[fetch.cost] += 1
        self._slow += fetch.suspect
