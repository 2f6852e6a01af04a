"""How the vaults of a subscription share its budget: turns, and who goes first."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from exporter.azure.budget import ReadBudget
from exporter.azure.gate import BudgetGate
from exporter.backup.details import Urgency
from exporter.errors import NotNowError
from exporter.metrics.selfmetrics import SelfMetrics
from tests.builders import a_vault
from tests.steering import SteeredClock

HOUR = 3600.0
VAULTS = [a_vault(name=f"vault-{number:02}") for number in range(12)]


def a_gate(clock: SteeredClock, *, requests: int = 100_000) -> BudgetGate:
    return BudgetGate(
        ReadBudget(requests, HOUR),
        vaults=VAULTS,
        interval=timedelta(minutes=5),
        clock=clock,
        metrics=SelfMetrics(),
    )


def details(number: int, *, failed: int = 0) -> Counter[Urgency]:
    return Counter({Urgency.NEWEST: number, Urgency.FAILED: failed})


def test_vaults_read_all_at_once_are_then_read_one_after_another() -> None:
    gate = a_gate(SteeredClock())

    turns = [gate.next_turn(vault, 0.0) for vault in VAULTS]
    following = [gate.next_turn(*turn) for turn in zip(VAULTS, turns, strict=True)]

    assert turns == pytest.approx([300 + 25 * number for number in range(12)])
    assert following == pytest.approx([turn + 300 for turn in turns])


def test_vaults_stay_apart_when_their_interval_gets_longer() -> None:
    clock = SteeredClock()
    gate = a_gate(clock, requests=150)
    turns = [25.0 * number for number in range(12)]

    gate.grant(details(1000), lists=75)
    following = [gate.next_turn(*turn) for turn in zip(VAULTS, turns, strict=True)]

    assert gate.interval() == 576
    assert [later - earlier for earlier, later in pairwise(following)] == pytest.approx([48] * 11)
    assert max(b - a for a, b in zip(turns, following, strict=True)) < 2 * 576


def test_no_turn_is_later_than_two_intervals() -> None:
    """One long interval, then a short one: nobody stands in line behind the long one."""
    gate = a_gate(SteeredClock(), requests=150)
    gate.grant(details(1000), lists=75)
    gate.next_turn(VAULTS[0], 10_000.0)
    gate.grant(details(0), lists=75)

    assert gate.next_turn(VAULTS[0], 0.0) == 600


def test_no_more_details_than_were_granted() -> None:
    gate = a_gate(SteeredClock(), requests=40)

    assert gate.grant(details(100), lists=20) == 10
    for _ in range(10):
        gate.permit_detail()

    with pytest.raises(NotNowError):
        gate.permit_detail()


def test_first_lists_go_before_details_but_for_some_of_failed_jobs() -> None:
    """A vault of which nothing is known may have failures that nobody sees."""
    gate = a_gate(SteeredClock(), requests=80)
    gate.unread = {vault.id for vault in VAULTS} | {str(number) for number in range(100)}

    assert gate.grant(details(50), lists=0) == 0
    assert gate.grant(details(50, failed=50), lists=0) == 10
    assert lists_permitted(gate) == 70


def lists_permitted(gate: BudgetGate) -> int:
    """How many are, now."""
    count = 0
    while True:
        try:
            gate.permit_list()
        except NotNowError:
            return count
        count += 1
