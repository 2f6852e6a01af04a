"""The read budget: never more than the limit in any interval, details and lists together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.azure.budget import Read, ReadBudget, effective_interval, reserved_for_lists

HOUR = 3600.0


def spent(budget: ReadBudget, count: int, now: float, read: Read = Read.LIST) -> None:
    for _ in range(count):
        assert budget.take(read, now)


def test_nothing_is_left_when_the_limit_is_spent_and_all_comes_back_after_an_interval() -> None:
    budget = ReadBudget(3, HOUR)
    spent(budget, 2, now=0)
    spent(budget, 1, now=100)

    assert budget.remaining(100) == 0
    assert not budget.take(Read.LIST, 200)
    assert budget.available_at(Read.LIST, 200) == HOUR
    assert budget.take(Read.LIST, HOUR)
    assert budget.remaining(HOUR) == 1


@given(
    limit=st.integers(1, 20),
    steps=st.lists(st.tuples(st.floats(0, 2000), st.sampled_from(list(Read))), max_size=80),
)
def test_no_window_ever_sees_more_than_the_limit(
    limit: int, steps: list[tuple[float, Read]]
) -> None:
    """Wherever Azure's own window begins."""
    budget, now, taken = ReadBudget(limit, HOUR), 0.0, []
    for pause, read in steps:
        now += pause
        if budget.take(read, now):
            taken.append(now)

    for start in taken:
        assert sum(start <= at < start + HOUR for at in taken) <= limit


def test_details_leave_lists_what_is_reserved() -> None:
    budget = ReadBudget(10, HOUR)

    details = sum(budget.take(Read.DETAIL, 0, reserved_for_lists=4) for _ in range(20))

    assert details == 6
    assert budget.available_at(Read.DETAIL, 0, reserved_for_lists=4) == HOUR
    spent(budget, 4, now=1)
    assert not budget.take(Read.LIST, 2)


def test_after_a_429_nothing_until_azure_says_and_its_limit_is_the_limit() -> None:
    budget = ReadBudget(450, HOUR)
    spent(budget, 200, now=0)

    budget.throttled(10, retry_after=324, limit=150, per=HOUR)

    assert budget.available_at(Read.LIST, 20) >= 334
    assert budget.limit == 150
    assert not budget.take(Read.LIST, 335), "200 were spent of what are now 150"


def test_a_429_that_names_no_limit_only_waits() -> None:
    budget = ReadBudget(150, HOUR)

    budget.throttled(0, retry_after=60, limit=None, per=None)

    assert budget.limit == 150
    assert not budget.take(Read.LIST, 59)
    assert budget.take(Read.LIST, 60)


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
    assert 0 < budget.available_at(Read.LIST, 0) <= 24
    assert budget.take(Read.LIST, 25)


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
