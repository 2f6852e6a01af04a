"""How the vaults of a subscription share its budget: turns, demand, and what answers say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from exporter.azure.backup_jobs import JobListPage
from exporter.azure.budget import ReadBudget
from exporter.azure.error_body import Throttling
from exporter.azure.session import ThrottledError
from exporter.config import parse_config
from exporter.errors import ArmError, ErrorKind
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.refresh.budgets import Budgets, Waiting
from exporter.refresh.fetch import Answer, Cost, Fetch, FetchId, Request
from exporter.refresh.records import NEVER, Moment, Turn, VaultRecord
from tests.builders import a_vault

if TYPE_CHECKING:
    from exporter.refresh.records import Record

HOUR = 3600.0
NONE = Waiting(0, 0)
MANY = Waiting(0, 1000)


class Shared:
    """Vaults of one budget."""

    def __init__(self, *, vaults: int = 12, requests: int = 150, read: bool = True) -> None:
        self.metrics = SelfMetrics()
        self.now = 0.0
        config = parse_config(
            f"azure: {{read_budget: {{requests: {requests}, per: 1h}}}}\n"
            f"vaults: [{{id: {a_vault().path}}}]",
            {},
            source="test",
        )
        self.budgets = Budgets(config, self.metrics, lambda: self.now, {})
        up = True if read else None
        self.records: dict[str, Record] = {}
        for number in range(vaults):
            vault = a_vault(name=f"vault-{number:03}")
            turns = {"job_list": Turn(due=300.0, began=0.0, interval=300.0)} if read else {}
            record = VaultRecord(
                vault=vault, appeared=0.0, recalled=True, ended_once=read, up=up, turns=turns
            )
            self.records[vault.id] = record
        [self.key] = {one.budget for one in self.vaults}
        self.budgets.share({self.key: self.records}, {self.key: vaults})

    @property
    def vaults(self) -> list[VaultRecord]:
        return [one for one in self.records.values() if isinstance(one, VaultRecord)]

    @property
    def budget(self) -> ReadBudget:
        return self.budgets.known[self.key]

    def change(self, number: int, **changes: Any) -> None:
        record = self.vaults[number]
        self.records[record.vault.id] = replace(record, **changes)

    def next_lists(self, began: list[float], waiting: Waiting, now: float = 0.0) -> list[float]:
        return [
            self.budgets.next_list(record, at, self.records, waiting, now)
            for record, at in zip(self.vaults, began, strict=True)
        ]

    def request(self, *, detail: bool = False) -> Request:
        cost = Cost.DETAIL if detail else Cost.LIST
        fetch = Fetch(1, NEVER, FetchId("x", self.vaults[0].vault.id), cost, self.key)
        self.budgets.spend(fetch, self.now)
        moment = Moment(datetime(2026, 3, 10, tzinfo=UTC), self.now)
        return Request(fetch, None, moment, self.now + 60)

    def answer(self, *, under_way: int = 0, **answer: Any) -> None:
        self.budgets.answered(Answer(self.request(), **answer), under_way, self.now)

    def own(self, name: str) -> float | None:
        subscription, region = self.key
        labels = {"subscription_id": subscription, "location": region}
        return self.metrics.registry.get_sample_value(f"azure_backup_exporter_{name}", labels)


def a_429(seconds: float, limit: int | None = None) -> ThrottledError:
    said = Throttling(timedelta(seconds=seconds), limit, None)
    return ThrottledError("too many", said, {})


def test_while_all_fits_each_vault_is_listed_every_interval() -> None:
    assert Shared(requests=100_000).next_lists([0.0] * 12, NONE) == [300.0] * 12


def test_while_details_wait_lists_take_half_and_come_up_one_after_the_other() -> None:
    shared = Shared()
    first = shared.next_lists([0.0] * 12, MANY)
    second = shared.next_lists(first, MANY)

    assert first[0] == 576
    gaps = [b - a for a, b in pairwise(first)]
    assert sum(gap == pytest.approx(48) for gap in gaps) >= 9
    intervals = [b - a for a, b in zip(first, second, strict=True)]
    assert max(intervals) < 1.2 * 576


def test_no_turn_is_later_than_two_intervals() -> None:
    """One long interval, then a short one: nobody stands in line behind the long one."""
    shared = Shared(vaults=40)
    shared.next_lists([10_000.0] * 40, MANY)

    assert max(shared.next_lists([0.0] * 40, MANY)) <= 2 * 1920


def test_pages_count_and_not_vaults() -> None:
    """One long list makes the interval of all longer, and what is said is what happens."""
    shared = Shared()
    shared.change(0, pages=13)

    assert shared.next_lists([0.0] * 12, MANY)[0] == pytest.approx(2 * 24 * HOUR / 150)


def test_first_lists_go_before_details_but_for_some_of_failed_jobs() -> None:
    """A vault of which nothing is known may have failures that nobody sees."""
    shared = Shared(vaults=112, requests=80, read=False)
    shared.answer(value=JobListPage([], 0, None, None))

    def room(waiting: Waiting) -> tuple[int, int]:
        found = shared.budgets.room(shared.key, shared.records, waiting, 0, 0.0)
        return found.lists, found.details

    assert room(Waiting(0, 50)) == (79, 0)
    assert room(Waiting(50, 0)) == (74, 5)


def test_where_nobody_knows_what_is_left_one_read_is_started_at_a_time() -> None:
    """At the start and after a 429: else each of eight meets a 429 of its own."""
    shared = Shared()

    def starts(under_way: int, now: float) -> int:
        return shared.budgets.room(shared.key, shared.records, NONE, under_way, now).starts

    assert starts(0, 0.0) == 1
    asked = shared.request()
    assert starts(1, 0.5) == 0
    assert starts(1, 1.0) == 1, "a read that hangs must not stop the others"

    shared.budgets.answered(Answer(asked, JobListPage([], 0, None, None)), 0, 1.0)
    assert starts(0, 1.0) == 149

    shared.answer(fault=a_429(60))
    assert starts(0, 30.0) == 0
    assert starts(0, 61.0) == 1


def test_a_429_forbids_all_until_a_second_after_what_azure_says() -> None:
    shared = Shared()
    shared.answer(fault=a_429(324, limit=50))

    assert shared.own("api_reads_remaining") == 0
    assert shared.own("api_reads_limit") == 50
    assert shared.budgets.available_at(shared.key, 0.0) == 325
    shared.now = 325.0
    assert shared.own("api_reads_remaining") == 50


def test_what_is_under_way_is_not_left_whatever_the_header_says() -> None:
    """It was counted by Azure after that answer."""
    shared = Shared()
    shared.answer(under_way=7, value=JobListPage([], 0, None, 17))

    assert shared.own("api_reads_remaining") == 10


def test_a_read_that_was_not_sent_is_given_back() -> None:
    shared = Shared()
    shared.now = 5.0
    no_token = ArmError(ErrorKind.UNAUTHORIZED, "no token")
    no_token.sent = False
    shared.answer(fault=no_token)
    assert shared.own("api_reads_remaining") == 150

    refused = shared.request(detail=True)
    shared.budgets.answered(Answer(refused, fault=no_token), 0, 5.0)
    assert shared.own("api_reads_remaining") == 150
    shared.answer(fault=ArmError(ErrorKind.FORBIDDEN, "no"))
    assert shared.own("api_reads_remaining") == 149


def test_a_region_that_becomes_known_has_all_that_was_counted_and_only_its_own_wait() -> None:
    shared = Shared(read=False)
    subscription = shared.key[0]
    unknown, here, there = (subscription, ""), (subscription, "here"), (subscription, "there")
    ids = [one.vault.id for one in shared.vaults]
    shared.budgets.share({unknown: ids}, {unknown: 12})
    shared.key = unknown
    shared.answer(value=JobListPage([], 0, None, 449))
    for _ in range(9):
        shared.request()

    shared.budgets.share({unknown: ids[1:], here: ids[:1]}, {unknown: 11, here: 12})
    shared.request()
    shared.budgets.share({here: ids[:6], there: ids[6:]}, {here: 12, there: 6})

    known = shared.budgets.known
    assert known[here].limit == known[there].limit == 450
    assert known[here].remaining(0) == 225 - 11, "other shards have half"
    assert known[there].remaining(0) == 450 - 11

    shared.key = unknown
    shared.budgets.share({unknown: ids}, {unknown: 12})
    shared.answer(fault=a_429(3600))
    shared.budgets.share({here: ids[:6], there: ids[6:]}, {here: 6, there: 6}, {here})
    assert known[here].forbidden(0)
    assert not known[there].forbidden(0)


def test_an_answer_about_a_budget_that_is_gone_is_nobody_s() -> None:
    shared = Shared()
    request = shared.request()
    shared.budgets.share({}, {})

    shared.budgets.answered(Answer(request, fault=a_429(60)), 0, 0.0)

    assert shared.own("api_reads_remaining") is None
