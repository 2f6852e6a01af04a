"""The first fill: how long it will take, and what is said of it meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.first_fill import Fill, simulate_fill
from exporter.azure.budget import Room
from exporter.metrics.fill import FillProgress
from exporter.refresh.estimate import Share, seconds_left
from exporter.simulator import HttpError, sized_fleet
from tests.builders import NOW
from tests.steering import steered

HOUR = 3600.0
ROOM = Room(left=0, reads=150, lists=75, for_failures=10, per_seconds=HOUR)


def a_share(**changes: Any) -> Share:
    """All is read: 10 vaults that are listed again all the time, without a job of the last day."""
    share = Share(
        room=ROOM,
        lists=0,
        unread=0,
        read=10,
        unfilled=10,
        next_list=0,
        ended=(0,) * 24,
        waiting={},
    )
    return replace(share, **changes)


def test_nothing_left_takes_no_time() -> None:
    assert seconds_left([a_share()]) == 0


def test_what_fits_into_the_budget_now_takes_no_time() -> None:
    room = replace(ROOM, left=150)

    assert seconds_left([a_share(room=room, waiting={30: 65})]) == 0


def test_details_come_at_the_pace_that_lists_leave() -> None:
    assert seconds_left([a_share(waiting={30: 130})]) == 2 * HOUR


def test_details_have_nearly_all_until_vaults_are_listed_again() -> None:
    """What is spent in the half hour before would lack then."""
    share = a_share(next_list=2.5 * HOUR, waiting={30: 2 * 140 + 65})

    assert seconds_left([share]) == 3 * HOUR


def test_lists_may_take_the_whole_budget() -> None:
    share = a_share(lists=280, unread=280, next_list=10 * HOUR)

    assert seconds_left([share]) == 2 * HOUR


def test_vaults_not_read_yet_are_taken_to_be_like_the_others() -> None:
    share = a_share(lists=5, unread=5, ended=(0,) * 23 + (86,), waiting={30: 17})

    assert seconds_left([share]) == pytest.approx(HOUR)


def test_lists_of_resource_graph_cost_nothing() -> None:
    assert seconds_left([a_share(lists=0, unread=300)]) == 0


def test_jobs_end_as_they_did_the_day_before() -> None:
    """Where the one before was read, a new one makes it longer; else it takes its place."""
    ended = (65, *(0,) * 22, 20)
    read = a_share(unfilled=1, ended=ended, waiting={0: 65, 30: 65})
    unread = a_share(unfilled=1, ended=ended, waiting={0: 65, 23: 20, 30: 45})

    assert seconds_left([read]) == pytest.approx((2 + 20 / 65) * HOUR, rel=0.02)
    assert seconds_left([unread]) == pytest.approx(2 * HOUR, rel=0.02)


def test_new_jobs_of_vaults_that_are_filled_do_not_count() -> None:
    """With one detail each they are, as soon as it is read."""
    share = a_share(unfilled=130, ended=(20,) * 24, waiting={30: 130})

    assert seconds_left([share]) == 2 * HOUR


def test_jobs_that_end_faster_than_details_are_read_have_no_end() -> None:
    assert seconds_left([a_share(unfilled=1, ended=(80,) * 24, waiting={0: 80})]) is None


def test_nobody_can_tell_before_the_first_vault_is_read() -> None:
    assert seconds_left([a_share(), a_share(lists=3, unread=3, read=0)]) is None
    assert seconds_left([]) is None


def test_the_slowest_budget_counts() -> None:
    assert seconds_left([a_share(waiting={30: 65}), a_share(waiting={30: 650})]) == 10 * HOUR


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
        assert left == pytest.approx(really, rel=0.25, abs=HOUR / 2)


def test_what_is_read_and_complete_only_grows(fill: Fill) -> None:
    shown = [(p.read, p.complete) for _, p in fill.readings]

    assert shown == sorted(shown)
    assert fill.readings[-1][1].done
    assert fill.own("initial_vaults") == fill.own("initial_vaults_read") == 40
    assert fill.own("initial_estimated_remaining_seconds") == 0
