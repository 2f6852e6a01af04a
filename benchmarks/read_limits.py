"""A simulated week under Azure's read limits: ``python -m benchmarks.read_limits``.

The real exporter reads the simulator on a clock that jumps from one event to the next: 12 vaults
with 1,200 items of one subscription, each backed up within the same four hours of a night, 3 of
100 failing. The limit is enforced by the simulator as Azure does it, with real 429 answers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from exporter.clock import AzureClock
from exporter.config import parse_config
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector
from exporter.simulator import ManualClock, RateLimit, Simulator, sized_fleet, ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.backup.model import Vault
    from exporter.config import Config
    from exporter.metrics.snapshot import VaultSnapshot

START: Final = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
VAULTS: Final = 12
ITEMS: Final = 1200
NIGHT: Final = timedelta(hours=4)
FAILING: Final = 0.03
HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)


class EventClock:
    """Wall and monotonic time in step. Waiting jumps to the end of the wait, or of the run."""

    def __init__(self, start: datetime, end: datetime, at_end: Callable[[], None]) -> None:
        self.wall = ManualClock(start)
        self._start = start
        self._end = end
        self._at_end = at_end

    def now(self) -> datetime:
        """The present."""
        return self.wall()

    def monotonic(self) -> float:
        """Seconds since the start."""
        return (self.wall() - self._start).total_seconds()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Jump, unless the event is set."""
        if not event.is_set():
            self.wall.advance(timedelta(seconds=max(seconds, 0.001)))
            if self.wall() >= self._end:
                self._at_end()
        return event.is_set()


@dataclass
class Figures:
    """What a run has shown.

    Attributes:
        status_delays: From a job's end to its status on the page, over the interval in effect.
        failed_details: From a failed job's end to its detail on the page.
        other_details: The same for the others.
        used: Share of the limit spent in the hour before each minute in which details waited.
        throttled: 429 answers.
        requests: All reads.
        unseen: Jobs that ended more than an hour before the end of the run, and no page shows.
    """

    status_delays: list[float] = field(default_factory=list)
    failed_details: list[timedelta] = field(default_factory=list)
    other_details: list[timedelta] = field(default_factory=list)
    used: list[float] = field(default_factory=list)
    throttled: int = 0
    requests: int = 0
    unseen: int = 0


class WatchedStore(PageStore):
    """Notes when each finished job and its detail first would come onto the page.

    It renders nothing: reads are counted here, and a week has 24,000 pages.
    """

    def __init__(self, metrics: SelfMetrics, now: Callable[[], datetime], since: datetime) -> None:
        super().__init__(metrics)
        self._now = now
        self._since = since
        self.figures = Figures()
        self.seen: set[str] = set()
        self.detailed: set[str] = set()
        self.pending: dict[str, int] = {}

    def show(self, vaults: Iterable[Vault]) -> Callable[[VaultSnapshot], None]:
        """Look at each snapshot instead of publishing it."""
        super().show(vaults)
        return self._watch

    def _watch(self, snapshot: VaultSnapshot) -> None:
        now = self._now()
        self.pending[snapshot.vault.id] = snapshot.details_pending or 0
        for item in snapshot.rollup.items if snapshot.rollup else ():
            job = item.job
            if job.end_time is None or job.end_time < self._since:
                continue
            if job.job_id not in self.seen:
                self.seen.add(job.job_id)
                self.figures.status_delays.append((now - job.end_time) / snapshot.refresh_interval)
            if job.detail and job.job_id not in self.detailed:
                self.detailed.add(job.job_id)
                failed = job.status == "Failed"
                delays = self.figures.failed_details if failed else self.figures.other_details
                delays.append(now - job.end_time)


