"""One read budget as the vaults of a subscription and region share it, across threads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from exporter.azure.budget import ReadBudget, Room, effective_interval
from exporter.backup.details import Urgency
from exporter.errors import NotNowError

if TYPE_CHECKING:
    from datetime import timedelta

    from exporter.azure.error_body import Throttling
    from exporter.backup.model import Vault
    from exporter.clock import Clock
    from exporter.metrics.selfmetrics import SelfMetrics


class BudgetGate:
    """Lets reads pass as the budget allows, and says how often lists may be read.

    Args:
        budget: The rules.
        vaults: Who shares it: all of one subscription and region that are read here.
        interval: The configured one between two lists of a vault.
        clock: What time it is.
        metrics: Shows what is left, and of how many.

    Attributes:
        unread: Ids of those whose first list is still to come.
    """

    def __init__(
        self,
        budget: ReadBudget,
        *,
        vaults: list[Vault],
        interval: timedelta,
        clock: Clock,
        metrics: SelfMetrics,
    ) -> None:
        self._budget = budget
        self._configured = interval.total_seconds()
        self._clock = clock
        self._lock = budget.lock
        self._last_turn = float("-inf")
        self.unread: set[str] = set()
        self._details_wait = False
        self._failed_wait = False
        self._granted = 0
        self.share_among(listed=len(vaults), part=1.0)
        shared_by = vaults[0].subscription_id, vaults[0].location
        metrics.reads_remaining.labels(*shared_by).set_function(self._remaining)
        metrics.reads_limit.labels(*shared_by).set_function(lambda: budget.quota)

    def share_among(self, *, listed: int, part: float) -> None:
        """Take in who shares it from now on.

        Args:
            listed: How many vaults read job lists here; those of others come from Resource Graph.
            part: How much of the budget is theirs: the rest is for the vaults of other shards.
        """
        with self._lock:
            self._listed = listed
            self._budget.part = part

    def permit_list(self) -> None:
        """Spend a read on a page of a list; some are left to details of failed jobs that wait.

        Raises:
            NotNowError: Not now.
        """
        with self._lock:
            now, budget = self._clock.monotonic(), self._budget
            at_most = budget.quota - (budget.for_failures if self._failed_wait else 0)
            if not budget.take_list(now, at_most):
                available_at = budget.list_available_at(now, at_most)
                raise NotNowError("the read budget is spent", available_at)

    def grant(self, wanted: Counter[Urgency], *, lists: int) -> int:
        """Allow so many of the wanted details now, the most urgent first.

        Args:
            wanted: All that wait.
            lists: That come up in an interval of the budget, without the first of any vault.
        """
        with self._lock:
            budget = self._budget
            failed = wanted[Urgency.FAILED]
            self._granted = budget.details_free(
                self._clock.monotonic(),
                failed=failed,
                others=wanted.total() - failed,
                for_lists=min(
                    len(self.unread) + min(lists, budget.quota // 2),
                    budget.quota - budget.for_failures,
                ),
            )
            self._details_wait = self._granted < wanted.total()
            self._failed_wait = self._granted < failed
            return self._granted

    def permit_detail(self) -> None:
        """Spend a read on a detail that was granted.

        Raises:
            NotNowError: Not now; nobody knows when.
        """
        with self._lock:
            if self._granted < 1 or not self._budget.take_detail(self._clock.monotonic()):
                raise NotNowError("the read budget leaves no detail", float("inf"))
            self._granted -= 1

    @property
    def per_seconds(self) -> float:
        """The interval of the budget."""
        return self._budget.per_seconds

    @property
    def seconds_a_read(self) -> float:
        """After how long one read comes back on average."""
        return self._budget.per_seconds / self._budget.quota

    def list_available_at(self) -> float:
        """Monotonic time when a list may be read."""
        with self._lock:
            return self._budget.list_available_at(self._clock.monotonic())

    def throttled(self, throttling: Throttling) -> None:
        """Take in a 429."""
        with self._lock:
            self._budget.throttled(
                self._clock.monotonic(),
                throttling.retry_after.total_seconds(),
                throttling.limit,
                throttling.interval.total_seconds() if throttling.interval else None,
            )

    def hint(self, remaining: int) -> None:
        """Take in the remaining-header of an answer."""
        with self._lock:
            self._budget.hint(remaining, self._clock.monotonic())

    def next_turn(self, vault: Vault, started: float) -> float:
        """Monotonic time of the next list of a vault whose last one began at ``started``.

        One interval later. Vaults that were read all at once, as they are at first and after a
        pause, fall in one behind the other, the last of them nearly two intervals later.
        """
        with self._lock:
            self.unread.discard(vault.id)
            interval = self._interval()
            in_line = self._last_turn + interval / max(self._listed, 1)
            self._last_turn = min(max(started + interval, in_line), started + 2 * interval)
            return self._last_turn

    def room(self) -> Room:
        """What may be read, now and in an interval of the budget."""
        with self._lock:
            return Room(
                left=self._budget.remaining(self._clock.monotonic()),
                reads=self._budget.quota,
                lists=self._listed * self._budget.per_seconds / self._interval(),
                for_failures=self._budget.for_failures,
                per_seconds=self._budget.per_seconds,
            )

    def interval_in_effect(self) -> float:
        """The same, or longer while nothing may be read at all."""
        interval = self.interval()
        return max(interval, self.list_available_at() - self._clock.monotonic())

    def interval(self) -> float:
        """How often a vault is listed while the budget lasts, in seconds."""
        with self._lock:
            return self._interval()

    def _interval(self) -> float:
        return effective_interval(
            self._configured,
            self._listed,
            self._budget,
            self._clock.monotonic(),
            details_wait=self._details_wait,
            unread=len(self.unread),
        )

    def _remaining(self) -> int:
        with self._lock:
            now = self._clock.monotonic()
            return 0 if self._budget.forbidden(now) else self._budget.remaining(now)
