"""Whole processes: from the start to a full page, their memory, and the requests they make."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from unittest import mock

from benchmarks.measuring import Figure
from benchmarks.read_limits import EventClock
from benchmarks.serving import details_wait, lists_read, own, serving, vaults_up
from benchmarks.simulated import azure, config_text
from exporter.clock import AzureClock
from exporter.config import parse_config
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector
from exporter.simulator import Simulator, sized_fleet, ticks

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONCURRENCY: Final = 32
_SCRAPE_EVERY_SECONDS: Final = 60
_GOALS: Final = {1: "≤ 1 s", 100: "≤ 5 s", 1000: "≤ 30 s"}


class Start(NamedTuple):
    """How a process got going.

    Attributes:
        statuses: Seconds until the page had every vault's list.
        details: Seconds until no detail was missing.
        cpu: Seconds of CPU until then.
    """

    statuses: float
    details: float
    cpu: float


def measure(*, smoke: bool) -> Iterator[Figure]:
    """With 50 ms of latency and no read limit."""
    for vaults, jobs in ((1, 16),) if smoke else ((1, 100), (100, 800), (1000, 8000)):
        start = full_page(vaults, jobs)
        yield Figure(
            f"start: every status of {vaults:,} vaults with {jobs:,} jobs",
            f"{start.statuses:.1f} s",
            f"all details {start.details:.1f} s; {start.cpu:.1f} s CPU",
            "",
            _GOALS[vaults],
        )
    yield process_memory(*((2, 64, (1, 2)) if smoke else (100, 20_000, (3, 30))))
    yield idle_process(*((2, 1) if smoke else (10, 300)))
    made, least = requests_made(refreshes=2 if smoke else 10)
    yield Figure(
        "requests of 10 refreshes of 3 vaults with 200 jobs",
        f"{made}",
        f"least possible {least}",
        f"{least / made:.2f}",
        "exactly",
    )


def full_page(vaults: int, jobs: int) -> Start:
    """Run ``serve`` until nothing is missing on its page."""
    ids = [vault.id for vault in sized_fleet(vaults, jobs).vaults]
    with (
        azure(vaults, jobs, "--latency", "50ms") as service,
        serving(config_text(service.url, ids, _CONCURRENCY), service.environ) as exporter,
    ):
        exporter.wait(lambda page: vaults_up(page) >= vaults)
        statuses = exporter.seconds
        exporter.wait(lambda page: details_wait(page) == 0)
        return Start(statuses, exporter.seconds, exporter.cpu)


def process_memory(vaults: int, jobs: int, refreshes: tuple[int, int]) -> Figure:
    """Memory after some refreshes and after many, with series for every job of the look-back."""
    ids = [vault.id for vault in sized_fleet(vaults, jobs).vaults]
    more = "metrics: {window: 8d, job_series: all}\nrefresh: {interval: 5s}\n"
    with (
        azure(vaults, jobs) as service,
        serving(config_text(service.url, ids, _CONCURRENCY) + more, service.environ) as exporter,
    ):
        exporter.wait(lambda page: vaults_up(page) >= vaults and not details_wait(page))

        def after(number: int) -> float:
            exporter.wait(lambda page: lists_read(page) > number * vaults)
            return exporter.memory[0]

        few, many = map(after, refreshes)
        return Figure(
            f"process with {jobs:,} jobs, {own(exporter.page(), 'series'):,} series: memory",
            f"{few:.0f} MiB after {refreshes[0]} refreshes, {many:.0f} after {refreshes[1]}",
            f"at most {exporter.memory[1]:.0f} MiB",
            f"{many / few:.2f}",
            "≤ 220, at most 350 MiB; ratio 0.9 to 1.1",
        )


def idle_process(vaults: int, seconds: int) -> Figure:
    """Memory and CPU while a few vaults are read every five minutes, and scraped every minute."""
    jobs = 80 * vaults
    ids = [vault.id for vault in sized_fleet(vaults, jobs).vaults]
    with (
        azure(vaults, jobs) as service,
        serving(config_text(service.url, ids), service.environ) as exporter,
    ):
        exporter.wait(lambda page: vaults_up(page) >= vaults and not details_wait(page))
        began, used = exporter.seconds, exporter.cpu
        while (left := began + seconds - exporter.seconds) > 0:
            time.sleep(min(left, _SCRAPE_EVERY_SECONDS))
            exporter.page()
        share = (exporter.cpu - used) / (exporter.seconds - began)
        return Figure(
            f"idle process with {vaults} vaults, {jobs:,} jobs: memory",
            f"{exporter.memory[0]:.0f} MiB",
            f"{share:.2%} of one core",
            "",
            "≤ 60 MiB, < 0.5 %",
        )


def requests_made(refreshes: int) -> tuple[int, int]:
    """Requests of some hourly refreshes, counted by the simulator; and the least possible.

    That is one list page, the running jobs, and those finished since the last refresh, at first
    within ``metrics.window``.
    """
    now = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
    fleet = sized_fleet(vaults=3, jobs=200, running=5, failing=0.2, anchor=now)
    clock = EventClock(now, now + timedelta(days=9), lambda: None)
    least = 0
    with Simulator(fleet=fleet, clock=clock.wall, page_size=1000) as simulator:
        config = parse_config(
            config_text(simulator.url, simulator.vault_ids), {}, source="benchmark"
        )
        metrics = SelfMetrics()
        with mock.patch.dict("os.environ", simulator.identity_environ):
            collector = Collector(
                config, store=PageStore(metrics), metrics=metrics, clock=AzureClock(clock)
            )
            since = ticks.from_datetime(now - timedelta(hours=24))
            for _ in range(refreshes):
                tick = ticks.from_datetime(clock.now())
                jobs = [job for one in fleet.vaults for job in fleet.jobs(one, None, None, tick)]
                least += len(fleet.vaults) + sum(job.end > since for job in jobs)
                collector.run_once()
                since = tick
                clock.wall.advance(timedelta(hours=1))
            collector.stop()
        made = Counter(request.api for request in simulator.requests)
    return made["list"] + made["detail"], least
