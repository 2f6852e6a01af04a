"""The read budget: never more than the limit in any interval, details and lists together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.azure.budget import ReadBudget, effective_interval
from exporter.azure.room import Demand

HOUR = 3600.0
BACK = HOUR + 1
"""A read comes back so long after it was spent."""


def spent(budget: ReadBudget, count: int, now: float) -> None:
    for _ in range(count):
        assert budget.take_list(now)


def taken(
    budget: ReadBudget, now: float, *, failed: int = 0, others: int = 0, for_lists: int = 0
) -> int:
    """How many details may be read now, of so many that wait."""
    demand = Demand(failed=failed, others=others, unread=for_lists)
    count = budget.room(demand, now).details
    for number in range(count):
        assert budget.take_detail(now, failed=number < failed)
    return count


def test_nothing_is_left_when_the_limit_is_spent_and_all_comes_back_after_an_interval() -> None:
    budget = ReadBudget(3, HOUR)
    spent(budget, 2, now=0)
    spent(budget, 1, now=100)

    assert budget.remaining(100) == 0
    assert not budget.take_list(200)
    assert budget.list_available_at(200) == BACK
    assert not budget.take_list(HOUR), "Azure counts whole seconds"
    assert budget.take_list(BACK)
    assert budget.remaining(BACK) == 1


@given(
    limit=st.integers(1, 20),
    for_lists=st.integers(0, 20),
    steps=st.lists(
        st.tuples(st.floats(0, 2000), st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9))),
        max_size=80,
    ),
)
def test_no_window_ever_sees_more_than_the_limit(
    limit: int, for_lists: int, steps: list[tuple[float, tuple[int, int] | None]]
) -> None:
    """Wherever Azure's own window begins."""
    budget, now = ReadBudget(limit, HOUR), 0.0
    reads: list[float] = []
    for pause, details in steps:
        now += pause
        if details:
            failed, others = details
            count = taken(budget, now, failed=failed, others=others, for_lists=for_lists)
        else:
            count = budget.take_list(now)
        reads += [now] * count

    for start in reads:
        assert sum(start <= at < start + HOUR for at in reads) <= limit


def test_what_fits_is_read_at_once() -> None:
    """A first fill within the budget does not wait."""
    assert taken(ReadBudget(150, HOUR), 0, others=100, for_lists=36) == 100


def test_failed_jobs_take_whatever_lists_leave() -> None:
    budget = ReadBudget(150, HOUR)

    assert taken(budget, 0, failed=80, for_lists=75) == 75
    assert taken(budget, 1, failed=80, for_lists=75) == 0
    spent(budget, 75, now=2)
    assert not budget.take_list(3)
    assert not budget.take_detail(3, failed=True)


def test_when_not_all_fits_half_goes_at_once_and_the_rest_is_spread() -> None:
    """So that reads come back evenly, and a job that fails now is read now."""
    budget = ReadBudget(150, HOUR)

    at_once = taken(budget, 0, others=1000, for_lists=75)
    later = [taken(budget, minute * 60, others=1000, for_lists=75) for minute in range(1, 60)]

    assert at_once == 37
    assert max(sum(later[start : start + 5]) for start in range(55)) <= 11
    assert at_once + sum(later) == 75 - 7
    assert taken(budget, HOUR - 1, failed=80, for_lists=75) == 7, "left to failures to come"


def test_others_wait_while_failed_jobs_need_all() -> None:
    budget = ReadBudget(100, HOUR)

    assert taken(budget, 0, failed=46, others=9, for_lists=50) == 46
    assert taken(budget, 0, failed=0, others=9, for_lists=50) == 0


def test_lists_may_be_held_to_a_part() -> None:
    """While details of failed jobs wait: lists that come up all the time must not take all."""
    budget = ReadBudget(100, HOUR)
    spent(budget, 30, now=0)
    spent(budget, 20, now=60)

    assert budget.take_list(100)
    assert budget.list_available_at(100, 51) == BACK
    assert budget.list_available_at(100, 21) == BACK + 60
    assert not budget.take_list(BACK, 21)
    assert budget.take_list(BACK, 22)


