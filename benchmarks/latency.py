"""How long the web server keeps anybody waiting while the exporter has its hands full."""

from __future__ import annotations

import argparse
import http.client
import statistics
import sys
import threading
import time
from typing import TYPE_CHECKING

from benchmarks.measuring import Figure, first_line, milliseconds, program, python
from benchmarks.serving import details_wait, serving, vaults_up
from benchmarks.simulated import azure, config_text
from exporter.simulator import sized_fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLIENTS = 8
_PAGES = 50
_PAUSE_SECONDS = 0.005
_PATIENCE_SECONDS = 60


def measure(*, smoke: bool) -> Iterator[Figure]:
    """While jobs are read and rendered without pause, and while visitors come without pause."""
    vaults, jobs, seconds = (2, 64, 0.2) if smoke else (100, 100_000, 8.0)
    ids = [vault.id for vault in sized_fleet(vaults, jobs).vaults]
    with (
        azure(vaults, jobs) as service,
        serving(config_text(service.url, ids), service.environ) as exporter,
    ):
        exporter.wait(lambda page: vaults_up(page) > 0)
        healthy, scrape = _p99(exporter.port, seconds)
        yield Figure(
            f"p99 of /-/healthy while {vaults:,} vaults with {jobs:,} jobs are read",
            milliseconds(healthy),
            f"a scrape {milliseconds(scrape)}",
            "",
            "≤ 30 ms",
        )
        hammer = python("benchmarks.latency", str(exporter.port))
        with program(hammer) as visitors:
            first_line(visitors)
            healthy, scrape = _p99(exporter.port, seconds)
        if not (smoke or details_wait(exporter.page())):
            raise AssertionError("everything was read before the measurement ended")
        yield Figure(
            f"the same while {_CLIENTS} clients ask for {_PAGES} status pages without pause",
            milliseconds(healthy),
            f"a scrape {milliseconds(scrape)}",
            "",
            "≤ 30 ms",
        )


def _p99(port: int, seconds: float) -> tuple[float, float]:
    """Of ``/-/healthy`` and of ``/metrics``, in turns, as one scraper asks."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    latencies: dict[str, list[float]] = {"/-/healthy": [], "/metrics": []}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for path, found in latencies.items():
            started = time.perf_counter()
            _get(connection, path)
            found.append(time.perf_counter() - started)
            time.sleep(_PAUSE_SECONDS)
    connection.close()
    healthy, scrape = (
        statistics.quantiles(found, n=100, method="inclusive")[98] for found in latencies.values()
    )
    return healthy, scrape


def _get(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
    connection.getresponse().read()


def main() -> None:
    """Ask for status pages until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    port = parser.parse_args().port

    def visit(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
        for number in range(first, sys.maxsize):
            _get(connection, f"/?show=all&page={1 + number % _PAGES}")

    for client in range(_CLIENTS):
        threading.Thread(target=visit, args=(client * 7,), daemon=True).start()
    print("they come", flush=True)
    time.sleep(10 * _PATIENCE_SECONDS)


if __name__ == "__main__":
    main()
