"""What a scrape costs: our server, prometheus_client's own, and nginx with the same bytes."""

from __future__ import annotations

import gzip
import http.client
import os
import shutil
import socket
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.measuring import (
    PATIENCE_SECONDS,
    Figure,
    cpu_of,
    first_line,
    memory_of,
    milliseconds,
    program,
    python,
    times,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES: Final = ((4, 9), (40, 9), (40, 98))
"""Vaults, and items of each: about 1,000, 10,000 and 100,000 series."""

_LARGEST: Final = (400, 98)
_CONNECTIONS: Final = 4
_MAKING_SECONDS: Final = 300.0
_NGINX_CONFIG: Final = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder};
  proxy_temp_path {folder};
  fastcgi_temp_path {folder};
  uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  sendfile on;
  keepalive_requests 1000000;
  types {{ }}
  default_type text/plain;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/www;
    add_header Content-Encoding gzip;
  }}
}}
"""


class Served(NamedTuple):
    """A running server.

    Attributes:
        cpu: Seconds that its page took.
    """

    port: int
    pid: int
    cpu: float = 0


class Scrapes(NamedTuple):
    """What a scrape costs, in seconds."""

    latency: float
    cpu: float


def measure(*, smoke: bool) -> Iterator[Figure]:
    """Latency and CPU of a gzip scrape, and with 4 connections against nginx."""
    seconds = 0.2 if smoke else 3.0
    for vaults, items in SIZES[:1] if smoke else SIZES:
        with ExitStack() as stack:
            served = stack.enter_context(_page_server("ours", vaults, items))
            body = _get(http.client.HTTPConnection("127.0.0.1", served.port))
            series = _series(body)
            stock_server = stack.enter_context(_page_server("stock", vaults, items))
            stock = _scrapes(stock_server, seconds)
            ours = _scrapes(served, seconds)
            what = f"scrape of {series:,} series, gzip"
            yield Figure(
                f"{what}: server CPU",
                milliseconds(ours.cpu),
                f"prometheus_client {milliseconds(stock.cpu)}",
                times(stock.cpu / max(ours.cpu, 1e-6)),
                "≥ 300" if (vaults, items) == SIZES[-1] else "",
            )
            yield Figure(
                f"{what}: latency",
                milliseconds(ours.latency),
                f"prometheus_client {milliseconds(stock.latency)}",
                times(stock.latency / ours.latency),
            )
            nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
            if nginx is None:
                yield Figure(f"{what}: 4 connections", "", "nginx is not installed")
                continue
            other = stack.enter_context(_nginx(nginx, body))
            theirs, mine = _rate(other, seconds), _rate(served, seconds)
            yield Figure(
                f"{what}: 4 connections",
                f"{mine:,.0f}/s",
                f"nginx {theirs:,.0f}/s",
                f"{mine / theirs:.2f}",
                "≥ 0.7" if (vaults, items) == SIZES[-1] else "",
            )

    yield from _largest(seconds, *(SIZES[0] if smoke else _LARGEST))


def _largest(seconds: float, vaults: int, items: int) -> Iterator[Figure]:
    """Ten times what the goals speak of, where prometheus_client takes half a minute."""
    with _page_server("ours", vaults, items) as served:
        series = _series(_get(http.client.HTTPConnection("127.0.0.1", served.port)))
        cost = _scrapes(served, seconds)
        resident, peak = memory_of(served.pid)
    yield Figure(f"page of {series:,} series from nothing", milliseconds(served.cpu))
    yield Figure(
        f"scrape of {series:,} series, gzip: latency",
        milliseconds(cost.latency),
        f"server CPU {milliseconds(cost.cpu)}",
    )
    yield Figure(
        f"server of {series:,} series, roll-ups included: memory",
        f"{resident:.0f} MiB",
        f"at most {peak:.0f} MiB",
    )


def _series(body: bytes) -> int:
    return sum(not line.startswith(b"#") for line in gzip.decompress(body).splitlines())


@contextmanager
def _page_server(kind: str, vaults: int, items: int) -> Iterator[Served]:
    command = python("benchmarks.page_server", kind, str(vaults), str(items))
    with program(command) as process:
        port, cpu = first_line(process, _MAKING_SECONDS).split()
        yield Served(int(port), process.pid, float(cpu))


@contextmanager
def _nginx(path: str, body: bytes) -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        folder = Path(name)
        folder.chmod(0o755)  # nginx leaves root
        (folder / "www").mkdir()
        (folder / "www" / "metrics").write_bytes(body)
        config = folder / "nginx.conf"
        config.write_text(_NGINX_CONFIG.format(folder=folder, port=port))
        with program((path, "-c", str(config), "-e", str(folder / "error.log"))) as process:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    _get(http.client.HTTPConnection("127.0.0.1", port))
                    break
                except OSError:
                    if time.monotonic() > deadline or process.poll() is not None:
                        raise
                    time.sleep(0.05)
            yield Served(port, process.pid)


def _get(connection: http.client.HTTPConnection) -> bytes:
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    return connection.getresponse().read()


def _scrapes(served: Served, seconds: float) -> Scrapes:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE_SECONDS)
    _get(connection)
    latencies: list[float] = []
    cpu, end = cpu_of(served.pid), time.perf_counter() + seconds
    while time.perf_counter() < end or len(latencies) < 2:  # noqa: PLR2004 - for a median
        started = time.perf_counter()
        _get(connection)
        latencies.append(time.perf_counter() - started)
    connection.close()
    return Scrapes(statistics.median(latencies), (cpu_of(served.pid) - cpu) / len(latencies))


def _rate(served: Served, seconds: float) -> float:
    """Scrapes per second over some connections at once."""
    end = time.perf_counter() + seconds
    counts: list[int] = []

    def scrape() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE_SECONDS)
        count = 0
        while time.perf_counter() < end:
            _get(connection)
            count += 1
        connection.close()
        counts.append(count)

    threads = [threading.Thread(target=scrape) for _ in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds
