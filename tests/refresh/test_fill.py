"""The first fill: how long it will take, and what is said of it meanwhile."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.read_limits import START, EventClock
from exporter.azure.budget import Room
from exporter.config import parse_config
from exporter.metrics.fill import FillProgress
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector
from exporter.refresh.estimate import Share, seconds_left
from exporter.simulator import HttpError, RateLimit, Simulator, sized_fleet
from tests.builders import NOW
from tests.steering import azure_section, config_text, steered

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600.0
ROOM = Room(left=0, reads=150, details=65, per_seconds=HOUR)


def a_share(**changes: Any) -> Share:
    """All is read: 10 vaults."""
    return replace(Share(room=ROOM, lists=0, unread=0, read=10, wanted=0, details=0), **changes)


def test_nothing_left_takes_no_time() -> None:
    assert seconds_left([a_share()]) == 0


def test_what_fits_into_the_budget_now_takes_no_time() -> None:
    room = replace(ROOM, left=150)

    assert seconds_left([a_share(room=room, details=65)]) == 0


def test_details_come_at_the_pace_that_lists_leave() -> None:
    assert seconds_left([a_share(details=130)]) == 2 * HOUR


def test_lists_may_take_the_whole_budget() -> None:
    assert seconds_left([a_share(lists=300, unread=300)]) == 2 * HOUR


def test_vaults_not_read_yet_are_taken_to_want_what_the_others_did() -> None:
    share = a_share(read=10, wanted=130, lists=5, unread=5, details=65)

    assert seconds_left([share]) == 2 * HOUR


def test_lists_of_resource_graph_cost_nothing() -> None:
    assert seconds_left([a_share(lists=0, unread=300)]) == 0


def test_nobody_can_tell_before_the_first_vault_is_read() -> None:
    assert seconds_left([a_share(), a_share(lists=3, unread=3, read=0)]) is None
    assert seconds_left([]) is None


def test_the_slowest_budget_counts() -> None:
    assert seconds_left([a_share(details=65), a_share(details=650)]) == 10 * HOUR


def test_time_left_runs_down_and_not_below_zero() -> None:
    progress = FillProgress(vaults=2, ends_at=100.0)

    assert [progress.seconds_left(now) for now in (40.0, 100.0, 140.0)] == [60.0, 0.0, 0.0]
    assert FillProgress(vaults=2).seconds_left(0.0) is None
    assert FillProgress(vaults=2, done=True).seconds_left(0.0) == 0.0


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


class Lines(logging.Handler):
    """Remembers what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Fill:
    """The first fill of a large estate on a clock that jumps from one event to the next."""

    def __init__(self, vaults: int, items: int, hours: float) -> None:
        self.metrics = SelfMetrics()
        self.readings: list[tuple[float, FillProgress]] = []
        handler = Lines()
        log = logging.getLogger("exporter.refresh.fill")
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        fleet = sized_fleet(vaults=vaults, jobs=2 * items, jobs_per_item=2, anchor=START)
        collectors: list[Collector] = []

        def stop() -> None:
            collectors[0].stop()

        clock = EventClock(START, START + timedelta(hours=hours), stop)
        limit = RateLimit(150, timedelta(hours=1))
        with (
            pytest.MonkeyPatch.context() as monkeypatch,
            Simulator(fleet=fleet, clock=clock.wall, rate_limit=limit, page_size=1000) as simulator,
        ):
            for name, value in simulator.identity_environ.items():
                monkeypatch.setenv(name, value)

            def start(_: str, work: Callable[..., None], turn: object) -> None:
                work(turn)
                now, progress = clock.monotonic(), self.metrics.fill.progress
                if not self.readings or self.readings[-1][1] is not progress:
                    self.readings.append((now, progress))
                if progress.done:
                    collectors[0].stop()

            text = config_text(simulator, azure=azure_section(simulator.url, requests=150))
            collectors.append(
                Collector(
                    parse_config(text, {}, source="test"),
                    store=PageStore(self.metrics),
                    metrics=self.metrics,
                    clock=clock,
                    start=start,
                )
            )
            collectors[0].run()
        self.ended = clock.monotonic()
        log.removeHandler(handler)
        self.lines = handler.lines

    def value(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"azure_backup_exporter_{name}")


@pytest.fixture(scope="module")
def fill() -> Fill:
    """40 vaults with 320 items at 150 reads an hour."""
    return Fill(vaults=40, items=320, hours=36)


def test_a_fill_of_many_hours_is_told_in_few_lines(fill: Fill) -> None:
    """About one at each tenth, and none for each of a thousand reads."""
    *lines, last = fill.lines

    assert 8 <= len(lines) <= 11 + fill.ended / HOUR
    assert all("of 40 vaults read" in line for line in lines)
    assert all("left under the read budget" in line for line in lines)
    assert last == "first fill done"


def test_the_time_left_is_a_lower_bound_and_no_idle_one(fill: Fill) -> None:
    known = [(now, p.seconds_left(now)) for now, p in fill.readings if p.vaults and not p.done]
    guesses = [(left, fill.ended - now) for now, left in known if left is not None]

    # Turns and the first reads of others are not foreseen to the minute.
    assert all(left <= really * 1.1 + 0.25 * HOUR for left, really in guesses)
    begun = [(left, really) for left, really in guesses if really > fill.ended / 2]
    assert all(left > really / 3 for left, really in begun)


def test_what_is_read_and_complete_only_grows(fill: Fill) -> None:
    shown = [(p.read, p.complete) for _, p in fill.readings]

    assert shown == sorted(shown)
    assert fill.readings[-1][1].done
    assert fill.value("initial_vaults") == fill.value("initial_vaults_read") == 40
    assert fill.value("initial_estimated_remaining_seconds") == 0
