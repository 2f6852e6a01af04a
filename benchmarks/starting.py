"""Whole processes: from the start to a full page, their memory, and the requests they make."""

from __future__ import annotations

import gzip
import http.client
import re
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from unittest import mock

from benchmarks.measuring import Figure, cpu_of, memory_of, program, python
from benchmarks.read_limits import EventClock
from benchmarks.simulated import azure, config_text
from exporter.config import parse_config
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector
from exporter.simulator import Simulator, sized_fleet, ticks

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONCURRENCY: Final = 32
_LONGEST_SECONDS: Final = 180.0
_GOALS: Final = {1: "≤ 1 s", 100: "≤ 5 s", 1000: "≤ 30 s"}
_LISTENING: Final = re.compile(rb"listening.* port=(\d+)")


class Start(NamedTuple):
    """How a process got going.

    Attributes:
        statuses: Seconds until the page had every vault's list.
        details: Seconds until no detail was missing.
        series: On the page then.
        cpu: Seconds of CPU until then.
        resident: MiB then.
        peak: The most MiB until then.
    """

    statuses: float
    details: float
    series: int
    cpu: float
    resident: float
    peak: float


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
    vaults, jobs = (2, 64) if smoke else (100, 20_000)
    start = full_page(vaults, jobs, latency="0s")
    yield Figure(
        f"process with {jobs:,} jobs, {start.series:,} series: memory",
        f"{start.resident:.0f} MiB",
        f"at most {start.peak:.0f} MiB",
        "",
        "≤ 220, at most 350 MiB",
    )
    made, least = requests_made(refreshes=2 if smoke else 10)
    yield Figure(
        "requests of 10 refreshes of 3 vaults with 200 jobs",
        f"{made}",
        f"least possible {least}",
        f"{least / made:.2f}",
        "exactly",
    )


def full_page(vaults: int, jobs: int, latency: str = "50ms") -> Start:
    """Run ``serve`` until nothing is missing on its page."""
    ids = [vault.id for vault in sized_fleet(vaults, jobs).vaults]
    with azure(vaults, jobs, latency) as service, tempfile.TemporaryDirectory() as name:
        config, log = Path(name) / "config.yaml", Path(name) / "log"
        config.write_text(config_text(service.url, ids, _CONCURRENCY))
        command = (
            "/bin/sh",
            "-c",
            f'exec "$@" 2>{log}',
            "sh",
            *python("exporter", "serve", f"--config.file={config}"),
            "--web.listen-address=127.0.0.1:0",
        )
        started = time.monotonic()
        with program(command, service.environ) as process:
            statuses = 0.0
            while True:
                time.sleep(0.1)
                seconds = time.monotonic() - started
                if process.poll() is not None or seconds > _LONGEST_SECONDS:
                    raise TimeoutError(f"no full page after {seconds:.0f} s: {log.read_text()}")
                port = _LISTENING.search(log.read_bytes())
                page = _page(int(port[1])) if port else b""
                up = len(re.findall(rb"^azure_backup_vault_up\{.* 1$", page, re.MULTILINE))
                if up < vaults:
                    continue
                statuses = statuses or seconds
                if not re.search(rb"^azure_backup_vault_details_pending.* [1-9]", page, re.M):
                    break
            series = re.search(rb"^azure_backup_exporter_series (\d+)", page, re.MULTILINE)
            return Start(
                statuses,
                seconds,
                int(series[1]) if series else 0,
                cpu_of(process.pid),
                *memory_of(process.pid),
            )


def _page(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    body = gzip.decompress(connection.getresponse().read())
    connection.close()
    return body


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
            collector = Collector(config, store=PageStore(metrics), metrics=metrics, clock=clock)
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
