"""What all records want, kept until they change: asking each anew would take most of a step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from exporter.refresh.budgets import Waiting
from exporter.refresh.fetch import Cost
from exporter.refresh.records import JOB_DETAIL, NEVER, VaultRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from exporter.refresh.fetch import Fetch, Reading, Request
    from exporter.refresh.records import BudgetKey, Record

_Queue = tuple["BudgetKey", int]
"""A budget, and the urgency of the most urgent detail."""


class Wants:
    """The fetches that readings want of records.

    Vaults with details stand in a queue for each budget and urgency, those whose details were read
    longest ago first: of thousands a plan needs to see no more than there are workers.

    Args:
        readings: All there are.

    Attributes:
        next_due: Monotonic time when the next of those that are no details is due that was not when
            asked last.
    """

    def __init__(self, readings: Iterable[Reading]) -> None:
        self._readings = tuple(readings)
        self._background = frozenset(one.name for one in self._readings if one.background)
        self._others: dict[str, list[Fetch]] = {}
        self._look_at = NEVER
        self._details: dict[str, list[Fetch]] = {}
        self._waiting: dict[str, tuple[BudgetKey, Waiting]] = {}
        self._total: dict[BudgetKey, Waiting] = {}
        self._place: dict[str, _Queue] = {}
        self._queues: dict[_Queue, dict[str, None]] = {}
        self._tried_again: dict[str, None] = {}
        self.next_due = math.inf

    def put(self, subject: str, record: Record) -> None:
        """Take in a record that is new or changed."""
        others: list[Fetch] = []
        details: list[Fetch] = []
        for reading in self._readings:
            for fetch in reading.wanted(subject, record):
                (details if fetch.cost is Cost.DETAIL else others).append(fetch)
        self._others[subject] = others
        for fetch in others:
            self._look_at = min(self._look_at, fetch.due)
            self.next_due = min(self.next_due, fetch.due)
        if details and isinstance(record, VaultRecord):
            failed, ready = record.details.failed, len(record.details.ready)
            beside = sum(one.due == NEVER and one.id.reading != JOB_DETAIL for one in details)
            waiting = Waiting(failed, ready - failed + beside)
            self._queue(subject, details, record.budget, waiting)
        elif subject in self._details:
            self._leave(subject)

    def keep(self, subjects: Collection[str]) -> None:
        """Forget all other subjects."""
        for subject in self._others.keys() - subjects:
            del self._others[subject]
            if subject in self._details:
                self._leave(subject)

    def due(self, now: float) -> list[Fetch]:
        """All but details that are due; as long as none is, that takes no time."""
        if now < self._look_at:
            return []
        due: list[Fetch] = []
        self.next_due = math.inf
        for fetches in self._others.values():
            for fetch in fetches:
                if fetch.due <= now:
                    due.append(fetch)
                elif fetch.due < self.next_due:
                    self.next_due = fetch.due
        # Those that cannot start now are looked for again.
        self._look_at = NEVER if due else self.next_due
        return due

    def of(self, subjects: Iterable[str]) -> list[Fetch]:
        """All but details of these subjects, due or not, without background."""
        return [
            one
            for subject in subjects
            for one in self._others.get(subject, ())
            if one.id.reading not in self._background
        ]

    def details(self, number: int, *, background: bool) -> dict[str, list[Fetch]]:
        """By vault, the details that may start next: of so many vaults of each budget.

        Args:
            number: Of vaults.
            background: Whether to have what is left out where everything is read but once.
        """
        chosen = dict.fromkeys(self._tried_again)
        left: dict[BudgetKey, int] = {}
        for (budget, _), queue in sorted(self._queues.items(), key=lambda one: one[0][1]):
            for subject in queue:
                if left.setdefault(budget, number) <= 0:
                    break
                left[budget] -= 1
                chosen[subject] = None
        found = {subject: self._details[subject] for subject in chosen}
        if background:
            return found
        return {
            subject: [one for one in fetches if one.id.reading not in self._background]
            for subject, fetches in found.items()
        }

    def served(self, subject: str) -> None:
        """Take in that a detail of a vault is read: others have their turn."""
        if place := self._place.get(subject):
            self._queues[place].pop(subject, None)
            self._queues[place][subject] = None

    def waiting(self, key: BudgetKey, under_way: Iterable[Request], now: float) -> Waiting:
        """Details that wait for a budget and nothing else, without those under way."""
        failed, others = self._total.get(key, (0, 0))
        for subject in self._tried_again:
            # Of those that failed before only the next ones are known here.
            others += sum(
                NEVER < one.due <= now and one.budget == key for one in self._details[subject]
            )
        for request in under_way:
            if request.fetch.cost is Cost.DETAIL and request.fetch.budget == key:
                failed -= not request.fetch.urgency
                others -= bool(request.fetch.urgency)
        return Waiting(max(0, failed), max(0, others))

    def _queue(self, subject: str, details: list[Fetch], key: BudgetKey, waiting: Waiting) -> None:
        place = key, details[0].urgency
        if self._place.get(subject) != place:
            self._leave(subject)
            self._place[subject] = place
            self._queues.setdefault(place, {})[subject] = None
        self._count(subject, (key, waiting))
        self._details[subject] = details
        if any(one.due > NEVER for one in details):
            self._tried_again[subject] = None
        else:
            self._tried_again.pop(subject, None)

    def _leave(self, subject: str) -> None:
        if place := self._place.pop(subject, None):
            del self._queues[place][subject]
            if not self._queues[place]:
                del self._queues[place]
        self._count(subject, None)
        self._details.pop(subject, None)
        self._tried_again.pop(subject, None)

    def _count(self, subject: str, waiting: tuple[BudgetKey, Waiting] | None) -> None:
        """Keep the sums: each vault's part is replaced whole."""
        for known, sign in ((self._waiting.pop(subject, None), -1), (waiting, 1)):
            if known:
                key, part = known
                failed, others = self._total.get(key, (0, 0))
                self._total[key] = Waiting(failed + sign * part.failed, others + sign * part.others)
        if waiting:
            self._waiting[subject] = waiting
