"""TLS and what comes with it: versions, client certificates, headers, changes while it runs."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import threading
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import trustme

from exporter.cli import main
from tests.builders import a_job
from tests.pages import a_snapshot
from tests.processes import wait_for
from tests.web.running import UPKEEP_SECONDS, Running, running, wait_for_change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.web.running import Certificates

HEADERS = {
    "Content-Security-Policy": "default-src 'self'",
    "X-Frame-Options": "sameorigin",
    "X-XSS-Protection": "1",
    "Strict-Transport-Security": "max-age=60",
}
MUTUAL = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem"}


@pytest.fixture
def server(certificates: Certificates) -> Iterator[Running]:
    with running(web_config=certificates.config(tls={})) as server:
        server.publish(a_snapshot(*[a_job(str(n), item=f"vm{n}") for n in range(500)]))
        yield server


def healthcheck(server: Running) -> int:
    return main(["healthcheck", f"--web.listen-address=127.0.0.1:{server.port}"])


def test_the_page_arrives_whole_over_tls(server: Running, certificates: Certificates) -> None:
    context = ssl.create_default_context(cafile=certificates.ca)
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secure,
    ):
        version = secure.version()
        secure.sendall(b"GET /metrics HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
        head, _, body = b"".join(iter(lambda: secure.recv(65536), b"")).partition(b"\r\n\r\n")
    plain = server.ask("/metrics", verify=certificates.ca, Accept_Encoding="identity")
    asked = server.ask("/metrics", "HEAD", verify=certificates.ca, Accept_Encoding="identity")

    assert version == "TLSv1.3"
    assert f"Content-Length: {len(body)}".encode() in head
    assert gzip.decompress(body).count(b"\n") == plain.text.count("\n") > 5000
    assert (asked.status_code, asked.content) == (200, b"")
    assert abs(int(asked.headers["Content-Length"]) - len(plain.content)) < 100


def test_a_request_in_absolute_form_takes_nobody_past_tls(
    server: Running, certificates: Certificates
) -> None:
    context = ssl.create_default_context(cafile=certificates.ca)

    for scheme in ("http", "https"):
        target = f"{scheme}://exporter.example/-/healthy"
        assert server.ask_verbatim("GET", target, tls=context)[2] == b"OK\n"
        with pytest.raises(OSError, match=r"reset|closed|Remote end"):
            server.ask_verbatim("GET", target)


def test_another_authority_is_not_trusted(server: Running, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))

    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        server.ask("/metrics", verify=str(tmp_path / "other.pem"))


@pytest.mark.parametrize(
    ("least", "offered", "accepted"),
    [
        ("TLS12", ssl.TLSVersion.TLSv1_1, False),
        ("TLS12", ssl.TLSVersion.TLSv1_2, True),
        ("TLS13", ssl.TLSVersion.TLSv1_2, False),
        ("TLS13", ssl.TLSVersion.TLSv1_3, True),
    ],
)
def test_older_versions_are_refused(
    certificates: Certificates, least: str, offered: ssl.TLSVersion, accepted: bool
) -> None:
    context = ssl.create_default_context(cafile=certificates.ca)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = offered

    with running(web_config=certificates.config(tls={"min_version": least})) as server:
        refusal = pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION")
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw,
            nullcontext() if accepted else refusal,
        ):
            context.wrap_socket(raw, server_hostname="localhost").close()


def test_client_certificates_are_required_and_verified(certificates: Certificates) -> None:
    ours, strange = certificates.issue("ours"), certificates.issue("strange", trustme.CA())
    with running(web_config=certificates.config(tls=MUTUAL)) as server:
        assert server.ask("/", verify=certificates.ca, cert=ours).status_code == 200
        for cert in (None, strange):
            with pytest.raises(requests.exceptions.ConnectionError):
                server.ask("/", verify=certificates.ca, cert=cert)
        assert healthcheck(server) == 0


def test_a_withdrawn_authority_lets_nobody_go_on(certificates: Certificates) -> None:
    """Not even one that is being answered while it is withdrawn: its next request is not read."""
    go_on = threading.Event()

    def reload() -> str:
        go_on.wait(20)
        return ""

    context = ssl.create_default_context(cafile=certificates.ca)
    context.load_cert_chain(*certificates.issue("ours"))
    (certificates.folder / "clients.pem").write_bytes(Path(certificates.ca).read_bytes())
    config = certificates.config(tls={**MUTUAL, "client_ca_file": "clients.pem"})
    with (
        running(web_config=config, reload=reload, patience={}) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as client,
    ):
        old = server.site.policy
        client.sendall(
            b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        wait_for("it to be at work", lambda: server.site.connections.busy)
        trustme.CA().cert_pem.write_to_path(str(certificates.folder / "clients.pem"))
        wait_for("the change", lambda: server.site.policy is not old)
        go_on.set()
        answers = b"".join(iter(lambda: client.recv(65536), b""))

    assert answers.startswith(b"HTTP/1.1 200 ")
    assert answers.count(b"HTTP/1.1 ") == 1


def test_client_certificates_may_be_voluntary(certificates: Certificates) -> None:
    strange = certificates.issue("strange", trustme.CA())
    tls = {"client_auth_type": "VerifyClientCertIfGiven", "client_ca_file": "ca.pem"}
    with running(web_config=certificates.config(tls=tls)) as server:
        assert server.ask("/", verify=certificates.ca).status_code == 200
        with pytest.raises(requests.exceptions.ConnectionError):
            server.ask("/", verify=certificates.ca, cert=strange)


def test_the_health_check_needs_neither_trust_nor_password(certificates: Certificates) -> None:
    configs: list[dict[str, Any]] = [
        {"tls": {}},
        {"users": {"alice": "right"}},
        {"tls": {}, "users": {"alice": "right"}},
        {"tls": {"max_version": "TLS12", **MUTUAL}},
    ]
    for config in configs:
        with running(web_config=certificates.config(**config)) as server:
            assert healthcheck(server) == 0


def test_a_port_that_says_nothing_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.cli.healthcheck._TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert main(["healthcheck", f"--web.listen-address=127.0.0.1:{port}"]) == 1


def test_the_headers_stand_on_every_answer(certificates: Certificates) -> None:
    """Also on those that say no; and over what our pages say themselves."""
    config = certificates.config(users={"alice": "right"}, headers=HEADERS)
    with running(web_config=config) as server:
        answers = [
            server.ask(path, method, auth=auth)
            for path in ("/", "/metrics", "/nowhere", "/-/ready")
            for method in ("GET", "HEAD", "PUT")
            for auth in (None, ("alice", "right"))
        ]

    assert {answer.status_code for answer in answers} == {200, 401, 404, 405, 503}
    for answer in answers:
        assert HEADERS.items() <= answer.headers.items()
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_without_the_file_the_headers_are_ours_and_strict() -> None:
    with running() as server:
        for path in ("/", "/nowhere", "/metrics"):
            headers = server.ask(path).headers
            assert headers["Content-Security-Policy"].startswith("default-src 'none';")
            assert headers["X-Frame-Options"] == "deny"
            assert "Server" not in headers


def test_a_blank_header_is_left_out(certificates: Certificates) -> None:
    config = certificates.config(headers={"Content-Security-Policy": ""})
    with running(web_config=config) as server:
        assert "Content-Security-Policy" not in server.ask("/").headers


def test_a_renewed_certificate_is_served_without_a_restart(
    server: Running, certificates: Certificates
) -> None:
    def served() -> str:
        return ssl.get_server_certificate(("127.0.0.1", server.port), timeout=5)

    before = served()
    certificates.issue("server")
    wait_for_change("the new certificate", lambda: served() != before)

    assert served().strip() in (certificates.folder / "server.crt").read_text()
    assert server.ask("/metrics", verify=certificates.ca).status_code == 200


def test_a_removed_user_is_out_and_a_new_one_in(certificates: Certificates) -> None:
    config = certificates.config(users={"alice": "a", "bob": "b"})
    with running(web_config=config) as server, requests.Session() as kept:
        kept.auth = ("alice", "a")
        assert kept.get(server.url, timeout=5).status_code == 200

        certificates.config(users={"bob": "b", "carol": "c"})

        wait_for_change(
            "alice to be out", lambda: kept.get(server.url, timeout=5).status_code == 401
        )
        assert server.ask("/", auth=("bob", "b")).status_code == 200
        assert server.ask("/", auth=("carol", "c")).status_code == 200


def test_a_bad_change_is_told_once_and_leaves_the_old_in_force(
    server: Running, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """And the file that it names may be mended alone: nothing else changes then."""

    def told() -> list[str]:
        return [record.getMessage() for record in caplog.records if "web config" in record.msg]

    with caplog.at_level(logging.INFO, logger="exporter.web.watch"):
        certificates.config(tls={"cert_file": "new.crt", "key_file": "new.key"})
        wait_for("the complaint", lambda: bool(told()))
        time.sleep(0.5)
        assert server.ask("/", verify=certificates.ca).status_code == 200
        assert len(told()) == 1
        assert "tls_server_config.cert_file" in told()[0]

        certificates.issue("new")
        wait_for("the new one", lambda: "the new web configuration is in force" in told())
        wait_for_change("it", lambda: server.ask("/", verify=certificates.ca).status_code == 200)


def test_tls_is_not_switched_off_by_a_change(
    server: Running, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is being written is empty for a moment."""
    certificates.config()

    wait_for("the complaint", lambda: "a restart is needed" in caplog.text)

    assert server.ask("/", verify=certificates.ca).status_code == 200


