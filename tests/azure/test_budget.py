"""The read budget: never more than the limit in any interval, details and lists together."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.azure.budget import ReadBudget, effective_interval, reserved_for_lists
from exporter.backup.details import Urgency

HOUR = 3600.0
FAILED, NEWEST, RUNNING, REST = Urgency


def spent(budget: ReadBudget, count: int, now: float) -> None:
    for _ in range(count):
        assert budget.take_list(now)


def taken(
    budget: ReadBudget,
    urgency: Urgency,
    now: float,
    *,
    for_lists: int = 0,
    wanted: int = 1000,
    others: Counter[Urgency] | None = None,
) -> int:
    """How many details of this urgency a vault may read in one turn."""
    demand = Counter({urgency: wanted}) + (others or Counter())
    share = wanted
    if urgency is not FAILED:
        share = budget.share(
            Counter({urgency: wanted}),
            now,
            demand=demand,
            ahead=0,
            for_lists=for_lists,
            interval=300,
        )
    count = 0
    while count < min(share, wanted) and budget.take_detail(
        urgency, now, for_lists=for_lists, demand=demand
    ):
        count += 1
        demand[urgency] -= 1
    return count


def test_nothing_is_left_when_the_limit_is_spent_and_all_comes_back_after_an_interval() -> None:
    budget = ReadBudget(3, HOUR)
    spent(budget, 2, now=0)
    spent(budget, 1, now=100)

    assert budget.remaining(100) == 0
    assert not budget.take_list(200)
    assert budget.list_available_at(200) == HOUR
    assert budget.take_list(HOUR)
    assert budget.remaining(HOUR) == 1


@given(
    limit=st.integers(1, 20),
    for_lists=st.integers(0, 20),
    steps=st.lists(
        st.tuples(st.floats(0, 2000), st.none() | st.sampled_from(Urgency)), max_size=80
    ),
)
def test_no_window_ever_sees_more_than_the_limit(
    limit: int, for_lists: int, steps: list[tuple[float, Urgency | None]]
) -> None:
    """Wherever Azure's own window begins."""
    budget, now, reads = ReadBudget(limit, HOUR), 0.0, []
    for pause, urgency in steps:
        now += pause
        demand = Counter({urgency: 5}) if urgency else Counter()
        if (
            budget.take_list(now)
            if urgency is None
            else budget.take_detail(urgency, now, for_lists=for_lists, demand=demand)
        ):
            reads.append(now)

    for start in reads:
        assert sum(start <= at < start + HOUR for at in reads) <= limit


def test_what_fits_is_read_at_once_whatever_its_urgency() -> None:
    """A first fill within the budget does not wait."""
    for urgency in Urgency:
        assert taken(ReadBudget(150, HOUR), urgency, 0, for_lists=36, wanted=100) == 100


def test_failed_jobs_take_whatever_lists_leave() -> None:
    budget = ReadBudget(150, HOUR)

    assert taken(budget, FAILED, 0, for_lists=75) == 75
    assert taken(budget, FAILED, 1, for_lists=75) == 0
    spent(budget, 75, now=2)
    assert not budget.take_list(3)


def test_when_not_all_fits_half_goes_at_once_and_the_rest_is_spread() -> None:
    """So that reads come back evenly, and a job that fails now is read now."""
    budget = ReadBudget(150, HOUR)

    at_once = taken(budget, NEWEST, 0, for_lists=75)
    later = [taken(budget, NEWEST, minute * 60, for_lists=75) for minute in range(1, 60)]

    assert at_once == 37
    assert max(sum(later[start : start + 5]) for start in range(55)) <= 8
    assert at_once + sum(later) == 75 - 10
    assert taken(budget, FAILED, HOUR - 1, for_lists=75) == 10, "left to failures to come"


def test_a_vault_gets_twice_its_part_of_what_is_free_and_at_least_one() -> None:
    budget = ReadBudget(150, HOUR)
    others = Counter({NEWEST: 900})

    assert taken(budget, NEWEST, 0, for_lists=75, wanted=100, others=others) == 8
    assert taken(budget, NEWEST, 1, for_lists=75, wanted=1, others=others) == 1


def test_who_waits_longer_goes_first() -> None:
    """Without it, vaults whose turn never falls on a read that comes back would starve."""
    budget = ReadBudget(100, HOUR)
    wanted = Counter({NEWEST: 1})
    demand = Counter({NEWEST: 1000})

    def share(ahead: int) -> int:
        return budget.share(wanted, 0, demand=demand, ahead=ahead, for_lists=50, interval=300)

    free = 25
    assert share(ahead=free - 1) == 1
    assert share(ahead=free) == 0


def test_what_is_less_urgent_waits_for_what_others_need_more() -> None:
    """The vaults of a subscription share the budget."""
    others = Counter({NEWEST: 40, FAILED: 10})

    assert taken(ReadBudget(100, HOUR), RUNNING, 0, for_lists=50, others=others, wanted=9) == 0
    assert taken(ReadBudget(100, HOUR), NEWEST, 0, for_lists=50, others=others, wanted=9) > 0
    failures = Counter({FAILED: 46})
    assert taken(ReadBudget(100, HOUR), NEWEST, 0, for_lists=50, others=failures, wanted=9) == 0


def test_after_a_429_nothing_until_azure_says_and_then_a_new_window() -> None:
    """After a wait of 328 s the counter stood at 134 of 150 (FACTS 10)."""
    budget = ReadBudget(450, HOUR)
    spent(budget, 200, now=0)

    budget.throttled(10, retry_after=324, limit=150, per=HOUR)

    assert budget.list_available_at(20) == 334
    assert taken(budget, FAILED, 20) == 0
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


@pytest.mark.parametrize(
    ("vaults", "configured", "reserved"), [(3, 300, 36), (12, 300, 75), (1, 1, 75)]
)
def test_lists_are_left_what_they_need_but_at_most_half(
    vaults: int, configured: float, reserved: int
) -> None:
    assert reserved_for_lists(configured, vaults, ReadBudget(150, HOUR)) == reserved


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
