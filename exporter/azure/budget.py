"""The read budget of one subscription and region: how many reads of backupJobs Azure still allows.

Pure: time is an argument, in monotonic seconds.
"""

from __future__ import annotations

import math
from collections import deque
from enum import Enum, auto


class Read(Enum):
    """What a read is for: lists and details share one counter (FACTS 10)."""

    LIST = auto()
    DETAIL = auto()


class ReadBudget:
    """A token bucket whose tokens come back one interval after they were spent.

    Azure counts in windows of its own (after a wait the counter stood at 134 of 150, FACTS 10),
    so a bucket that refills evenly would spend up to twice the limit in one of them; this one
    spends no more than the limit in any window, wherever Azure's begins.
    """

    def __init__(self, limit: int, per_seconds: float) -> None:
        self.limit = limit
        self.per_seconds = per_seconds
        self._spent: dict[Read, deque[float]] = {read: deque() for read in Read}
        self._others = 0.0
        self._others_seen_at = 0.0
        self._blocked_until = float("-inf")

    def configure(self, limit: int, per_seconds: float) -> None:
        """Take in a new configuration; what was spent stays spent, what was learnt is dropped."""
        self.limit = limit
        self.per_seconds = per_seconds

    def take(self, read: Read, now: float, *, reserved_for_lists: int = 0) -> bool:
        """Spend one read if that is allowed.

        Args:
            read: What for.
            now: Monotonic seconds.
            reserved_for_lists: How many reads of an interval details must leave.
        """
        if self.available_at(read, now, reserved_for_lists=reserved_for_lists) > now:
            return False
        self._spent[read].append(now)
        return True

    def available_at(self, read: Read, now: float, *, reserved_for_lists: int = 0) -> float:
        """When the next read of this sort is allowed; ``now`` or earlier if it is already."""
        free_at = max(self._blocked_until, self._one_left_at(now))
        if read is Read.DETAIL:
            details = self._spent[Read.DETAIL]
            allowed = self.limit - reserved_for_lists
            if allowed < 1:
                return float("inf")
            if len(details) >= allowed:
                free_at = max(free_at, details[len(details) - allowed] + self.per_seconds)
        return free_at

    def _one_left_at(self, now: float) -> float:
        others = self._others_at(now)
        missing = 1 - (self.limit - self._own(now) - others)
        if missing <= 0:
            return now
        free_at = [spent[0] + self.per_seconds for spent in self._spent.values() if spent]
        if missing <= others:
            free_at.append(now + missing * self.per_seconds / self.limit)
        return min(free_at, default=now)

    def remaining(self, now: float) -> int:
        """How many reads are left, as far as is known."""
        return max(0, int(self.limit - self._own(now) - self._others_at(now)))

    def throttled(
        self, now: float, retry_after: float, limit: int | None, per: float | None
    ) -> None:
        """Take in a 429: nothing until ``retry_after`` seconds are over; its limit is the limit."""
        self._blocked_until = max(self._blocked_until, now + retry_after)
        self.limit = limit or self.limit
        self.per_seconds = per or self.per_seconds
        self._others = 0.0

    def hint(self, remaining: int, now: float) -> None:
        """Take in the remaining-header of an answer.

        Others spend from the same counter; and it has been 300 and 450 where 150 was
        documented. It is no more than a hint: not monotonic, and -1 on answers that are fine.
        """
        self.limit = max(self.limit, remaining + 1)
        self._others = 0.0
        self._others = max(0.0, self.remaining(now) - max(remaining, 0))
        self._others_seen_at = now

    def _others_at(self, now: float) -> float:
        """What others have spent; it comes back evenly, since when they did is unknown."""
        regained = (now - self._others_seen_at) * self.limit / self.per_seconds
        return max(0.0, self._others - regained)

    def _own(self, now: float) -> int:
        for spent in self._spent.values():
            while spent and spent[0] <= now - self.per_seconds:
                spent.popleft()
        return sum(map(len, self._spent.values()))


def effective_interval(
    configured: float, vaults: int, budget: ReadBudget, now: float, *, details_wait: bool
) -> float:
    """How often vaults that share a budget are listed, in seconds.

    As configured while at least half of the budget is left; the less is left, the nearer to the
    pace that the limit sustains. While details wait for it, lists take at most half of it.
    """
    sustained = vaults * budget.per_seconds / budget.limit
    strain = 1 - 2 * budget.remaining(now) / budget.limit
    return max(configured, 2 * sustained if details_wait else strain * sustained)


def reserved_for_lists(configured: float, vaults: int, budget: ReadBudget) -> int:
    """How many reads of an interval details leave to lists: what they need, at most half."""
    return min(budget.limit // 2, math.ceil(vaults * budget.per_seconds / configured))
