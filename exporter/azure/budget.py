"""The read budget of one subscription and region: which reads of backupJobs are allowed, and when.

Pure: time is an argument, in monotonic seconds. Lists and details share one counter, as few as
150 an hour (FACTS 10).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

from exporter.azure.room import MARGIN_SECONDS, Room, Spent

if TYPE_CHECKING:
    from exporter.azure.room import Demand

_FOR_FAILURES: Final = 10
_PARTS: Final = 12
_PACE: Final = 1.2
"""While not all fits, no part of an interval sees more than so many times its even number."""

_CATCH_UP: Final = 3
"""... or takes more than such a part of what is free then."""


class ReadBudget:
    """A token bucket whose tokens come back one interval after they were spent.

    Azure counts in windows of its own (after a wait the counter stood at 134 of 150, FACTS 10),
    so a bucket that refills evenly would spend up to twice the limit in one of them; this one
    spends no more than the limit in any window, wherever Azure's begins.

    One thread changes it; any thread may ask what is left.

    Args:
        limit: Reads in an interval.
        per_seconds: That interval.

    Attributes:
        limit: The one in force; learnt from Azure's answers.
        per_seconds: The same of the interval.
        part: How much of it is ours: other shards read the rest of the vaults that share it.
    """

    def __init__(self, limit: int, per_seconds: float) -> None:
        self.limit = limit
        self.per_seconds = per_seconds
        self.part = 1.0
        # When each was spent, oldest first. Rebound whole, so that other threads may look.
        self._lists: list[float] = []
        self._details: list[float] = []
        self._paced: list[float] = []
        # How many lists and details were ever spent; and how many of those of another are counted.
        self._spent = (0, 0)
        self._absorbed = (0, 0)
        self._others = 0.0
        self._others_seen_at = 0.0
        self._blocked_until = float("-inf")
        self._in_doubt = True
        self._started_at = float("-inf")

    @property
    def quota(self) -> int:
        """Our part of the limit, one read at least."""
        return max(1, int(self.limit * self.part))

    def configure(self, limit: int, per_seconds: float) -> None:
        """Take in a new configuration; what was spent stays spent, what was learnt is dropped."""
        self.limit = limit
        self.per_seconds = per_seconds

    def absorb(self, other: ReadBudget, *, throttled: bool) -> None:
        """Take in what was counted elsewhere until the region was known: any read may be its own.

        Args:
            other: Of all regions that were not known.
            throttled: Whether this is the region that a 429 was about.
        """
        seen, self._absorbed = self._absorbed, other._spent
        lists, details = (now - before for now, before in zip(other._spent, seen, strict=True))
        self._lists = sorted(self._lists + other._lists[::-1][:lists])
        self._details = sorted(self._details + other._details[::-1][:details])
        if throttled:
            self._blocked_until = max(self._blocked_until, other._blocked_until)

    @property
    def spent(self) -> Spent:
        """What was spent, for a file."""
        return Spent(self._lists, self._details, self._blocked_until)

    def restore(self, spent: Spent) -> None:
        """Take in what another process has spent."""
        self._lists, self._details = sorted(spent.lists), sorted(spent.details)
        self._blocked_until = spent.blocked_until

    @property
    def for_failures(self) -> int:
        """So many reads of an interval are left to details of failed jobs."""
        return min(_FOR_FAILURES, max(self.quota // 20, min(5, self.quota // 8)))

    def room(self, demand: Demand, now: float) -> Room:
        """What may be read now.

        Lists go first, but for reads that details of failed jobs wait for. Where nobody knows what
        is left (at the start, and after a 429) one read at a time is started until an answer says
        so, and one more for each second without any: a read that hangs must not stop the others.
        """
        details = self._details_free(now, demand)
        at_most = self.quota - (self.for_failures if details < demand.failed else 0)
        lists_at = self.list_available_at(now, at_most)
        starts, look_at = self.remaining(now), lists_at
        lists = min(starts, at_most - len(self._since(self._lists, now))) if lists_at <= now else 0
        if details < demand.failed + demand.others:
            # One read comes back in so many seconds on average.
            look_at = now + max(1.0, self.per_seconds / self.quota)
        if self._in_doubt:
            starts = min(starts, 1)
            if demand.under_way and now < self._started_at + 1:
                starts, look_at = 0, self._started_at + 1
        if now < self._blocked_until:
            starts, look_at = 0, self._blocked_until
        return Room(starts=starts, lists=lists, details=details, look_at=look_at)

    def take_list(self, now: float, at_most: int | None = None) -> bool:
        """Spend a read on a page of a list, if one is allowed.

        Args:
            now: Monotonic seconds.
            at_most: So many lists may be read in an interval; None for the whole budget.
        """
        if self.list_available_at(now, at_most) > now:
            return False
        self._lists = [*self._since(self._lists, now), now]
        self._spent = self._spent[0] + 1, self._spent[1]
        self._started_at = now
        return True

    def take_detail(self, now: float, *, failed: bool) -> bool:
        """Spend a read on a detail, of a failed job or of another, if there is one."""
        if now < self._blocked_until or self.remaining(now) < 1:
            return False
        self._details = [*self._since(self._details, now), now]
        self._spent = self._spent[0], self._spent[1] + 1
        if not failed:
            self._paced = [*self._since(self._paced, now), now]
        self._started_at = now
        return True

    def give_back(self, at: float, *, detail: bool) -> None:
        """Take back a read that was spent then and never sent."""
        if detail:
            self._details, self._paced = _less(self._details, at), _less(self._paced, at)
        else:
            self._lists = _less(self._lists, at)

    def list_available_at(self, now: float, at_most: int | None = None) -> float:
        """When the next list is allowed; ``now`` or earlier if it is already."""
        free_at = max(self._blocked_until, self._one_left_at(now))
        spent = self._since(self._lists, now)
        if at_most and len(spent) >= at_most:
            free_at = max(free_at, spent[-at_most] + self._window)
        return free_at

    def forbidden(self, now: float) -> bool:
        """Whether a 429 still forbids all reads, however many would be left."""
        return now < self._blocked_until

    def remaining(self, now: float) -> int:
        """How many reads are left, as far as is known."""
        own = len(self._since(self._lists, now)) + len(self._since(self._details, now))
        return max(0, int(self.quota - own - self._others_at(now)))

    def details_spent(self, now: float) -> int:
        """How many details of the last interval were read."""
        return len(self._since(self._details, now))

    def throttled(
        self, now: float, retry_after: float, limit: int | None, per: float | None
    ) -> None:
        """Take in a 429: nothing until ``retry_after`` seconds are over; its limit is the limit.

        Then Azure's window is a new one, in which nothing is spent (FACTS 10).
        """
        self._blocked_until = max(self._blocked_until, now + retry_after)
        self.limit = limit or self.limit
        self.per_seconds = per or self.per_seconds
        self._lists, self._details, self._paced = [], [], []
        self._others = 0.0
        self._in_doubt = True

    def answered(self) -> None:
        """Take in any answer but a 429: there was something left."""
        self._in_doubt = False

    def doubt(self) -> None:
        """Take in that others may have spent much since: one read at a time until an answer."""
        self._in_doubt = True

    def hint(self, remaining: int, now: float) -> None:
        """Take in the remaining-header of an answer, less what is under way.

        Others spend from the same counter; and it has been 300 and 450 where 150 was
        documented. It is no more than a hint: not monotonic, and -1 on answers that are fine.
        Where other shards spend their parts it says more than is ours, which changes nothing.
        """
        self.limit = max(self.limit, remaining + 1)
        self._others = 0.0
        self._others = max(0.0, self.remaining(now) - max(remaining, 0))
        self._others_seen_at = now

    @property
    def _window(self) -> float:
        return self.per_seconds + MARGIN_SECONDS

    def _since(self, spent: list[float], now: float) -> list[float]:
        """Those that have not come back."""
        return spent[bisect_right(spent, now - self._window) :]

    def _details_free(self, now: float, demand: Demand) -> int:
        """How many of the details that wait may be read now, the most urgent first.

        Failed jobs may take whatever lists leave; all others leave some to failures to come. When
        not all fits, half of an interval's details may go at once and the rest goes evenly: so
        reads come back evenly, and jobs that fail find some. Lists have half of the budget at most,
        but that first lists go before all details but those of failed jobs.
        """
        if now < self._blocked_until:
            return 0
        for_lists = demand.unread + min(demand.lists, self.quota // 2)
        quota = self.quota - min(for_lists, self.quota - self.for_failures)
        spent = self._since(self._details, now)
        left = min(self.remaining(now), quota - len(spent))
        free = left - self.for_failures - demand.failed
        if demand.others > free:
            paced = self._since(self._paced, now)
            at_once = quota // 2 - len(paced)
            lately = len(spent) - bisect_right(spent, now - self.per_seconds / _PARTS)
            evenly = max(_PACE * quota / _PARTS, (free + lately) / _CATCH_UP)
            free = min(free, max(at_once, math.ceil(evenly) - lately))
        return max(0, min(demand.failed, left)) + max(0, min(demand.others, free))

    def _one_left_at(self, now: float) -> float:
        others = self._others_at(now)
        lists, details = self._since(self._lists, now), self._since(self._details, now)
        missing = 1 - (self.quota - len(lists) - len(details) - others)
        if missing <= 0:
            return now
        free_at = [spent[0] + self._window for spent in (lists, details) if spent]
        if missing <= others:
            free_at.append(now + missing * self.per_seconds / self.quota)
        return min(free_at, default=now)

    def _others_at(self, now: float) -> float:
        """What others have spent; it comes back evenly, since when they did is unknown."""
        regained = (now - self._others_seen_at) * self.quota / self.per_seconds
        return max(0.0, self._others - regained)


def _less(spent: list[float], at: float) -> list[float]:
    """Those without one that was spent then."""
    index = bisect_left(spent, at)
    return spent[:index] + spent[index + 1 :] if at in spent else spent


def effective_interval(
    configured: float,
    lists: int,
    budget: ReadBudget,
    now: float,
    *,
    details_wait: bool,
    unread: int = 0,
) -> float:
    """How often the vaults that share a budget are listed, in seconds.

    As configured while at least half of the budget is left; the less is left, the nearer to the
    pace that the limit sustains. Lists take at most half of it while details wait, as they will
    where not even the first list of each vault fits.

    Args:
        configured: ``refresh.interval``.
        lists: Pages of all their lists.
        budget: That they share.
        now: Monotonic seconds.
        details_wait: Whether the budget does not allow all details that are wanted.
        unread: Vaults whose first list is still to come.
    """
    sustained = lists * budget.per_seconds / budget.quota
    strain = min(2, 1 - 2 * (budget.remaining(now) - unread) / budget.quota)
    return max(configured, 2 * sustained if details_wait else strain * sustained)
