"""Which time it is, by Azure and by a machine that may be wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.clock import AzureClock
from tests.builders import NOW
from tests.steering import SteeredClock

DAYS = st.floats(-20_000, 20_000).map(lambda days: timedelta(days=days))


def a_clock(**wrong: float) -> tuple[SteeredClock, AzureClock]:
    machine = SteeredClock()
    machine.wrong = timedelta(**wrong)
    return machine, AzureClock(machine)


def test_without_azure_the_machines_clock_counts() -> None:
    machine, clock = a_clock(hours=3)
    machine.advance(hours=1)
    machine.wrong = timedelta(hours=2)

    assert clock.now() == NOW + timedelta(hours=3)


@pytest.mark.parametrize("hours", [-23, -2, 2, 23])
def test_azures_date_counts_and_time_goes_on_from_it(hours: float) -> None:
    machine, clock = a_clock(hours=hours)
    clock.heard(NOW)
    machine.advance(minutes=5)
    machine.wrong = timedelta(days=40)

    assert clock.now() == NOW + timedelta(minutes=5)


def test_a_date_that_was_on_its_way_for_seconds_sets_nothing_back() -> None:
    """Windows of lists would jump to and fro."""
    _, clock = a_clock()
    for _ in range(10):
        before = clock.now()
        clock.heard(NOW - timedelta(seconds=2))
        assert clock.now() >= before


@pytest.mark.parametrize("days", [-400, -40, 40, 400])
def test_a_clock_far_off_and_azure_the_earlier_counts_until_a_second_answer(days: float) -> None:
    """One of them is wrong, and what is forgotten by a time too late is lost for good."""
    machine, clock = a_clock(days=days)
    clock.heard(NOW)
    assert clock.now() == min(NOW, NOW + timedelta(days=days))

    machine.advance(seconds=30)
    clock.heard(machine.wall())
    assert clock.now() == machine.wall()


@pytest.mark.parametrize("days", [-40, 40])
def test_one_answer_with_a_date_far_off_forgets_nothing(days: float) -> None:
    machine, clock = a_clock()
    clock.heard(NOW)
    clock.heard(NOW + timedelta(days=days))
    assert clock.now() <= NOW

    clock.heard(NOW)
    machine.advance(seconds=1)
    assert clock.now() == NOW + timedelta(seconds=1)


def test_without_azure_a_jump_of_weeks_is_not_believed() -> None:
    machine, clock = a_clock()
    machine.advance(minutes=5)
    assert clock.now() == NOW + timedelta(minutes=5)

    machine.wrong = timedelta(days=40)
    machine.advance(seconds=4)
    assert clock.now() == NOW + timedelta(minutes=5, seconds=4)

    machine.wrong = timedelta()
    assert clock.now() == NOW + timedelta(minutes=5, seconds=4)


@given(DAYS, st.lists(DAYS, max_size=5))
def test_two_answers_that_agree_are_believed_whatever_was_before(
    wrong: timedelta, dates: list[timedelta]
) -> None:
    machine = SteeredClock()
    machine.wrong = wrong
    clock = AzureClock(machine)
    for date in dates:
        clock.heard(NOW + date)
    for _ in range(2):
        clock.heard(NOW)

    assert abs(clock.now() - NOW) <= timedelta(seconds=5)
