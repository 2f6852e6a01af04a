"""The first fill: how long it will take, and what is said of it meanwhile."""

from __future__ import annotations

import pytest

from benchmarks.first_fill import Fill, simulate_fill
from exporter.metrics.fill import FillProgress
from exporter.simulator import HttpError, sized_fleet
from tests.builders import NOW
from tests.steering import steered

HOUR = 3600.0


def test_time_left_runs_down_and_not_below_zero() -> None:
    progress = FillProgress(vaults=2, ends_at=100.0)

    assert [progress.seconds_left(now) for now in (40.0, 100.0, 140.0)] == [60.0, 0.0, 0.0]
    assert FillProgress(vaults=2).seconds_left(0.0) is None
    assert FillProgress(vaults=2, done=True).seconds_left(0.0) == 0.0


def test_that_there_is_no_end_is_known_only_once_all_is_read() -> None:
    assert FillProgress(vaults=2, read=2).endless
    assert not FillProgress(vaults=2, read=1).endless
    assert not FillProgress(vaults=2, read=2, ends_at=9.0).endless
    assert not FillProgress(vaults=2, read=2, done=True).endless


def test_a_small_estate_is_done_with_its_first_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = sized_fleet(vaults=3, jobs=60, anchor=NOW)
    with steered(monkeypatch, fleet) as stage:
        stage.configure()
        assert stage.own("initial_vaults_read") == 0
        assert stage.own("initial_estimated_remaining_seconds") is None

        stage.refresh()

        assert stage.own("initial_vaults") == 3
        assert stage.own("initial_vaults_read") == 3
        assert stage.own("initial_estimated_remaining_seconds") == 0


def test_a_vault_that_is_down_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a right that is missing would look like a fill without end."""
    fleet = sized_fleet(vaults=3, jobs=60, anchor=NOW)
    with steered(monkeypatch, fleet) as stage:
        [first, *_] = stage.simulator.vault_ids
        stage.simulator.inject(HttpError("forbidden"), vault_id=first)

        stage.refresh()

        assert stage.own("initial_vaults_read") == 3
        assert stage.own("initial_estimated_remaining_seconds") == 0


@pytest.fixture(scope="module")
def fill() -> Fill:
    """40 vaults with 320 items at 150 reads an hour."""
    return simulate_fill(40, 320, 150)


def test_a_fill_of_many_hours_is_told_in_few_lines(fill: Fill) -> None:
    """About one at each tenth and hour, and none for each of a thousand reads."""
    *lines, last = fill.lines

    assert 3 <= len(lines) <= 11 + fill.took / HOUR
    assert all("of 40 vaults read" in line for line in lines)
    assert all("left under the read budget" in line for line in lines)
    assert last == "first fill done"


def test_the_budget_is_used_while_details_wait(fill: Fill) -> None:
    assert fill.throttled == 0
    assert fill.used >= 0.85


def test_the_time_left_is_right(fill: Fill) -> None:
    """From when every vault has been read. A turn or two are not foreseen."""
    assert fill.guesses
    for left, really in fill.guesses:
        assert left == pytest.approx(really, rel=0.3, abs=HOUR / 2)


def test_what_is_read_and_complete_only_grows(fill: Fill) -> None:
    shown = [(p.read, p.complete) for _, p in fill.readings]

    assert shown == sorted(shown)
    assert fill.readings[-1][1].done
    assert fill.own("initial_vaults") == fill.own("initial_vaults_read") == 40
    assert fill.own("initial_estimated_remaining_seconds") == 0
