"""The last days of the demo's company, as Prometheus would have scraped them from the exporter.

The exporter reads the simulator on a clock that jumps from refresh to refresh; its pages go into
Prometheus' data folder by ``promtool tsdb create-blocks-from openmetrics``. The refreshes' and the
process' own figures are those of this time-lapse.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from prometheus_client import generate_latest

from benchmarks.read_limits import EventClock
from exporter.clock import AzureClock
from exporter.config import parse_config
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector
from exporter.simulator import HttpError, Simulator
from tests.stack.programs import installed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from exporter.simulator import Fleet

STEP: Final = timedelta(minutes=2)
LABELS: Final = {"job": "azure-backup-exporter", "instance": "exporter:9711"}


def write_blocks(folder: Path, fleet: Fleet, end: datetime, span: timedelta) -> None:
    """Fill a Prometheus' data folder with the time before ``end``."""
    text = folder / "history.om"
    with text.open("w", encoding="utf-8") as file:

        def keep(page: str, took: float, at: datetime) -> None:
            lines = [*page.splitlines(), "up 1", f"scrape_duration_seconds {took:.4f}"]
            file.writelines(_labelled(line, at) for line in lines if not line.startswith("#"))

        _run(fleet, end, span, keep)
        file.write("# EOF\n")
    subprocess.run(  # noqa: S603 - our own command
        [
            installed("promtool"),
            *("tsdb", "create-blocks-from", "openmetrics", "--quiet"),
            "--max-block-duration=72h",
            str(text),
            str(folder / "data"),
        ],
        check=True,
        capture_output=True,
        timeout=300,
    )
    text.unlink()


def _labelled(line: str, at: datetime) -> str:
    target = ",".join(f'{name}="{value}"' for name, value in LABELS.items())
    name, _, value = line.rpartition(" ")
    series = f"{name[:-1]},{target}}}" if name.endswith("}") else f"{name}{{{target}}}"
    return f"{series} {value} {at.timestamp():.3f}\n"


class _Clock(EventClock):
    """One on which work takes the time it takes."""

    def monotonic(self) -> float:
        return super().monotonic() + time.perf_counter()


def _run(
    fleet: Fleet, end: datetime, span: timedelta, keep: Callable[[str, float, datetime], None]
) -> None:
    """Let the exporter live until ``end``; ``keep`` gets its page as it is every few minutes."""
    collectors: list[Collector] = []
    clock = _Clock(end - span, end, lambda: collectors[0].stop())  # noqa: PLW0108 - none yet
    metrics = SelfMetrics()
    metrics.config_ok.set(1)
    metrics.config_loaded_at.set(clock.now().timestamp())
    store = PageStore(metrics)
    kept = clock.now()
    with Simulator(fleet=fleet, clock=clock.wall) as simulator, _environment(simulator):

        def start(_: str, work: Callable[..., None], turn: object) -> None:
            nonlocal kept
            if clock.now() - kept >= STEP:
                began = time.perf_counter()
                page = _page(store, metrics)
                took = time.perf_counter() - began
                # What was scraped since the last refresh: nothing has changed in between.
                while clock.now() - kept >= STEP:
                    kept += STEP
                    keep(page, took, kept)
            _trouble(simulator, end - clock.now())
            work(turn)

        config = parse_config(_settings(simulator), {}, source="history")
        collectors.append(
            Collector(config, store=store, metrics=metrics, clock=AzureClock(clock), start=start)
        )
        collectors[0].run()


def _page(store: PageStore, metrics: SelfMetrics) -> str:
    return b"".join(store.page.text.plain(generate_latest(metrics.registry))).decode()


def _trouble(simulator: Simulator, ago: timedelta) -> None:
    """A quarter of an hour in which Azure answers a vault with 503, twice."""
    hours = ago.total_seconds() / 3600
    simulator.clear_faults()
    if 20 < hours < 20.5 or 5 < hours < 5.3:
        simulator.inject(HttpError("unavailable"), api="list", vault_id=simulator.vault_ids[2])


@contextmanager
def _environment(simulator: Simulator) -> Iterator[None]:
    """Where the simulator's identity answers."""
    before = dict(os.environ)
    os.environ.update(simulator.identity_environ | {"NO_PROXY": "*", "no_proxy": "*"})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _settings(simulator: Simulator) -> str:
    subscriptions = {vault_id.split("/")[2] for vault_id in simulator.vault_ids}
    return f"""
azure:
  cloud: custom
  resource_manager: {simulator.url}
  authority: https://localhost
  scope: {simulator.url}/.default
  credential: {{type: managed_identity}}
discovery: {[{"subscription_id": one} for one in sorted(subscriptions)]}
"""
