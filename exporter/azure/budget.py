"""The read budget of one subscription and region: which reads of backupJobs are allowed, and when.

Pure: time is an argument, in monotonic seconds. Lists and details share one counter, as few as
150 an hour (FACTS 10).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import Final

_FOR_FAILURES: Final = 10
_PARTS: Final = 12
_PACE: Final = 1.2
"""While not all fits, no part of an interval sees more than so many times its even number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a budget allows.

    Attributes:
        left: Reads left now.
        reads: Reads in an interval.
        lists: Of those, how many lists take while details wait.
        for_failures: Of those, how many are left to jobs that fail later.
        per_seconds: The interval.
    """

    left: int
    reads: int
    lists: float
    for_failures: int
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

    @property
    def for_failures(self) -> int:
        """So many reads of an interval are left to details of failed jobs."""
        return min(_FOR_FAILURES, self.quota // 8)

    def take_list(self, now: float, at_most: int | None = None) -> bool:
        """Spend a read on a page of a list, if one is allowed.

        Args:
            now: Monotonic seconds.
            at_most: So many lists may be read in an interval; None for the whole budget.
        """
        if self.list_available_at(now, at_most) > now:
            return False
        self._lists.append(now)
        return True

    def list_available_at(self, now: float, at_most: int | None = None) -> float:
        """When the next list is allowed; ``now`` or earlier if it is already."""
        free_at = max(self._blocked_until, self._one_left_at(now))
        if at_most and len(self._lists) >= at_most:
            free_at = max(free_at, self._lists[-at_most] + self.per_seconds)
        return free_at

    def details_free(self, now: float, *, failed: int, others: int, for_lists: int) -> int:
        """How many of the details that wait may be read now, the most urgent first.

        Failed jobs may take whatever lists leave; all others leave some to failures to come. When
        not all fits, half of an interval's details may go at once and the rest goes evenly: so
        reads come back evenly, and jobs that fail find some.

        Args:
            now: Monotonic seconds.
            failed: Details of failed jobs that wait.
            others: All others that do.
            for_lists: Reads of an interval that are left to lists.
        """
        if now < self._blocked_until:
            return 0
        quota = self.quota - for_lists
        left = min(self.remaining(now), quota - len(self._details))
        free = left - self.for_failures - failed
        if others > free:
            free = min(free, self._in_pace(now, quota))
        return max(0, min(failed, left)) + max(0, min(others, free))

    def take_detail(self, now: float) -> bool:
        """Spend a read on a detail, if there is one."""
        if now < self._blocked_until or self.remaining(now) < 1:
            return False
        self._details.append(now)
        return True

    def forbidden(self, now: float) -> bool:
        """Whether a 429 still forbids all reads, however many would be left."""
        return now < self._blocked_until

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

    def _in_pace(self, now: float, quota: int) -> int:
        at_once = quota // 2 - len(self._details)
        lately = self.per_seconds / _PARTS
        evenly = math.ceil(_PACE * quota / _PARTS)
        return max(at_once, evenly - sum(at > now - lately for at in self._details))

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
    configured: float,
    vaults: int,
    budget: ReadBudget,
    now: float,
    *,
    details_wait: bool,
    unread: int = 0,
) -> float:
    """How often the vaults that share a budget are listed, so many of them, in seconds.

    As configured while at least half of the budget is left; the less is left, the nearer to the
    pace that the limit sustains. Lists take at most half of it while details wait, as they will
    where not even the first list of each vault fits.
    """
    sustained = vaults * budget.per_seconds / budget.quota
    strain = min(2, 1 - 2 * (budget.remaining(now) - unread) / budget.quota)
    return max(configured, 2 * sustained if details_wait else strain * sustained)
