"""The read budget of one subscription and region: which reads of backupJobs are allowed, and when.

Pure: time is an argument, in monotonic seconds. Lists and details share one counter, as few as
150 an hour (FACTS 10).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass
from threading import Lock
from typing import Final

from exporter.backup.details import Urgency

_FOR_FAILURES: Final = 10
"""So many details of an interval are left to jobs that fail later in it."""


_PACE: Final = 1.2
"""While not all fits, no interval sees more than so many times its even part of the details."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a budget allows.

    Attributes:
        left: Reads left now.
        reads: Reads in an interval.
        details: Of those, how many may be details.
        per_seconds: The interval.
    """

    left: int
    reads: int
    details: int
    per_seconds: float


class ReadBudget:
    """A token bucket whose tokens come back one interval after they were spent.

    Azure counts in windows of its own (after a wait the counter stood at 134 of 150, FACTS 10),
    so a bucket that refills evenly would spend up to twice the limit in one of them; this one
    spends no more than the limit in any window, wherever Azure's begins.

    Args:
        limit: Reads in an interval.
        per_seconds: That interval.

    Attributes:
        limit: The one in force; learnt from Azure's answers.
        per_seconds: The same of the interval.
        part: How much of it is ours: other shards read the rest of the vaults that share it.
        lock: For those who share it: an old and a new configuration may for a moment.
    """

    def __init__(self, limit: int, per_seconds: float) -> None:
        self.limit = limit
        self.per_seconds = per_seconds
        self.part = 1.0
        self.lock = Lock()
        self._lists: deque[float] = deque()
        self._details: deque[float] = deque()
        self._others = 0.0
        self._others_seen_at = 0.0
        self._blocked_until = float("-inf")

    @property
    def quota(self) -> int:
        """Our part of the limit, one read at least."""
        return max(1, int(self.limit * self.part))

    def configure(self, limit: int, per_seconds: float) -> None:
        """Take in a new configuration; what was spent stays spent, what was learnt is dropped."""
        self.limit = limit
        self.per_seconds = per_seconds

    def take_list(self, now: float) -> bool:
        """Spend a read on a page of a list, if one is allowed."""
        if self.list_available_at(now) > now:
            return False
        self._lists.append(now)
        return True

    def list_available_at(self, now: float) -> float:
        """When the next list is allowed; ``now`` or earlier if it is already."""
        return max(self._blocked_until, self._one_left_at(now))

    def share(
        self,
        wanted: Counter[Urgency],
        now: float,
        *,
        demand: Counter[Urgency],
        ahead: int,
        for_lists: int,
        interval: float,
    ) -> int:
        """How many details of jobs that have not failed one vault may read in its turn.

        Twice its part of what is free, so that little stays unused; one at least, unless those
        who have waited longer would then find nothing. When not all fits, details are spread:
        so reads come back evenly, and jobs that fail find some.

        Args:
            wanted: Details that this vault waits for.
            now: Monotonic seconds.
            demand: Those that all wait for who share the budget, this vault included.
            ahead: How many of those have waited longer.
            for_lists: Reads of an interval that are left to lists.
            interval: How often each of them has a turn, in seconds.
        """
        free = self._details_left(now, for_lists) - self._for_failures(demand, for_lists)
        if demand.total() > free:
            free = min(free, self._in_pace(now, self.quota - for_lists, interval))
        if free <= ahead:
            return 0
        return min(free, math.ceil(2 * free * wanted.total() / max(demand.total(), 1)))

    def take_detail(
        self, urgency: Urgency, now: float, *, for_lists: int, demand: Counter[Urgency]
    ) -> bool:
        """Spend a read on a detail, if one is allowed.

        Failed jobs may take whatever lists leave. All others leave some to failures to come, and
        what is less urgent waits for what is more urgent.

        Args:
            urgency: Of this detail.
            now: Monotonic seconds.
            for_lists: Reads of an interval that are left to lists.
            demand: Details that all wait for who share the budget, this one included.
        """
        left = self._details_left(now, for_lists)
        if urgency is not Urgency.FAILED:
            left -= self._for_failures(demand, for_lists)
        if urgency > Urgency.NEWEST:
            left -= demand[Urgency.NEWEST]
        if now < self._blocked_until or left < 1:
            return False
        self._details.append(now)
        return True

    def details_per_interval(self, for_lists: int) -> int:
        """How many details fit into an interval, none of them of a failed job."""
        return max(1, self.quota - for_lists - self._for_failures(Counter(), for_lists))

    def remaining(self, now: float) -> int:
        """How many reads are left, as far as is known."""
        return max(0, int(self.quota - self._own(now) - self._others_at(now)))

    def throttled(
        self, now: float, retry_after: float, limit: int | None, per: float | None
    ) -> None:
        """Take in a 429: nothing until ``retry_after`` seconds are over; its limit is the limit.

        Then Azure's window is a new one, in which nothing is spent (FACTS 10).
        """
        self._blocked_until = max(self._blocked_until, now + retry_after)
        self.limit = limit or self.limit
        self.per_seconds = per or self.per_seconds
        self._lists.clear()
        self._details.clear()
        self._others = 0.0

    def hint(self, remaining: int, now: float) -> None:
        """Take in the remaining-header of an answer.

        Others spend from the same counter; and it has been 300 and 450 where 150 was
        documented. It is no more than a hint: not monotonic, and -1 on answers that are fine.
        Where other shards spend their parts it says more than is ours, which changes nothing.
        """
        self.limit = max(self.limit, remaining + 1)
        self._others = 0.0
        self._others = max(0.0, self.remaining(now) - max(remaining, 0))
        self._others_seen_at = now

    def _one_left_at(self, now: float) -> float:
        others = self._others_at(now)
        missing = 1 - (self.quota - self._own(now) - others)
        if missing <= 0:
            return now
        free_at = [spent[0] + self.per_seconds for spent in (self._lists, self._details) if spent]
        if missing <= others:
            free_at.append(now + missing * self.per_seconds / self.quota)
        return min(free_at, default=now)

    def _details_left(self, now: float, for_lists: int) -> int:
        return min(self.remaining(now), self.quota - for_lists - len(self._details))

    def _for_failures(self, demand: Counter[Urgency], for_lists: int) -> int:
        reserve = min(_FOR_FAILURES, (self.quota - for_lists) // 4)
        return reserve + demand[Urgency.FAILED]

    def _in_pace(self, now: float, quota: int, interval: float) -> int:
        """Half of an interval's details may go at once, the rest goes evenly."""
        at_once = quota // 2 - len(self._details)
        evenly = math.ceil(_PACE * quota * interval / self.per_seconds)
        return max(at_once, evenly - sum(at > now - interval for at in self._details))

    def _others_at(self, now: float) -> float:
        """What others have spent; it comes back evenly, since when they did is unknown."""
        regained = (now - self._others_seen_at) * self.quota / self.per_seconds
        return max(0.0, self._others - regained)

    def _own(self, now: float) -> int:
        for spent in (self._lists, self._details):
            while spent and spent[0] <= now - self.per_seconds:
                spent.popleft()
        return len(self._lists) + len(self._details)


def effective_interval(
    configured: float, vaults: int, budget: ReadBudget, now: float, *, details_wait: bool
) -> float:
    """How often the vaults that share a budget are listed, so many of them, in seconds.

    As configured while at least half of the budget is left; the less is left, the nearer to the
    pace that the limit sustains. While details wait for it, lists take at most half of it.
    """
    sustained = vaults * budget.per_seconds / budget.quota
    strain = 1 - 2 * budget.remaining(now) / budget.quota
    return max(configured, 2 * sustained if details_wait else strain * sustained)


def reserved_for_lists(configured: float, vaults: int, budget: ReadBudget) -> int:
    """How many reads of an interval details leave to lists: what they need, at most half."""
    return min(budget.quota // 2, math.ceil(vaults * budget.per_seconds / configured))
