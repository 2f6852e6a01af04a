"""The loop in real time: how many reads at once, and whom a hanging vault holds up."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from exporter.clock import AzureClock
from exporter.config import parse_config
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector
from exporter.simulator import Simulator, Stall, sized_fleet
from tests.processes import wait_for
from tests.steering import azure_section, config_text

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def collecting(
    simulator: Simulator, timeout: str, concurrency: int, discovery: str = "[]"
) -> Iterator[PageStore]:
    azure = azure_section(simulator.url, timeout=timeout, concurrency=concurrency)
    text = config_text(simulator, azure=azure, refresh="{interval: 1s}", discovery=discovery)
    metrics = SelfMetrics()
    store = PageStore(metrics)
    config = parse_config(text, {}, source="test")
    collector = Collector(config, store=store, metrics=metrics, clock=AzureClock())
    collector.start(lambda: None)
    try:
        yield store
    finally:
        collector.stop()


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with Simulator(fleet=sized_fleet(vaults=6, jobs=24, jobs_per_item=2)) as simulator:
        for name, value in simulator.identity_environ.items():
            monkeypatch.setenv(name, value)
        yield simulator


def all_up(store: PageStore) -> bool:
    return len(store.snapshots) == 6 and all(s.up for s in store.snapshots.values())


def test_no_more_requests_at_once_than_configured(simulator: Simulator) -> None:
    simulator.inject(Stall())
    with collecting(simulator, timeout="20s", concurrency=3):
        wait_for("three reads that hang", lambda: simulator.stalled == 3)
        most = 0
        for _ in range(20):
            time.sleep(0.02)
            most = max(most, simulator.stalled)
        assert most == 3


def test_a_vault_that_hangs_does_not_hold_up_the_others(simulator: Simulator) -> None:
    """Two of six hang, with two connections: the other four are read every second all the same."""
    with collecting(simulator, timeout="500ms", concurrency=2) as store:
        wait_for("all vaults", lambda: all_up(store))
        bad = {vault.lower() for vault in simulator.vault_ids[:2]}
        for vault in simulator.vault_ids[:2]:
            simulator.inject(Stall(), vault_id=vault)
        wait_for("the two to be down", lambda: not any(store.snapshots[id_].up for id_ in bad))

        oldest = timedelta()
        for _ in range(30):
            time.sleep(0.1)
            now = AzureClock().now()
            ages = [
                now - (s.refreshed_at or now) for i, s in store.snapshots.items() if i not in bad
            ]
            oldest = max(oldest, *ages)
        assert len(ages) == 4
        assert oldest < timedelta(seconds=4)  # two intervals after a pause, and this machine


def test_searches_that_hang_hold_up_no_vault(simulator: Simulator) -> None:
    searches = ", ".join(f"{{subscription_id: {uuid4()}}}" for _ in range(3))
    stalled = simulator.inject(Stall(), api="vaults")
    with collecting(simulator, timeout="60s", concurrency=2, discovery=f"[{searches}]") as store:
        wait_for("all vaults", lambda: all_up(store))
        assert simulator.stalled <= 1
        stalled.clear()


def test_a_refresh_that_overruns_is_not_started_twice(simulator: Simulator) -> None:
    slow = simulator.vault_ids[0]
    stalled = simulator.inject(Stall(), vault_id=slow, api="list")
    with collecting(simulator, timeout="20s", concurrency=6):
        wait_for("another vault's third refresh", lambda: lists(simulator, 1) >= 3)
        assert lists(simulator, 0) <= 1
        stalled.clear()


def lists(simulator: Simulator, vault: int) -> int:
    wanted = simulator.vault_ids[vault]
    return sum(r.api == "list" and r.vault == wanted for r in simulator.requests)


def test_a_vault_is_read_again_after_it_was_down(simulator: Simulator) -> None:
    stalled = simulator.inject(Stall(), vault_id=simulator.vault_ids[0])
    with collecting(simulator, timeout="300ms", concurrency=4) as store:
        first = simulator.vault_ids[0].lower()
        wait_for("it to be down", lambda: store.snapshots[first].up is False)
        stalled.clear()
        wait_for("it to be up", lambda: store.snapshots[first].up is True)
