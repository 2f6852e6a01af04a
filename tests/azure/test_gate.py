"""How the vaults of a subscription share its budget: turns, and who goes first."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from exporter.azure.budget import ReadBudget
from exporter.azure.gate import BudgetGate
from exporter.backup.details import Urgency
from exporter.errors import NotNowError
from exporter.metrics.selfmetrics import SelfMetrics
from tests.builders import a_vault
from tests.steering import SteeredClock

if TYPE_CHECKING:
    from exporter.backup.model import Vault

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


def test_vaults_read_all_at_once_are_then_read_one_after_another() -> None:
    gate = a_gate(SteeredClock())

    turns = [gate.next_turn(0.0) for _ in VAULTS]
    following = [gate.next_turn(turn) for turn in turns]

    assert turns == pytest.approx([300 + 25 * number for number in range(12)])
    assert following == pytest.approx([turn + 300 for turn in turns])


def test_vaults_stay_apart_when_their_interval_gets_longer() -> None:
    clock = SteeredClock()
    gate = a_gate(clock, requests=150)
    turns = [25.0 * number for number in range(12)]

    gate.details_wait(VAULTS[0], wait=True)
    following = [gate.next_turn(turn) for turn in turns]

    assert gate.interval() == 576
    assert [later - earlier for earlier, later in pairwise(following)] == pytest.approx([48] * 11)
    assert max(b - a for a, b in zip(turns, following, strict=True)) < 2 * 576


def test_no_turn_is_later_than_two_intervals() -> None:
    """One long interval, then a short one: nobody stands in line behind the long one."""
    gate = a_gate(SteeredClock(), requests=150)
    for vault in VAULTS:
        gate.details_wait(vault, wait=True)
    gate.next_turn(10_000.0)
    for vault in VAULTS:
        gate.details_wait(vault, wait=False)

    assert gate.next_turn(0.0) == 600


def test_a_vault_whose_turn_never_finds_a_read_goes_before_those_that_did() -> None:
    """Reads come back an hour after they were spent, so turns can meet them always or never."""
    clock = SteeredClock()
    gate = a_gate(clock, requests=4)
    lucky, unlucky = VAULTS[:2]

    def reads_one(vault: Vault) -> bool:
        gate.want(vault, Counter({Urgency.NEWEST: 50}))
        try:
            gate.permit_detail(vault, Urgency.NEWEST)
        except NotNowError:
            return False
        return True

    assert [reads_one(lucky), reads_one(unlucky)] == [True, False]
    clock.advance(minutes=30)
    assert [reads_one(unlucky), reads_one(lucky)] == [True, False]
    clock.advance(minutes=30)
    assert [reads_one(unlucky), reads_one(lucky)] == [False, True]
