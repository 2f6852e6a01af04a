"""The details that all vaults of one read budget wait for, worked off by urgency."""

from __future__ import annotations

import logging
from collections import Counter
from heapq import nsmallest
from typing import TYPE_CHECKING, Final

from exporter.backup.details import Urgency
from exporter.threads import run_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.azure.gate import BudgetGate
    from exporter.backup.details import WantedDetail
    from exporter.clock import Clock
    from exporter.refresh.vault import VaultRefresher

log = logging.getLogger(__name__)

_SHARE_OF_INTERVAL: Final = 0.8
_SHORTEST_PAUSE_SECONDS: Final = 1.0


class DetailQueue:
    """Reads details whenever the budget has some to spare, whichever vault waits for them.

    Args:
        name: For the log.
        gate: The read budget.
        clock: What time it is.
        threads: Vaults whose details are read at once.

    Attributes:
        members: The vaults that share it. Rebound whole, never changed.
    """

    ended_once = True

    def __init__(self, name: str, gate: BudgetGate, clock: Clock, *, threads: int) -> None:
        self.name = name
        self.members: tuple[VaultRefresher, ...] = ()
        self.suspect = False
        self._gate = gate
        self._clock = clock
        self._threads = threads
        self._goes_on = False
        self._next_at = float("inf")
        self._offered_at: float | None = None

    @property
    def due(self) -> float:
        """Monotonic time of the next look: at once when other details are wanted."""
        return self._next_at if self._offered_at is None else self._offered_at

    @due.setter
    def due(self, at: float) -> None:
        self._next_at = at

    def offer(self) -> None:
        """Take in that other details are wanted than before."""
        self._offered_at = self._clock.monotonic()

    def refresh(self) -> None:
        """Read what the budget allows now, and publish."""
        self._offered_at = None
        members = self.members
        now = self._clock.monotonic()
        until = now + self._gate.per_seconds
        waiting = {one: due for one in members if (due := one.due_details())}
        lists = sum(one.list_reads(until) for one in members if one.ended_once)
        wanted = Counter(one.urgency for due in waiting.values() for one in due)
        granted = self._gate.grant(wanted, lists=lists)
        give_up_at = now + _SHARE_OF_INTERVAL * self._gate.interval()
        chosen = most_urgent(waiting, granted)
        for one, due in waiting.items():
            one.pass_over(_ids(due) - _ids(chosen.get(one, ())))
        run_all(
            "details",
            lambda one: self._read(one, chosen[one], give_up_at),
            chosen,
            threads=self._threads,
        )
        self.suspect = any(one.suspect for one in chosen)
        self._goes_on = any(one.due_details() for one in members)

    def next_turn(self, started: float) -> float:
        """Monotonic time of the look after one that began at ``started``."""
        if not self._goes_on:
            return float("inf")
        return started + max(_SHORTEST_PAUSE_SECONDS, self._gate.seconds_a_read)

    def stale_at(self) -> float:
        """Long past: what is known of a vault is its own matter."""
        return float("-inf")

    def broke(self, error: Exception) -> None:
        """Nothing to do: the next look begins anew."""

    def not_read(self) -> None:
        """Nothing to do: details wait."""

    @staticmethod
    def _read(member: VaultRefresher, chosen: list[WantedDetail], give_up_at: float) -> None:
        """Do one vault's part; no fault in its data may touch the others'."""
        try:
            member.read_details(chosen, give_up_at)
        except Exception as error:
            log.exception("reading details of %s broke", member.name)
            member.broke(error)


def _ids(details: Iterable[WantedDetail]) -> set[str]:
    return {one.job.job_id for one in details}


def most_urgent(
    waiting: Mapping[VaultRefresher, list[WantedDetail]], number: int
) -> dict[VaultRefresher, list[WantedDetail]]:
    """So many of the details that wait, by vault.

    The most urgent of all vaults go first. Of equal ones each vault has one in turn; who has
    waited longest for a turn begins.
    """

    def ranks(
        vault: VaultRefresher, details: Iterable[WantedDetail]
    ) -> Iterable[tuple[tuple[Urgency, int, float], VaultRefresher, WantedDetail]]:
        before = Counter[Urgency]()
        for one in details:
            yield (one.urgency, before[one.urgency], vault.served_at), vault, one
            before[one.urgency] += 1

    everything = (rank for vault, details in waiting.items() for rank in ranks(vault, details))
    chosen: dict[VaultRefresher, list[WantedDetail]] = {}
    for _, vault, one in nsmallest(number, everything, key=lambda rank: rank[0]):
        chosen.setdefault(vault, []).append(one)
    return chosen
