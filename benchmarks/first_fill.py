"""First fills of large estates under Azure's read limit: ``python -m benchmarks.first_fill``.

On the clock of ``benchmarks.read_limits``: how long they take, how much of the limit they use,
and what the exporter says meanwhile of the time left.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from benchmarks.read_limits import START, EventClock, config_of
from exporter.clock import AzureClock
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector
from exporter.simulator import RateLimit, Simulator, sized_fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.backup.model import Vault
    from exporter.metrics.fill import FillProgress
    from exporter.metrics.snapshot import VaultSnapshot

HOUR: Final = timedelta(hours=1)
LONGEST: Final = timedelta(hours=120)
RUNS: Final = ((300, 600, 150), (40, 1200, 150), (40, 1200, 450), (1000, 1000, 150))
"""Vaults, items, reads an hour."""


@dataclass
class Fill:
    """What a first fill has shown.

    Attributes:
        readings: Each progress, and when it was noted, in seconds since the start.
        lines: Of the log, about the fill.
        took: Seconds.
        reads: Of lists and details, until the end.
        throttled: 429 answers.
        used: Share of the limit that was spent, over the whole time.
        metrics: The exporter's own.
    """

    readings: list[tuple[float, FillProgress]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    took: float = 0.0
    reads: int = 0
    throttled: int = 0
    used: float = 0.0
    metrics: SelfMetrics = field(default_factory=SelfMetrics)

    def own(self, name: str) -> float | None:
        """A metric of the exporter's own."""
        return self.metrics.registry.get_sample_value(f"azure_backup_exporter_{name}")

    @property
    def listed_at(self) -> float:
        """When every vault had been read once."""
        return next(now for now, p in self.readings if 0 < p.vaults == p.read)

    @property
    def guesses(self) -> list[tuple[float, float]]:
        """The time left as it was said and as it was, from when every vault had been read."""
        return [
            (left, self.took - now)
            for now, p in self.readings
            if now >= self.listed_at and not p.done and (left := p.seconds_left(now)) is not None
        ]


class BlankStore(PageStore):
    """Renders nothing."""

    def show(self, vaults: Iterable[Vault]) -> Callable[[VaultSnapshot], None]:
        """Forget each snapshot."""
        super().show(vaults)
        return lambda _: None


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


def simulate_fill(vaults: int, items: int, limit: int) -> Fill:
    """Run the exporter until its first fill is done."""
    fill = Fill()
    handler = _Lines(fill.lines)
    log = logging.getLogger("exporter.refresh.initial_sync")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    fleet = sized_fleet(vaults=vaults, jobs=2 * items, jobs_per_item=2, anchor=START)
    collectors: list[Collector] = []

    def stop() -> None:
        collectors[0].stop()

    clock = EventClock(START, START + LONGEST, stop)
    rate_limit = RateLimit(limit, HOUR)
    with Simulator(
        fleet=fleet, clock=clock.wall, rate_limit=rate_limit, page_size=1000
    ) as simulator:
        os.environ.update(simulator.identity_environ)

        def start(_: str, work: Callable[..., None], turn: object) -> None:
            work(turn)
            reads = [one for one in simulator.requests if one.api in ("list", "detail")]
            simulator.clear_requests()
            fill.reads += len(reads)
            fill.throttled += sum(one.status == HTTPStatus.TOO_MANY_REQUESTS for one in reads)
            progress = fill.metrics.fill.progress
            if not fill.readings or fill.readings[-1][1] is not progress:
                fill.readings.append((clock.monotonic(), progress))
            if progress.done:
                collectors[0].stop()

        collectors.append(
            Collector(
                config_of(simulator, limit),
                store=BlankStore(fill.metrics),
                metrics=fill.metrics,
                clock=AzureClock(clock),
                start=start,
            )
        )
        collectors[0].run()
    log.removeHandler(handler)
    fill.took = clock.monotonic()
    fill.used = fill.reads / (limit * fill.took / HOUR.total_seconds())
    return fill


def _row(run: tuple[int, int, int]) -> str:
    vaults, items, limit = run
    fill = simulate_fill(*run)
    hours = HOUR.total_seconds()
    said, really = fill.guesses[0]
    # In the last quarter of an hour a single read is a large part of the rest.
    off = [said / really - 1 for said, really in fill.guesses if really > hours]
    return (
        f"| {vaults:,} | {items:,} | {limit} | {fill.throttled} | {fill.listed_at / hours:.1f} h"
        f" | {fill.took / hours:.1f} h | {fill.used:.1%} | {said / hours:.1f} h"
        f" | {really / hours:.1f} h | {min(off, default=0):+.0%} to {max(off, default=0):+.0%} |"
    )


def table() -> str:
    """The figures of each run, as a Markdown table; runs go in processes of their own."""
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        return "\n".join(
            [
                "| vaults | items | limit | 429s | all lists read after | all done after |"
                " limit used | then said | then really | off until the last hour |",
                "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
                *pool.map(_row, RUNS),
            ]
        )


if __name__ == "__main__":
    print(table())
