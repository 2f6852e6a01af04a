"""The read budgets of all subscriptions and regions: who shares them, and what they allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from exporter.azure.budget import ReadBudget, effective_interval
from exporter.azure.room import MARGIN_SECONDS, Demand, Room
from exporter.azure.session import ThrottledError
from exporter.backup.details import Urgency
from exporter.errors import ErrorKind
from exporter.refresh.fetch import Cost
from exporter.refresh.records import JOB_LIST, VaultRecord, turn_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from exporter.config import Config
    from exporter.metrics.selfmetrics import SelfMetrics
    from exporter.refresh.fetch import Answer, Fetch, Records
    from exporter.refresh.records import BudgetKey

_FEW: Final = 2
_BURST: Final = 8
"""While all fits, one of so many parts of a budget may be lists that are due at the same time."""


@dataclass(slots=True)
class _Share:
    """One budget, and the vaults that share it.

    Attributes:
        members: Ids of all.
        in_line: Monotonic time from which the next list's turn is counted.
    """

    budget: ReadBudget
    members: tuple[str, ...] = ()
    in_line: float = float("-inf")


class Waiting(NamedTuple):
    """Details that wait for a budget: of failed jobs, and others."""

    failed: int
    others: int


class Budgets:
    """Counts what is spent and wanted of each budget. The owner's thread alone changes it.

    Args:
        config: The limit to begin with, and the interval between two lists of a vault.
        metrics: Shows what is left of each, and of how many.
        monotonic: What time it is, for who scrapes.
        known: What has been spent and learnt so far.
    """

    def __init__(
        self,
        config: Config,
        metrics: SelfMetrics,
        monotonic: Callable[[], float],
        known: Mapping[BudgetKey, ReadBudget],
    ) -> None:
        self._limit = config.azure.read_budget.requests
        self._per = config.azure.read_budget.per.total_seconds()
        self._configured = config.refresh.interval.total_seconds()
        self._metrics = metrics
        self._monotonic = monotonic
        self._known = dict(known)
        self._shares: dict[BudgetKey, _Share] = {}
        metrics.reads_remaining.clear()
        metrics.reads_limit.clear()

    @property
    def known(self) -> dict[BudgetKey, ReadBudget]:
        """All budgets, for a successor."""
        return dict(self._known)

    def share(
        self,
        members: Mapping[BudgetKey, Iterable[str]],
        in_all: Mapping[BudgetKey, int],
        throttled: Collection[BudgetKey] = (),
    ) -> None:
        """Say which vaults share which budget from now on.

        Args:
            members: Their ids, by budget.
            in_all: By budget, how many vaults share it with those of other shards.
            throttled: Budgets of vaults that met a 429: if the region was not known until now, the
                wait is that region's.
        """
        old, self._shares = self._shares, {}
        for key, ids in members.items():
            vaults = tuple(ids)
            of_all = self._known.get((key[0], ""))
            if key not in self._known:
                limit, per = self._limit, self._per
                if of_all:
                    limit, per = of_all.limit, of_all.per_seconds
                self._known[key] = ReadBudget(limit, per)
            budget = self._known[key]
            budget.part = len(vaults) / in_all[key]
            if of_all and key[1] and (key[0], "") in old:
                budget.absorb(of_all, throttled=key in throttled)
            known = old.get(key)
            in_line = known.in_line if known else float("-inf")
            self._shares[key] = _Share(budget, vaults, in_line)
            if known is None:
                self._expose(key, budget)
        for key in old.keys() - self._shares.keys():
            self._metrics.reads_remaining.remove(*key)
            self._metrics.reads_limit.remove(*key)

    def room(
        self,
        key: BudgetKey,
        records: Records,
        waiting: Waiting,
        under_way: int,
        now: float,
    ) -> Room:
        """What a budget allows now.

        Args:
            key: Which.
            records: Of all vaults.
            waiting: Details that it is wanted for, without those under way.
            under_way: Requests that spent of it and have not been answered.
            now: Monotonic seconds.
        """
        share = self._shares[key]
        return share.budget.room(self._demand(share, records, waiting, under_way, now), now)

    def spend(self, fetch: Fetch, now: float) -> None:
        """Take in that a fetch starts."""
        if fetch.budget is not None:
            budget = self._known[fetch.budget]
            if fetch.cost is Cost.LIST:
                budget.take_list(now)
            else:
                budget.take_detail(now, failed=fetch.urgency == Urgency.FAILED)

    def answered(self, answer: Answer, under_way: int, now: float) -> None:
        """Take in what an answer says of its budget, also if its vault is gone meanwhile.

        Args:
            answer: Good or bad.
            under_way: Other reads of the budget that Azure may not have counted yet.
            now: Monotonic seconds.
        """
        fetch, fault = answer.request.fetch, answer.fault
        if fetch.budget is None or (budget := self._known.get(fetch.budget)) is None:
            return
        if isinstance(fault, ThrottledError):
            said = fault.throttling
            per = said.interval.total_seconds() if said.interval else None
            wait = said.retry_after.total_seconds() + MARGIN_SECONDS
            budget.throttled(now, wait, said.limit, per)
        elif fault is None:
            budget.answered()
            if answer.value and answer.value.remaining is not None:
                budget.hint(answer.value.remaining - under_way, now)
        elif not fault.sent:
            detail = fetch.cost is Cost.DETAIL
            budget.give_back(answer.request.asked.monotonic, detail=detail)
        elif fault.kind not in (ErrorKind.TIMEOUT, ErrorKind.NETWORK):
            budget.answered()

    def next_list(
        self, record: VaultRecord, began: float, records: Records, waiting: Waiting, now: float
    ) -> float:
        """Monotonic time of a vault's next list after one that began then.

        Vaults that were read all at once, as they are at first and after a pause, must not all come
        up at once again where their lists are much of the budget. So turns are counted along a
        line (the "theoretical arrival time" of the generic cell rate algorithm): each list moves it
        on by its part of the interval, and none comes up earlier than a burst of lists before it.
        """
        share = self._shares[record.budget]
        budget = share.budget
        demand = self._demand(share, records, waiting, 0, now)
        details_wait = budget.room(demand, now).details < demand.failed + demand.others
        lists = _pages(_listed(share, records))
        interval = effective_interval(
            self._configured, lists, budget, now, details_wait=details_wait, unread=demand.unread
        )
        burst = _FEW if interval > self._configured else max(_FEW, budget.quota // _BURST)
        if lists <= burst:
            return began + interval
        earliest = began + interval
        due = max(earliest, share.in_line - interval * (burst - 1) / lists)
        share.in_line = max(share.in_line, earliest) + interval * record.pages / lists
        return min(due, began + 2 * interval)

    def available_at(self, key: BudgetKey, now: float) -> float:
        """Monotonic time when a list may be read."""
        return self._shares[key].budget.list_available_at(now)

    def interval(self, key: BudgetKey, records: Records, now: float) -> float:
        """How often a vault that has never been read is listed, in seconds."""
        share = self._shares[key]
        listed = _listed(share, records)
        return effective_interval(
            self._configured,
            _pages(listed),
            share.budget,
            now,
            details_wait=False,
            unread=_unread(listed),
        )

    def seconds_for(
        self, key: BudgetKey, details: float, arriving: float, records: Records, now: float
    ) -> float | None:
        """How long it takes to read first lists and so many details; None if that has no end.

        Args:
            key: Of a budget.
            details: That wait.
            arriving: More of them that come up each second.
            records: Of all vaults.
            now: Monotonic seconds.
        """
        share = self._shares[key]
        budget, listed = share.budget, _listed(share, records)
        unread = _unread(listed)
        for_lists = max(0, unread - budget.remaining(now)) * budget.per_seconds / budget.quota
        pages = _pages(listed) * budget.per_seconds / self._configured
        at_a_time = budget.quota - min(pages, budget.quota // 2) - budget.for_failures
        left = details if unread else details - max(0, at_a_time - budget.details_spent(now))
        if left <= 0:
            return for_lists
        rate = at_a_time / budget.per_seconds - arriving
        return for_lists + left / rate if rate > 0 else None

    def _demand(
        self,
        share: _Share,
        records: Records,
        waiting: Waiting,
        under_way: int,
        now: float,
    ) -> Demand:
        coming = unread = 0
        wanted, budget = waiting.failed + waiting.others, share.budget
        # Where all fits whatever lists take, nobody needs to know what they take.
        most = len(share.members) + budget.quota // 2 + budget.for_failures
        if wanted and wanted > budget.remaining(now) - most:
            until = now + budget.per_seconds
            listed = _listed(share, records)
            unread = _unread(listed)
            coming = sum(_pages_until(one, now, until, self._configured) for one in listed)
        return Demand(
            failed=waiting.failed,
            others=waiting.others,
            lists=coming,
            unread=unread,
            under_way=under_way,
        )

    def _expose(self, key: BudgetKey, budget: ReadBudget) -> None:
        def remaining() -> int:
            now = self._monotonic()
            return 0 if budget.forbidden(now) else budget.remaining(now)

        self._metrics.reads_remaining.labels(*key).set_function(remaining)
        self._metrics.reads_limit.labels(*key).set_function(lambda: budget.quota)


def _listed(share: _Share, records: Records) -> list[VaultRecord]:
    """The vaults that are asked for their lists themselves."""
    vaults = (cast("VaultRecord", records[vault_id]) for vault_id in share.members)
    return [one for one in vaults if not one.scope]


def _unread(listed: Iterable[VaultRecord]) -> int:
    """How many first lists are still to come."""
    return sum(not one.ended_once for one in listed)


def _pages(listed: Iterable[VaultRecord]) -> int:
    """How many pages one list of each has."""
    return sum(one.pages for one in listed)


def _pages_until(record: VaultRecord, now: float, until: float, interval: float) -> int:
    """How many pages its lists take until then; none of the first list, which counts by itself.

    Args:
        record: Of a vault.
        now: Monotonic seconds.
        until: The same.
        interval: Between two lists, if it was planned to be shorter.
    """
    turn = turn_of(record, JOB_LIST)
    if not record.ended_once or turn.due > until:
        return 0
    interval = max(turn.interval, interval)
    return record.pages * (1 + int((until - max(turn.due, now)) // interval))
