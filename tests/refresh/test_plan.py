"""The plan: which fetches start, as tables of what is wanted, allowed and under way."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.azure.room import Room
from exporter.backup.details import Urgency
from exporter.refresh.fetch import Cost, Fetch, FetchId, Request
from exporter.refresh.plan import Busy, Plan, plan
from exporter.refresh.records import NEVER, Moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.refresh.records import BudgetKey

FAILED, NEWEST, RUNNING, REST = Urgency
KEY = ("subscription", "westeurope")
OTHER = ("subscription", "northeurope")
NOW = 1000.0
PLENTY = Room(starts=100, lists=100, details=100, look_at=NOW)


def a_list(
    vault: str, due: float = NEVER, *, suspect: bool = False, budget: BudgetKey = KEY
) -> Fetch:
    return Fetch(0, due, FetchId("job_list", vault), Cost.LIST, budget, suspect)


def a_search(name: str) -> Fetch:
    return Fetch(0, NEVER, FetchId("vaults", name), suspect=True)


def details(vault: str, *urgencies: Urgency, due: float = NEVER) -> list[Fetch]:
    return [
        Fetch(urgency, due, FetchId("job_detail", vault, f"{vault}{n}"), Cost.DETAIL, KEY)
        for n, urgency in enumerate(urgencies)
    ]


def planned(
    *lists: Fetch,
    waiting: Mapping[str, list[Fetch]] | None = None,
    room: Room = PLENTY,
    workers: int = 8,
    under_way: Iterable[tuple[Fetch, float]] = (),
    served: Mapping[str, float] | None = None,
) -> Plan:
    """The plan; ``under_way`` names fetches and when they were started."""
    wall = datetime(2026, 3, 10, tzinfo=UTC)
    requests = {one.id: Request(one, None, Moment(wall, at), NOW + 60) for one, at in under_way}
    return plan(lists, waiting or {}, lambda _: room, Busy(workers, requests, served or {}), NOW)


def started(found: Plan) -> list[str]:
    return [one.id.about or one.id.subject for one in found.start]


def test_who_has_been_due_longest_goes_first_and_never_tried_before_that() -> None:
    lists = [a_list("late", 900), a_list("tried", 990), a_list("never"), a_list("not yet", 1001)]

    found = planned(*lists, workers=4)

    assert started(found) == ["never", "late", "tried"]
    assert found.due_at == 1001


def test_failed_jobs_of_any_vault_come_first() -> None:
    waiting = {
        "a": details("a", NEWEST, NEWEST, REST),
        "b": details("b", FAILED, NEWEST),
        "c": details("c", FAILED, FAILED),
    }

    assert started(planned(waiting=waiting, workers=4)) == ["b0", "c0", "c1"]


def test_of_equal_ones_each_vault_has_one_in_turn() -> None:
    waiting = {"large": details("large", *[NEWEST] * 4), "small": details("small", NEWEST, NEWEST)}

    found = started(planned(waiting=waiting, workers=7))

    assert found == ["large0", "small0", "large1", "small1", "large2"]


def test_who_has_waited_longest_begins() -> None:
    waiting = {"served": details("served", NEWEST), "waits": details("waits", NEWEST)}

    found = planned(waiting=waiting, workers=2, served={"served": 9.0, "waits": 1.0})

    assert started(found) == ["waits0"]


def test_lists_go_before_details_and_details_leave_them_a_quarter() -> None:
    waiting = {name: details(name, *[FAILED] * 3) for name in "abcd"}

    assert len(planned(waiting=waiting).start) == 6
    found = started(planned(a_list("x"), a_list("y"), a_list("z"), waiting=waiting))
    assert found[:3] == ["x", "y", "z"]
    assert len(found) == 8


def test_a_vault_never_holds_more_than_half_of_the_workers() -> None:
    waiting = {"a": details("a", *[FAILED] * 8)}
    [hanging, *_] = waiting["a"]

    assert len(planned(waiting=waiting).start) == 4
    assert len(planned(waiting=waiting, under_way=[(hanging, NOW - 60)]).start) == 3


def test_what_may_hang_holds_no_more_than_half_together() -> None:
    suspects = [a_list(str(n), suspect=True) for n in range(8)]

    assert len(planned(*suspects).start) == 4
    slow = [(a_list(f"slow{n}"), NOW - 3) for n in range(3)]
    found = started(planned(*suspects, a_list("well"), under_way=slow))
    assert found == ["0", "well"]


def test_what_spends_no_budget_may_take_minutes_and_holds_half_at_most() -> None:
    searches = [a_search(str(n)) for n in range(8)]

    assert len(planned(*searches).start) == 4
    assert "x" in started(planned(*searches, a_list("x")))


def test_what_is_under_way_is_not_started_again_whatever_its_urgency_is_now() -> None:
    one = a_list("a", 900)

    assert planned(a_list("a", 950), under_way=[(one, NOW)]).start == []


def test_no_more_starts_than_the_budget_allows() -> None:
    lists = [a_list(name) for name in "abc"]
    waiting = {"d": details("d", FAILED, NEWEST)}
    room = Room(starts=3, lists=2, details=2, look_at=NOW + 24)

    found = planned(*lists, waiting=waiting, room=room)

    assert started(found) == ["a", "b", "d0"]
    assert found.room_at == NOW + 24
    assert not found.held, "the next one waits for no more than this one"


def test_a_budget_that_allows_no_detail_is_named() -> None:
    room = Room(starts=0, lists=0, details=0, look_at=NOW + 24)

    found = planned(waiting={"a": details("a", RUNNING)}, room=room)

    assert found.held == {KEY}
    assert found.room_at == NOW + 24


def test_one_budget_does_not_hold_up_another() -> None:
    spent = Room(starts=0, lists=0, details=0, look_at=NOW + 3600)
    lists = [a_list(str(n)) for n in range(20)]
    other = a_list("other", 999, budget=OTHER)

    rooms = {KEY: spent, OTHER: PLENTY}
    found = plan([*lists, other], {}, rooms.__getitem__, Busy(2, {}, {}), NOW)

    assert started(found) == ["other"]


def test_a_detail_that_failed_is_started_when_its_time_has_come() -> None:
    early, late = details("a", NEWEST, due=NOW + 5), details("b", NEWEST, due=NOW)

    found = planned(waiting={"a": early, "b": late})

    assert started(found) == ["b0"]
    assert found.due_at == NOW + 5


def test_with_nothing_to_do_it_is_not_looked_at_again() -> None:
    found = planned()

    assert found == Plan([], math.inf, math.inf, frozenset())


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_single_worker_reads_details_too(workers: int) -> None:
    assert planned(waiting={"a": details("a", REST)}, workers=workers).start


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 2000), st.booleans()), max_size=12),
    st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from(Urgency), max_size=6)),
    st.integers(1, 9),
    st.integers(0, 9),
)
def test_no_plan_breaks_a_limit(
    lists: list[tuple[str, float, bool]],
    waiting: dict[str, list[Urgency]],
    workers: int,
    starts: int,
) -> None:
    room = Room(starts=starts, lists=5, details=4, look_at=NOW + 1)
    wanted = {name: a_list(name, due, suspect=suspect) for name, due, suspect in lists}
    found = planned(
        *wanted.values(),
        waiting={name: details(name, *sorted(urgencies)) for name, urgencies in waiting.items()},
        room=room,
        workers=workers,
    )

    ids = [one.id for one in found.start]
    assert len(ids) == len(set(ids)) <= min(workers, starts)
    assert all(one.due <= NOW for one in found.start)
    assert sum(one.cost is Cost.DETAIL for one in found.start) <= 4
    half = max(1, workers // 2)
    subjects = [one.id.subject for one in found.start]
    assert all(subjects.count(name) <= half for name in subjects)
    assert sum(one.suspect for one in found.start) <= half
