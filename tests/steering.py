"""A whole exporter in one process against the simulator, on a clock that the test moves."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from exporter.clock import AzureClock
from exporter.config import parse_config
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector
from exporter.simulator import Fleet, ManualClock, Simulator
from tests.builders import NOW
from tests.pages import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


class SteeredClock:
    """Wall and monotonic time in step; waiting takes no time but moves it.

    Attributes:
        wall: Azure's clock.
        wrong: How far the machine's is before it.
    """

    def __init__(self, start: datetime = NOW) -> None:
        self.wall = ManualClock(start)
        self._start = start
        self.wrong = timedelta()

    def now(self) -> datetime:
        return self.wall() + self.wrong

    def monotonic(self) -> float:
        return (self.wall() - self._start).total_seconds()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.wall.advance(timedelta(seconds=seconds))
        return event.is_set()

    def advance(self, **span: float) -> None:
        self.wall.advance(timedelta(**span))

    def set_wall(self, **span: float) -> None:
        """Set the wall clock on, or back by a negative span."""
        self.wall.advance(timedelta(**span))
        self._start += timedelta(**span)


def azure_section(
    url: str, *, requests: int = 100_000, timeout: str = "30s", concurrency: int = 8
) -> str:
    """Where the simulator is, and how it is read."""
    return f"""
  cloud: custom
  resource_manager: {url}
  authority: https://localhost
  scope: {url}/.default
  credential: {{type: managed_identity}}
  read_budget: {{requests: {requests}, per: 1h}}
  timeout: {timeout}
  max_concurrency: {concurrency}
"""


def config_text(simulator: Simulator, **sections: str) -> str:
    """A configuration that reads all vaults of the simulator."""
    vaults = "".join(f"\n  - id: {vault_id}" for vault_id in simulator.vault_ids)
    texts = {"azure": azure_section(simulator.url), "vaults": vaults, **sections}
    return "\n".join(f"{name}: {text}" for name, text in texts.items())


class Steered:
    """Simulator, exporter and clock."""

    def __init__(self, simulator: Simulator, clock: SteeredClock) -> None:
        self.simulator = simulator
        self.clock = clock
        self.metrics = SelfMetrics()
        self.store = PageStore(self.metrics)
        self.collector: Collector | None = None
        self._azure_clock = AzureClock(clock)

    def configure(self, **sections: str) -> Collector:
        """Start the exporter, or reload it."""
        config = parse_config(config_text(self.simulator, **sections), {}, source="test")
        self.collector = Collector(
            config,
            store=self.store,
            metrics=self.metrics,
            clock=self._azure_clock,
            previous=self.collector,
        )
        return self.collector

    def azure(self, **options: Any) -> str:
        """The section that says where the simulator is."""
        return azure_section(self.simulator.url, **options)

    def refresh(self) -> list[tuple[str, str, str]]:
        """One refresh of every vault; the reads it took, as API, vault and job."""
        self.simulator.clear_requests()
        (self.collector or self.configure()).run_once()
        return [
            (request.api, request.vault, request.job_id)
            for request in self.simulator.requests
            if request.api != "token"
        ]

    @property
    def page(self) -> str:
        return b"".join(self.store.page.text.plain(b"")).decode()

    def values(self, name: str, **labels: str) -> list[float]:
        return values(self.page, name, **labels)

    def own(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"azure_backup_exporter_{name}", labels)


@contextmanager
def steered(monkeypatch: pytest.MonkeyPatch, fleet: Fleet, **options: Any) -> Iterator[Steered]:
    """The exporter signs in with a real managed identity at the simulator's endpoint."""
    clock = SteeredClock()
    with Simulator(fleet=fleet, clock=clock.wall, **options) as simulator:
        for name, value in simulator.identity_environ.items():
            monkeypatch.setenv(name, value)
        stage = Steered(simulator, clock)
        try:
            yield stage
        finally:
            if stage.collector:
                stage.collector.stop()
