"""The exporter's loop on a clock that jumps from one event to the next."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from benchmarks.read_limits import EventClock
from exporter.clock import AzureClock
from exporter.config import parse_config
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector
from exporter.simulator import Simulator, Throttled, sized_fleet
from tests.builders import NOW
from tests.pages import values
from tests.steering import azure_section, config_text

if TYPE_CHECKING:
    from collections.abc import Callable


class Hours:
    """A run of some simulated time, and what the page says at its end."""

    def __init__(self, simulator: Simulator, clock: EventClock, **sections: str) -> None:
        self.metrics = SelfMetrics()
        self.store = PageStore(self.metrics)
        self.collector = Collector(
            parse_config(config_text(simulator, **sections), {}, source="test"),
            store=self.store,
            metrics=self.metrics,
            clock=AzureClock(clock),
            start=lambda _, work, turn: work(turn),
        )

    def values(self, name: str, **labels: str) -> list[float]:
        return values(b"".join(self.store.page.text.plain(b"")).decode(), name, **labels)

    def reads_left(self) -> set[float]:
        return {
            sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "azure_backup_exporter_api_reads_remaining"
        }


def run_for(
    monkeypatch: pytest.MonkeyPatch,
    length: timedelta,
    prepare: Callable[[Simulator], object],
    **sections: str,
) -> Hours:
    """Run it against 40 vaults."""
    runs: list[Hours] = []

    def stop() -> None:
        runs[0].collector.stop()

    clock = EventClock(NOW, NOW + length, stop)
    fleet = sized_fleet(vaults=40, jobs=80, anchor=NOW)
    with Simulator(fleet=fleet, clock=clock.wall) as simulator:
        for name, value in simulator.identity_environ.items():
            monkeypatch.setenv(name, value)
        prepare(simulator)
        azure = azure_section(simulator.url, requests=150)
        runs.append(Hours(simulator, clock, azure=azure, **sections))
        runs[0].collector.run()
    return runs[0]


def refuse_all(simulator: Simulator) -> None:
    for api in ("list", "detail"):
        simulator.inject(Throttled(timedelta(hours=1)), api=api)


def test_vaults_that_could_not_be_read_at_all_are_down_after_keep_stale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody would see that they are not watched: 32 of 40 had no series at all."""
    early = run_for(monkeypatch, timedelta(minutes=29), refuse_all)
    assert len(early.values("vault_up")) <= 8
    assert early.reads_left() == {0}, "a 429 forbids all, however many would be left"

    late = run_for(monkeypatch, timedelta(minutes=45), refuse_all)
    assert late.values("vault_up") == [0] * 40
    assert late.values("vault_down", kind="throttled") == [1] * 40
