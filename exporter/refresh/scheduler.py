"""The owner: takes answers, applies them, shows what changed, plans and starts."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

from exporter.errors import ArmError, ErrorKind, NotNowError, own_fault
from exporter.refresh.fetch import Again, Answer, Applied, Cost, Request
from exporter.refresh.plan import Busy, Plan, plan
from exporter.refresh.readings.vault_state import down
from exporter.refresh.records import (
    NEVER,
    Moment,
    ScopeRecord,
    SearchRecord,
    VaultRecord,
    turn_of,
    unread,
    with_turn,
)
from exporter.refresh.turns import next_turn
from exporter.refresh.waiting import without_news
from exporter.refresh.wants import Wants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from exporter.azure.room import Room
    from exporter.clock import AzureClock
    from exporter.refresh.budgets import Budgets
    from exporter.refresh.fetch import Fetch, FetchId, Reading
    from exporter.refresh.records import BudgetKey, Record
    from exporter.refresh.showing import Showing
    from exporter.refresh.workers import Workers

log = logging.getLogger(__name__)

_NO_THREAD_SECONDS: Final = 5.0
_WRITE_OFF_SECONDS: Final = 5.0
"""A worker keeps its deadline itself, but for what no timeout reaches, such as a resolver."""


class Scheduler:
    """Decides what is read when, and applies what was answered. All of it in one thread.

    Args:
        readings: All there are.
        budgets: What may be spent.
        showing: What changed goes there.
        clock: What time it is.
        workers: Who makes requests.
        found: Called with a search that has ended, if it was one, and whether other vaults are
            to be read than before, or by other budgets.

    Attributes:
        records: By subject. Other threads may look.
        under_way: Requests that have not been answered.
        only: Subjects that were asked for and whose turn has not ended; None for all.
        due_at: Monotonic time when the next fetch is due, as of the last step.
        room_at: The same when a budget may allow more.
    """

    def __init__(
        self,
        readings: Iterable[Reading],
        budgets: Budgets,
        showing: Showing,
        *,
        clock: AzureClock,
        workers: Workers,
        found: Callable[[SearchRecord | None, bool], None],
    ) -> None:
        self._readings = {reading.name: reading for reading in readings}
        self._budgets = budgets
        self._showing = showing
        self._clock = clock
        self._workers = workers
        self._found = found
        self._wants = Wants(self._readings.values())
        self._served: dict[str, float] = {}
        self._rearrange = False
        self._rearranged_at = NEVER
        self.records: dict[str, Record] = {}
        self.under_way: dict[FetchId, Request] = {}
        self.only: set[str] | None = None
        self._with_details = True
        self.due_at = self.room_at = float("inf")

    def now(self) -> Moment:
        """The present."""
        return Moment(self._clock.now(), self._clock.monotonic())

    def arrange(self, records: Mapping[str, Record]) -> None:
        """Read these subjects from now on. Requests under way of others go on for nobody."""
        before, self.records = self.records, dict(records)
        self._wants.keep(records.keys())
        self._served = {k: v for k, v in self._served.items() if k in records}
        for subject, record in records.items():
            if before.get(subject) is not record:
                self._wants.put(subject, record)
                if isinstance(record, VaultRecord):
                    self._showing.changed(subject, at_once=True)

    def step(self, answers: Iterable[Answer]) -> float:
        """Do what is to be done now.

        Args:
            answers: Since the last step.

        Returns:
            Monotonic time when there is more to do, though nothing is answered.
        """
        now = self.now()
        for answer in answers:
            self._take(answer, now)
        for request in [*self.under_way.values()]:
            if now.monotonic > request.give_up_at + _WRITE_OFF_SECONDS:
                late = ArmError(ErrorKind.TIMEOUT, "the request did not end in time")
                self._take(Answer(request, fault=late), now)
        if self._rearrange and (now.monotonic >= self._rearranged_at + 1 or not self.under_way):
            # Seldom, and for many at a time: all vaults are looked at.
            self._rearrange, self._rearranged_at = False, now.monotonic
            self._found(None, True)
        todo = self._start(now)
        self.due_at, self.room_at = todo.due_at, todo.room_at
        if self.only is None:
            self.age()
            self.due_at = min(self.due_at, self._wants.next_due)
        self.show(idle=not self.under_way)
        return min(
            self.due_at, self.room_at, self._showing.look_at, now.monotonic + self._showing.rests
        )

    def age(self) -> None:
        """Take vaults down that have not been read for too long, whatever workers do."""
        lists = (one for one in self.under_way.values() if one.fetch.cost is not Cost.DETAIL)
        began = {one.fetch.id.subject: one.asked.monotonic for one in lists}
        now, patience = self._clock.monotonic(), self._workers.timeout
        for vault_id, fault in self._showing.too_old(self.records, began, patience, now):
            self.fail(vault_id, fault)

    def ask(self, subjects: Iterable[str] | None, *, details: bool = True) -> None:
        """Have the turn of these subjects come now, and of no others.

        Args:
            subjects: None for the turn of each when it is due.
            details: Whether details are read, too.
        """
        self.only = None if subjects is None else set(subjects)
        self._with_details = details
        for subject in self.only or ():
            record = self.records[subject]
            turns = {name: replace(turn, due=NEVER) for name, turn in record.turns.items()}
            self._put(subject, replace(record, turns=turns))

    def fail(self, vault_id: str, fault: ArmError, *, spoilt: bool = False) -> None:
        """Mark a vault down that could not be read.

        Args:
            vault_id: Which.
            fault: Why.
            spoilt: Whether what is known of it must not be shown either.
        """
        record = self.records.get(vault_id)
        if isinstance(record, VaultRecord):
            failed = replace(down(record, fault, asked=spoilt), spoilt=spoilt or record.spoilt)
            self._put(vault_id, replace(failed, listing=None) if spoilt else failed)
            self._showing.changed(vault_id, at_once=True)

    def show(self, *, idle: bool) -> None:
        """Show what has changed: all of it if there is nothing else to do."""
        now = self.now()
        for vault_id, shown, error in self._showing.turns(self.records, now, idle=idle):
            if error and not shown.spoilt:
                self.fail(vault_id, own_fault(error), spoilt=True)
            elif shown is not self.records[vault_id]:
                self._put(vault_id, shown)

    def _start(self, now: Moment) -> Plan:
        """Start what the plan says."""

        def room(key: BudgetKey) -> Room:
            mine = [one for one in self.under_way.values() if one.fetch.budget == key]
            waiting = self._wants.waiting(key, mine, now.monotonic)
            return self._budgets.room(key, self.records, waiting, len(mine), now.monotonic)

        details: Mapping[str, list[Fetch]] = {}
        if self._with_details and len(self.under_way) < self._workers.number:
            number = 2 * self._workers.number
            details = self._wants.details(number, background=self.only is None)
        todo = plan(
            self._wants.due(now.monotonic) if self.only is None else self._wants.of(self.only),
            details,
            cache(room),
            Busy(self._workers.number, self.under_way, self._served),
            now.monotonic,
        )
        for fetch in todo.start:
            self._begin(fetch, now)
        if todo.held:
            # What was said of running jobs of whom the budget allows no news would look fresh.
            for vault_id, quiet in without_news(self.records, todo.held, self.under_way):
                self._put(vault_id, quiet)
                self._showing.changed(vault_id, at_once=False)
        return todo

    def _begin(self, fetch: Fetch, now: Moment) -> None:
        reading = self._readings[fetch.id.reading]
        give_up_at = now.monotonic + max(reading.patience, self._workers.timeout)
        try:
            ask = reading.ask(fetch, self.records, now)
        except Exception as error:
            self._broke(Request(fetch, None, now, give_up_at), error, now)
            return
        request = Request(fetch, ask, now, give_up_at)
        self._budgets.spend(fetch, now.monotonic)
        self.under_way[fetch.id] = request
        if fetch.cost is Cost.DETAIL:
            self._served[fetch.id.subject] = now.monotonic
            self._wants.served(fetch.id.subject)
        try:
            self._workers.send(request)
        except RuntimeError as error:
            log.error("refresh not started", extra={"reason": str(error)})  # noqa: TRY400
            postponed = NotNowError(str(error), now.monotonic + _NO_THREAD_SECONDS)
            self._take(Answer(request, fault=postponed), now)

    def _take(self, answer: Answer, now: Moment) -> None:
        """Apply an answer. One that comes too late or after a reload counts only if it is good."""
        request, fault = answer.request, answer.fault
        expected = self.under_way.get(request.fetch.id) is request
        if expected:
            del self.under_way[request.fetch.id]
        budget = request.fetch.budget
        beside = sum(one.fetch.budget == budget for one in self.under_way.values())
        self._budgets.answered(answer, beside, now.monotonic)
        if (fault or answer.broke) and not expected:
            return
        if answer.broke:
            self._broke(request, answer.broke, now)
            return
        try:
            if isinstance(fault, NotNowError):
                again = Again(fault.available_at - now.monotonic, ends=False)
                applied = Applied(again=None if request.fetch.cost is Cost.DETAIL else again)
            else:
                reading = self._readings[request.fetch.id.reading]
                applied = reading.apply(answer, self.records, now)
            self._apply(request, applied, now)
        except Exception as error:
            # The one broad except: no fault in one vault's data may end the loop.
            self._broke(request, error, now)

    def _apply(self, request: Request, applied: Applied, now: Moment) -> None:
        subject = request.fetch.id.subject
        for key, record in applied.records.items():
            self._put(key, record)
            if isinstance(record, VaultRecord):
                self._showing.changed(key, at_once=key in applied.show)
        if applied.again:
            self._schedule(request, applied.again, now)
        found = self.records.get(subject)
        if isinstance(found, SearchRecord) and applied.records:
            self._found(found, applied.rearrange)
        elif applied.rearrange:
            self._rearrange = True

    def _schedule(self, request: Request, again: Again, moment: Moment) -> None:
        """Give a reading its next turn: the one place where a due is made."""
        subject, name = request.fetch.id.subject, request.fetch.id.reading
        if (record := self.records.get(subject)) is None:
            return
        now = moment.monotonic

        def list_due(began: float) -> float:
            if isinstance(record, VaultRecord) and request.fetch.cost is Cost.LIST:
                waiting = self._wants.waiting(record.budget, (), now)
                return self._budgets.next_list(record, began, self.records, waiting, now)
            if isinstance(record, ScopeRecord) and unread(record, self.records):
                return now
            return began + self._readings[name].interval

        turn = next_turn(turn_of(record, name), request, again, list_due, now)
        self._put(subject, with_turn(record, name, turn))
        if again.ends and self.only is not None:
            self.only.discard(subject)

    def _broke(self, request: Request, error: Exception, now: Moment) -> None:
        """Take in a fault of ours: old data must not look fresh, and it must not repeat at once."""
        subject, name = request.fetch.id.subject, request.fetch.id.reading
        log.exception("%s of %s broke", name, subject, exc_info=error)
        record, fault = self.records.get(subject), own_fault(error)
        if isinstance(record, SearchRecord):
            failed = replace(record, failure=fault)
            self._put(subject, failed)
            self._found(failed, False)
        members = record.members if isinstance(record, ScopeRecord) else (subject,)
        for vault_id in members:
            self.fail(vault_id, fault, spoilt=True)
        if request.fetch.cost is not Cost.DETAIL:
            again = Again(self._readings[name].interval, failed=True)
            self._schedule(request, again, now)

    def _put(self, subject: str, record: Record) -> None:
        self.records[subject] = record
        self._wants.put(subject, record)