def simulate(limits: list[tuple[int, int]], days: float) -> Figures:
    """Run the exporter for some days.

    Args:
        limits: Day from which a limit is in force, and the limit; the first is of day 0.
        days: How many.
    """
    fleet = sized_fleet(
        vaults=VAULTS,
        jobs=ITEMS * 8,
        failing=FAILING,
        anchor=START,
        night=NIGHT,
    )
    collectors: list[Collector] = []

    def stop() -> None:
        collectors[0].stop()

    clock = EventClock(START, START + timedelta(days=days), stop)
    limit = RateLimit(limits[0][1], HOUR)
    with Simulator(fleet=fleet, clock=clock.wall, rate_limit=limit, page_size=1000) as simulator:
        os.environ.update(simulator.identity_environ)
        metrics = SelfMetrics()
        store = WatchedStore(metrics, clock.now, START)
        changes = deque((START + timedelta(days=day), number) for day, number in limits[1:])
        reads = _Reads(store, simulator)

        def start(_: str, work: Callable[..., None], turn: object) -> None:
            while changes and clock.now() >= changes[0][0]:
                simulator.rate_limit = RateLimit(changes.popleft()[1], HOUR)
            work(turn)
            reads.look(clock.now())

        collectors.append(
            Collector(
                config_of(simulator),
                store=store,
                metrics=metrics,
                clock=AzureClock(clock),
                start=start,
            )
        )
        collectors[0].run()
        figures = store.figures
        end = ticks.from_datetime(clock.now() - HOUR)
        ended = {
            job.name
            for vault in fleet.vaults
            for job in fleet.jobs(vault, None, None, end)
            if ticks.from_datetime(START) <= job.end <= end
        }
        figures.unseen = len(ended - store.seen)
    return figures


class _Reads:
    """Counts reads, and the share of the limit in use in each minute in which details wait."""

    def __init__(self, store: WatchedStore, simulator: Simulator) -> None:
        self._store = store
        self._simulator = simulator
        self._last_hour: deque[datetime] = deque()
        self._next = START

    def look(self, now: datetime) -> None:
        """Take in what was read; called after each read."""
        figures = self._store.figures
        # The simulator keeps so many records only.
        reads = [one for one in self._simulator.requests if one.api in ("list", "detail")]
        self._simulator.clear_requests()
        figures.requests += len(reads)
        figures.throttled += sum(one.status == HTTPStatus.TOO_MANY_REQUESTS for one in reads)
        self._last_hour.extend(one.at for one in reads)
        limit = self._simulator.rate_limit
        while self._next < now:
            self._next += MINUTE
            while self._last_hour and self._last_hour[0] <= self._next - HOUR:
                self._last_hour.popleft()
            if limit and any(self._store.pending.values()):
                used = sum(at <= self._next for at in self._last_hour)
                figures.used.append(used / limit.requests)


def config_of(simulator: Simulator, limit: int = 150) -> Config:
    """A configuration that reads all vaults of the simulator; the limit is Azure's lowest."""
    vaults = [{"id": vault_id} for vault_id in simulator.vault_ids]
    return parse_config(
        f"""
azure:
  cloud: custom
  resource_manager: {simulator.url}
  authority: https://localhost
  scope: {simulator.url}/.default
  credential: {{type: managed_identity}}
  read_budget: {{requests: {limit}, per: 1h}}
vaults: {vaults}
""",
        {},
        source="benchmark",
    )


RUNS: Final = {
    "150/h": [(0, 150)],
    "450/h": [(0, 450)],
    "450/h, from day 1 150/h": [(0, 450), (1, 150)],
    "150/h, from day 1 450/h": [(0, 150), (1, 450)],
}


def table(runs: dict[str, list[tuple[int, int]]], days: float) -> str:
    """The figures of each run, as a Markdown table; runs go in processes of their own."""
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        all_figures = pool.map(simulate, runs.values(), [days] * len(runs))
        rows = [_row(name, figures) for name, figures in zip(runs, all_figures, strict=True)]
    return "\n".join(
        [
            "| limit | 429s | reads | status seen after (intervals, p99 / most) |"
            " failed details after (most) | other details after (most) |"
            " never seen | budget in use while details wait (mean) |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            *rows,
        ]
    )


def _row(name: str, figures: Figures) -> str:
    delays = sorted(figures.status_delays)
    return (
        f"| {name} | {figures.throttled} | {figures.requests:,}"
        f" | {delays[int(len(delays) * 0.99)]:.2f} / {delays[-1]:.2f}"
        f" | {_minutes(figures.failed_details)} | {_minutes(figures.other_details)}"
        f" | {figures.unseen} | {statistics.mean(figures.used or [1.0]):.1%} |"
    )


def _minutes(spans: list[timedelta]) -> str:
    return f"{max(spans, default=timedelta()).total_seconds() / 60:.0f} min"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=7)
    print(table(RUNS, parser.parse_args().days))