def test_clients_without_a_certificate_are_not_let_in_by_a_change(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """What was written of the file may lack its last lines."""
    ours = certificates.issue("ours")
    with running(web_config=certificates.config(tls=MUTUAL)) as server:
        certificates.config(tls={})

        wait_for("the complaint", lambda: "without a certificate" in caplog.text)

        assert server.ask("/", verify=certificates.ca, cert=ours).status_code == 200
        with pytest.raises(requests.exceptions.ConnectionError):
            server.ask("/", verify=certificates.ca)


def test_the_files_are_watched_on_after_a_failure(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When the machine has no thread left for a while, say."""
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        if thread.name == "web files":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)
    with running(web_config=certificates.config(users={"alice": "old"})) as server:
        wait_for("the failure", lambda: "can't start new thread" in caplog.text)
        certificates.config(users={"alice": "new"})
        time.sleep(5 * UPKEEP_SECONDS)
        assert server.ask("/", auth=("alice", "old")).status_code == 200
        monkeypatch.undo()
        wait_for_change(
            "the new password", lambda: server.ask("/", auth=("alice", "new")).status_code == 200
        )

    assert caplog.text.count("Traceback") == 1


def test_a_path_that_cannot_be_is_told_and_may_be_mended(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with running(web_config=certificates.config(users={"alice": "old"})) as server:
        certificates.config(tls={"cert_file": "a\0b"}, users={"alice": "old"})
        wait_for("the complaint", lambda: "U+0000" in caplog.text)
        certificates.config(users={"alice": "new"})
        wait_for_change(
            "the new password", lambda: server.ask("/", auth=("alice", "new")).status_code == 200
        )

    assert "Traceback" not in caplog.text
