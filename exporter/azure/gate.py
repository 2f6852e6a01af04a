"""One read budget as the vaults of a subscription and region share it, across threads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from exporter.azure.budget import ReadBudget, Room, effective_interval, reserved_for_lists
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
        metrics: Shows what is left.
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
        self._waiting: set[str] = set()
        self._wanted: dict[str, Counter[Urgency]] = {}
        self._demand: Counter[Urgency] = Counter()
        self._shares: Counter[str] = Counter()
        self._served_at: dict[str, float] = {}
        self._listed = 0
        self.share_among(vaults, listed=len(vaults), part=1.0)
        shared_by = vaults[0].subscription_id, vaults[0].location
        metrics.reads_remaining.labels(*shared_by).set_function(self._remaining)

    def share_among(self, vaults: list[Vault], *, listed: int, part: float) -> None:
        """Take in who shares it from now on.

        Args:
            vaults: All that read details here.
            listed: How many of them read job lists here too; the others' come from Resource Graph.
            part: How much of the budget is theirs: the rest is for the vaults of other shards.
        """
        with self._lock:
            self._listed = listed
            self._budget.part = part
            self._served_at = {
                vault.id: self._served_at.get(vault.id, float("-inf")) for vault in vaults
            }
            self._waiting &= self._served_at.keys()
            for gone in self._wanted.keys() - self._served_at.keys():
                self._demand.subtract(self._wanted.pop(gone))

    def permit_list(self) -> None:
        """Spend a read on a page of a list.

        Raises:
            NotNowError: Not now.
        """
        with self._lock:
            now = self._clock.monotonic()
            if not self._budget.take_list(now):
                raise NotNowError("the read budget is spent", self._budget.list_available_at(now))

    def permit_detail(self, vault: Vault, urgency: Urgency) -> None:
        """Spend a read on a detail; lists keep what their interval needs.

        Raises:
            NotNowError: Not now; nobody knows when.
        """
        with self._lock:
            # A vault that was dropped meanwhile wants nothing any more.
            in_share = vault.id in self._wanted and (
                urgency is Urgency.FAILED or self._shares[vault.id] > 0
            )
            now = self._clock.monotonic()
            if not in_share or not self._budget.take_detail(
                urgency, now, for_lists=self._for_lists(), demand=self._demand
            ):
                raise NotNowError("the read budget leaves no detail", float("inf"))
            self._demand[urgency] -= 1
            self._wanted[vault.id][urgency] -= 1
            if urgency is not Urgency.FAILED:
                self._shares[vault.id] -= 1
                self._served_at[vault.id] = now

    def want(self, vault: Vault, details: Counter[Urgency]) -> None:
        """Take in which details of a vault are wanted now: its turn begins."""
        with self._lock:
            if vault.id not in self._served_at:
                return
            self._demand.subtract(self._wanted.get(vault.id, Counter()))
            self._demand.update(details)
            self._wanted[vault.id] = details
            served_at = self._served_at[vault.id]
            self._shares[vault.id] = self._budget.share(
                details,
                self._clock.monotonic(),
                demand=self._demand,
                ahead=sum(
                    self._served_at[other] < served_at
                    for other, wanted in self._wanted.items()
                    if wanted.total() > 0
                ),
                for_lists=self._for_lists(),
                interval=self._interval(),
            )

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

    def details_wait(self, vault: Vault, *, wait: bool) -> None:
        """Take in whether the budget has refused a detail of a vault."""
        with self._lock:
            wait = wait and vault.id in self._served_at
            (self._waiting.add if wait else self._waiting.discard)(vault.id)

    def next_turn(self, started: float) -> float:
        """Monotonic time of the next refresh of a vault whose last one began at ``started``.

        One interval later. Vaults that were read all at once, as they are at first and after a
        pause, fall in one behind the other, the last of them nearly two intervals later.
        """
        with self._lock:
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
                details=self._budget.details_per_interval(self._for_lists()),
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

    def _for_lists(self) -> int:
        return reserved_for_lists(self._configured, self._listed, self._budget)

    def _interval(self) -> float:
        return effective_interval(
            self._configured,
            self._listed,
            self._budget,
            self._clock.monotonic(),
            details_wait=bool(self._waiting),
        )

    def _remaining(self) -> int:
        with self._lock:
            return self._budget.remaining(self._clock.monotonic())
