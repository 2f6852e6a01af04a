"""The real server on loopback: paths, methods, formats, and clients that behave badly."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.web.handlers import accepts_gzip
from exporter.web.server import bind
from tests.builders import a_job
from tests.pages import a_snapshot
from tests.web.running import Running, running

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@pytest.fixture
def server() -> Iterator[Running]:
    with running() as server:
        server.publish(a_snapshot(a_job()))
        yield server


def test_metrics_are_text_unless_openmetrics_is_asked_for(server: Running) -> None:
    text = server.ask("/metrics")
    openmetrics = server.ask("/metrics", Accept=OPENMETRICS)

    assert text.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert openmetrics.headers["Content-Type"].startswith(
        "application/openmetrics-text; version=1.0.0"
    )
    names = {family.name for family in parse_text(text.text)}
    assert {"azure_backup_last_job_status", "azure_backup_exporter_build_info"} <= names
    assert {"process_cpu_seconds", "python_info"} <= names
    assert {family.name for family in text_string_to_metric_families(openmetrics.text)} == names


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=abc",
        "application/openmetrics-text;version=1..0",
        "text/plain;version=x.y.z",
        ";;;,,,q=",
    ],
)
def test_an_accept_header_of_nonsense_gets_text(server: Running, accept: str) -> None:
    answer = server.ask("/metrics", Accept=accept)

    assert answer.status_code == 200
    assert list(parse_text(answer.text))


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        # Prometheus 3, 2.49, 2.5, with the text format only, and curl.
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            True,
        ),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,"
            "application/openmetrics-text;version=0.0.1;q=0.4,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            True,
        ),
        ("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*", False),
        ("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,*/*;q=0.5", False),
        ("*/*", False),
        # The highest quality wins, none is none, and OpenMetrics is preferred where both are equal.
        (
            "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.1",
            False,
        ),
        ("text/plain;q=0.1,application/openmetrics-text;version=1.0.0;q=0.2", True),
        ("text/plain,application/openmetrics-text;version=1.0.0", True),
        ("application/openmetrics-text;version=1.0.0;q=0", False),
        ("application/openmetrics-text;version=1.0.0;q=0.000,*/*;q=0", False),
        ("application/openmetrics-text;q=0.5,*/*", False),
        ("application/openmetrics-text;q=0.5,text/*;q=0.1,*/*", True),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.1,*/*", True),
        # Case and quotes do not matter, the version does.
        ("application/openmetrics-text", True),
        ('Application/OpenMetrics-Text; Version="1.0.0" ; Q=0.5', True),
        ("application/openmetrics-text;version=9999.0.0", False),
        ("application/openmetrics-text;version=1.0.0x", False),
        ("application/openmetrics-text;version=", True),
        # Nonsense is left out.
        ("application/openmetrics-text;q=nan", False),
        ("application/openmetrics-text;q=2", False),
        ("application/openmetrics-text;q=", False),
        ("application/openmetrics-text;q=-0.5,text/plain;q=x", False),
        ("text/plain;q=7,application/openmetrics-text;q=0.1", True),
    ],
)
def test_the_format_is_the_one_preferred(server: Running, accept: str, openmetrics: bool) -> None:
    answer = server.ask("/metrics", Accept=accept)

    if openmetrics:
        expected = (
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
        )
    else:
        expected = "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Content-Type"] == expected
    assert answer.text.endswith("# EOF\n") is openmetrics


@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
def test_gzip_and_plain_carry_the_same_families(server: Running, accept: str) -> None:
    with socket.create_connection(("127.0.0.1", server.server.port), timeout=5) as raw:
        request = f"GET /metrics HTTP/1.0\r\nAccept: {accept}\r\nAccept-Encoding: gzip\r\n\r\n"
        raw.sendall(request.encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    plain = server.ask("/metrics", Accept=accept, Accept_Encoding="identity")

    assert b"Content-Encoding: gzip" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert "Content-Encoding" not in plain.headers
    lines = gzip.decompress(body).decode().splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        line for line in plain.text.splitlines() if line.startswith("#")
    ]


def test_head_has_the_headers_of_get_and_no_body(server: Running) -> None:
    for path in ("/metrics", "/", "/-/healthy"):
        answer = server.ask(path, "HEAD")
        assert answer.status_code == 200
        assert int(answer.headers["Content-Length"]) > 0
        assert answer.content == b""


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_not_allowed(server: Running, path: str, method: str) -> None:
    answer = server.ask(path, method)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/metrics/", "/favicon.ico", "/-/", "/%2e%2e/etc/passwd"])
def test_other_paths_are_not_found_and_say_where_metrics_are(server: Running, path: str) -> None:
    answer = server.ask(path)

    assert answer.status_code == 404
    assert "metrics are at /metrics" in answer.text
    assert server.ask(path, "HEAD").status_code == 404


@pytest.mark.parametrize("start", ["http://exporter.example:10057", "HTTPS://[::1]"])
@pytest.mark.parametrize(
    ("method", "rest", "status"),
    [
        ("GET", "/metrics", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "", 200),
        ("GET", "?page=2&refresh=30", 200),
        ("GET", "/-/ready", 503),
        ("POST", "/metrics", 405),
        ("OPTIONS", "/-/healthy", 405),
        ("GET", "/-/reload", 405),
        ("POST", "/-/reload", 403),
        ("GET", "//metrics", 404),
        ("GET", "/http://exporter.example/metrics", 404),
    ],
)
def test_a_request_may_be_in_absolute_form(
    server: Running, start: str, method: str, rest: str, status: int
) -> None:
    answer = server.ask_verbatim(method, start + rest)
    origin = server.ask_verbatim(method, rest if rest.startswith("/") else f"/{rest}")

    assert answer[0] == origin[0] == status
    assert answer[1].keys() == origin[1].keys()
    assert ("text/html" in answer[1]["Content-Type"]) is (rest in ("", "?page=2&refresh=30"))
    if "refresh" in rest:
        assert b'http-equiv="refresh" content="30"' in answer[2]


@pytest.mark.parametrize("target", ["*", "metrics", "http:///metrics", "ftp://h/metrics", "http:"])
def test_other_targets_are_not_found(server: Running, target: str) -> None:
    assert server.ask_verbatim("GET", target)[0] == 404


def test_metrics_may_have_another_path() -> None:
    with running(path="/azure.backup") as server:
        assert server.ask("/azure.backup").status_code == 200
        assert server.ask("/azureXbackup").status_code == 404
        assert server.ask("/metrics").status_code == 404


def test_healthy_while_it_lives_and_ready_after_the_first_refreshes(server: Running) -> None:
    assert server.ask("/-/healthy").status_code == 200
    assert server.ask("/-/ready").status_code == 503
    server.is_ready = True
    assert server.ask("/-/ready").status_code == 200


def test_reload_is_off_unless_it_is_switched_on(server: Running) -> None:
    answer = server.ask("/-/reload", "POST")

    assert answer.status_code == 403
    assert "--web.enable-lifecycle" in answer.text


def test_reload_says_what_is_wrong() -> None:
    problems = ["", "config.yaml: 1 problem(s)\n  vaults: is required"]
    with running(reload=problems.pop) as server:
        bad, good = server.ask("/-/reload", "POST"), server.ask("/-/reload", "POST")
        get = server.ask("/-/reload")

    assert (bad.status_code, good.status_code) == (500, 200)
    assert "vaults: is required" in bad.text
    assert get.status_code == 405
    assert get.headers["Allow"] == "POST"
    assert get.text.count(".") == 1


def test_the_status_page_shows_vaults_and_failing_items_escaped() -> None:
    with running() as server:
        server.publish(
            a_snapshot(
                a_job("1", item="<script>alert(1)</script>", status="Failed"),
                a_job("2", item="fine"),
            )
        )
        answer = server.ask("/")
    page, policy = answer.text, answer.headers["Content-Security-Policy"]

    assert "vault-a" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert "frame-ancestors" in policy
    assert "unsafe-inline" not in policy


def test_the_page_is_whole_while_vaults_are_replaced(server: Running) -> None:
    """A scrape reads one attribute: never half of one refresh and half of the next."""
    ends = threading.Event()

    def replace_for_ever() -> None:
        flip = False
        while not ends.is_set():
            flip = not flip
            jobs = [a_job(str(n), item=f"vm{n}{flip}") for n in range(50)]
            server.publish(a_snapshot(*jobs))

    writer = threading.Thread(target=replace_for_ever)
    writer.start()
    try:
        for _ in range(8):
            text = server.ask("/metrics").text
            items = {
                sample.labels["item"]
                for family in parse_text(text)
                if family.name == "azure_backup_last_job_info"
                for sample in family.samples
            }
            assert len(items) in (1, 50)
            assert len({item[-4:] for item in items}) == 1
    finally:
        ends.set()
        writer.join()


def test_silent_and_slow_clients_do_not_delay_a_scrape(server: Running) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.server.port)) for _ in range(100)]
    for connection in silent[:50]:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    try:
        started = time.monotonic()
        assert server.ask("/metrics").status_code == 200
        assert time.monotonic() - started < 2
    finally:
        for connection in silent:
            connection.close()


def test_headers_without_end_are_cut_off(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.server.port), timeout=5) as raw:
        raw.sendall(b"GET /metrics HTTP/1.1\r\n" + b"X-Long: " + b"x" * 100_000)
        with suppress(ConnectionError):
            assert b"200" not in raw.recv(100)


def test_stopping_lets_a_running_answer_end() -> None:
    with running() as server:
        jobs = [a_job(str(n), item=f"vm{n}") for n in range(3000)]
        server.publish(a_snapshot(*jobs))
        with socket.create_connection(("127.0.0.1", server.server.port), timeout=5) as raw:
            raw.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            first = raw.recv(1000)
            stopper = threading.Thread(target=server.server.stop)
            stopper.start()
            rest = b"".join(iter(lambda: raw.recv(65536), b""))
            stopper.join()
    head, _, body = (first + rest).partition(b"\r\n\r\n")

    assert f"Content-Length: {len(body)}".encode() in head
    assert body.endswith(b"\n")
    with pytest.raises(requests.ConnectionError):
        server.ask("/metrics")


@pytest.mark.parametrize(
    "address",
    ["", "10057", "localhost", "::1:80", "[::1]", "host:port", "x:1:2", "127.0.0.1:65536"],
)
def test_a_listen_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="no listen address"):
        bind(address)


@pytest.mark.parametrize(
    ("offer", "accepted"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("identity", False),
        ("", False),
        ("xgzip", False),
    ],
)
def test_gzip_is_sent_to_those_who_read_it(offer: str, accepted: bool) -> None:
    assert accepts_gzip(offer) is accepted