def test_after_a_429_nothing_until_azure_says_and_then_a_new_window() -> None:
    """After a wait of 328 s the counter stood at 134 of 150 (FACTS 10)."""
    budget = ReadBudget(450, HOUR)
    spent(budget, 200, now=0)

    budget.throttled(10, retry_after=324, limit=150, per=HOUR)

    assert budget.list_available_at(20) == 334
    assert taken(budget, 20, failed=1) == 0
    assert budget.limit == 150
    assert budget.remaining(334) == 150
    assert budget.take_list(334)


def test_a_429_that_names_no_limit_only_waits() -> None:
    budget = ReadBudget(150, HOUR)

    budget.throttled(0, retry_after=60, limit=None, per=None)

    assert budget.limit == 150
    assert not budget.take_list(59)
    assert budget.take_list(60)


def test_a_higher_counter_raises_the_limit() -> None:
    """It has started from 300 and 450 (FACTS 10)."""
    budget = ReadBudget(150, HOUR)

    budget.hint(449, now=0)

    assert budget.limit == 450


def test_a_lower_counter_says_that_others_read_too_and_that_fades() -> None:
    budget = ReadBudget(100, HOUR)
    spent(budget, 10, now=0)

    budget.hint(20, now=0)

    assert budget.remaining(0) == 20
    assert budget.remaining(HOUR / 10) == 30


@pytest.mark.parametrize("counter", [0, -1])
def test_an_empty_counter_is_a_hint_that_never_blocks_for_long(counter: int) -> None:
    """-1 was seen on answers that are fine (FACTS 10)."""
    budget = ReadBudget(150, HOUR)

    budget.hint(counter, now=0)

    assert budget.remaining(0) == 0
    assert 0 < budget.list_available_at(0) <= 24
    assert budget.take_list(25)


@pytest.mark.parametrize(
    ("vaults", "taken", "details_wait", "interval"),
    [
        (12, 0, False, 300),
        (12, 75, False, 300),
        (12, 0, True, 576),
        (3, 0, True, 300),
        (30, 75, False, 300),
        (30, 150, False, 720),
        (30, 0, True, 1440),
    ],
)
def test_the_interval_is_stretched_as_the_budget_runs_out(
    vaults: int, taken: int, details_wait: bool, interval: float
) -> None:
    budget = ReadBudget(150, HOUR)
    spent(budget, taken, now=0)

    effective = effective_interval(300, vaults, budget, 0, details_wait=details_wait)

    assert effective == pytest.approx(interval)


def test_where_not_even_each_first_list_fits_the_others_come_at_the_pace_of_half() -> None:
    """Else they would take what vaults wait for of which nothing is known."""
    budget = ReadBudget(150, HOUR)

    effective = effective_interval(300, 300, budget, 0, details_wait=False, unread=299)

    assert effective == 2 * 2 * HOUR


def test_a_shard_spends_its_part_whatever_limit_is_learnt() -> None:
    """Shards are one principal to Azure: their reads are counted together."""
    budget = ReadBudget(150, HOUR)
    budget.part = 0.25
    assert budget.remaining(0) == 37

    budget.throttled(0, 10, 300, None)
    assert budget.remaining(20) == 75

    budget.hint(449, 30)
    assert budget.remaining(30) == 112


def test_what_other_shards_spend_takes_nothing_of_our_part() -> None:
    """The header counts all of them; only when less is left than is ours does it bind."""
    budget = ReadBudget(100, HOUR)
    budget.part = 0.5

    budget.hint(60, 0)
    assert budget.remaining(0) == 50
    budget.hint(20, 0)
    assert budget.remaining(0) == 20


def test_the_smallest_part_is_one_read() -> None:
    budget = ReadBudget(10, HOUR)
    budget.part = 0.01

    assert budget.take_list(0)
    assert not budget.take_list(0)
