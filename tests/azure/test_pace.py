"""How often a job is looked at: as wanted, but never so that others find no read."""

from __future__ import annotations

from datetime import timedelta

from exporter.azure.budget import ReadBudget
from exporter.azure.pace import seconds_to_next_look

WANTED = timedelta(seconds=15)


def test_as_wanted_while_half_of_the_budget_is_left() -> None:
    assert seconds_to_next_look(WANTED, None, ReadBudget(150, 3600), 0) == 15


def test_azure_may_ask_for_longer_not_for_shorter() -> None:
    budget = ReadBudget(150, 3600)

    assert seconds_to_next_look(WANTED, timedelta(seconds=60), budget, 0) == 60
    assert seconds_to_next_look(WANTED, timedelta(seconds=1), budget, 0) == 15


def test_what_is_left_lasts_for_an_interval() -> None:
    budget = ReadBudget(150, 3600)
    budget.hint(36, now=0)
    budget.limit = 150

    assert seconds_to_next_look(WANTED, None, budget, 0) == 100


def test_a_week_of_looks_stays_below_the_limit() -> None:
    budget = ReadBudget(150, 3600)
    now, looks = 0.0, 0
    while now < 3600:
        assert budget.take_list(now)
        looks += 1
        now += seconds_to_next_look(WANTED, None, budget, now)

    assert looks <= 140


def test_after_a_429_it_waits_as_long_as_azure_says() -> None:
    budget = ReadBudget(150, 3600)
    budget.throttled(0, 324, 150, 3600)

    assert seconds_to_next_look(WANTED, None, budget, 0) == 324
