"""Clients that are slow, silent or many, plain and over TLS: a scrape does not notice them."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.metrics.page import Body, Page, block
from tests.processes import wait_for
from tests.web.running import Running, is_cut_off, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.web.running import Certificates

CLIENTS = 60
SCRAPE_SECONDS = 0.5
PARTIAL = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "


@pytest.fixture(params=["plain", "tls"])
def server(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Running]:
    config = certificates.config(tls={}) if request.param == "tls" else None
    with running(web_config=config) as server:
        yield server


def connect(server: Running, *, shake_hands: bool = True) -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    if not shake_hands or server.url.startswith("http:"):
        return raw
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(raw)


def seconds_of_a_scrape(server: Running, certificates: Certificates) -> float:
    started = time.monotonic()
    assert server.ask("/metrics", verify=certificates.ca).status_code == 200
    return time.monotonic() - started


@contextmanager
def trickling(clients: list[socket.socket]) -> Iterator[None]:
    """Each sends a byte of its header ten times a second."""
    ends = threading.Event()

    def send() -> None:
        while not ends.wait(0.1):
            for client in clients:
                with suppress(OSError):
                    client.send(b"x")

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def test_they_delay_nobody_and_are_cut_off(server: Running, certificates: Certificates) -> None:
    """Silent, also before the TLS handshake; idle; and trickling."""
    with ExitStack() as stack:
        silent = [connect(server, shake_hands=False) for _ in range(CLIENTS)]
        slow = [connect(server) for _ in range(CLIENTS)]
        clients = silent + slow
        for client in clients:
            stack.enter_context(closing(client))
        for client in slow:
            client.sendall(PARTIAL)
        with trickling(slow):
            scrapes = [seconds_of_a_scrape(server, certificates) for _ in range(5)]
            assert max(scrapes) < SCRAPE_SECONDS
            assert all(is_cut_off(client) for client in clients)


def test_a_kept_connection_is_cut_off_when_nothing_follows(server: Running) -> None:
    with closing(connect(server)) as client:
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        started = time.monotonic()
        assert is_cut_off(client)
        assert 0.3 < time.monotonic() - started < 4


def test_a_crowd_cannot_shut_a_scrape_out(certificates: Certificates) -> None:
    """Beyond the limit the longest idle one goes; who is served stays."""
    with running(most=20) as server, ExitStack() as stack:
        clients = [stack.enter_context(closing(connect(server))) for _ in range(60)]
        assert seconds_of_a_scrape(server, certificates) < SCRAPE_SECONDS
        assert all(is_cut_off(client) for client in clients[:40])
        clients[-1].sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert clients[-1].recv(1000).startswith(b"HTTP/1.1 200")


def test_those_who_never_read_cost_little_memory_and_are_cut_off(
    server: Running, certificates: Certificates, record_property: Callable[[str, object], None]
) -> None:
    serve_a_page_of(server, 30_000_000)
    assert seconds_of_a_scrape(server, certificates) < 5
    before = resident_bytes()
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connect(server))) for _ in range(50)]
        for client in clients:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for("them to be served", lambda: server.site.connections.busy)
        time.sleep(0.3)
        grown = (resident_bytes() - before) / 2**20
        record_property("figure", f"50 clients that never read a 30 MB page: +{grown:.1f} MiB")
        assert grown < 30
        wait_for("them to be cut off", lambda: not server.site.connections.busy)


def test_those_who_never_read_cannot_shut_a_scrape_out(certificates: Certificates) -> None:
    """They are the largest crowd then, not the newcomers."""
    with running(most=20) as server, ExitStack() as stack:
        serve_a_page_of(server, 5_000_000)
        for _ in range(30):
            client = stack.enter_context(closing(connect(server)))
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(5):
            assert seconds_of_a_scrape(server, certificates) < 2


def test_many_requests_and_no_reading_is_cut_off_too(server: Running) -> None:
    """Small answers pile up as well."""
    with closing(connect(server)) as client, suppress(OSError):
        client.settimeout(0.2)
        for _ in range(2000):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
    wait_for("the end", lambda: not server.site.connections.busy)


def serve_a_page_of(server: Running, size: int) -> None:
    """One vault's part is one piece, as large as the vault."""
    whole = block("# " + "x" * size + "\n")
    body = Body((whole,), whole.checksum, whole.size)
    server.store.served = Page(text=body, openmetrics=body, series=0)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
