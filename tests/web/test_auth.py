"""Basic authentication."""

from __future__ import annotations

import base64
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import bcrypt
import pytest
import requests
import yaml

from exporter.web.connections import Phase
from exporter.web.settings import bcrypt_cost
from tests.processes import wait_for
from tests.web.running import PATIENCE, Running, bcrypt_hash, is_cut_off, running, wait_for_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.web.running import Certificates

MOST_WAITING = 8
PATHS = ("/metrics", "/", "/-/healthy", "/-/ready", "/-/reload", "/nowhere")


@pytest.fixture
def server(certificates: Certificates) -> Iterator[Running]:
    users = {"alice": "right", "café": "schön", "empty": "", "long": "x" * 80}
    with running(web_config=certificates.config(users=users)) as server:
        yield server


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("path", PATHS)
def test_no_path_is_open(server: Running, path: str) -> None:
    """As in exporter-toolkit: health is no secret, but one rule without exception is easier."""
    for method in ("GET", "HEAD", "POST", "DELETE"):
        answer = server.ask(path, method)

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert "azure_backup" not in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_no_form_of_a_request_is_a_way_in(server: Running, method: str) -> None:
    for path in PATHS:
        target = f"http://exporter.example{path}"
        assert server.ask_verbatim(method, target)[0] == 401

    right = {"Authorization": basic("alice:right")}
    assert server.ask_verbatim("GET", "http://exporter.example/metrics", headers=right)[0] == 200


@pytest.mark.parametrize(
    "header",
    [
        basic("alice:right"),
        basic("alice:right").replace("Basic", "bASIC"),
        basic("café:schön"),
        basic("empty:"),
        basic("long:" + "x" * 80),
    ],
)
def test_the_right_password_lets_in(server: Running, header: str) -> None:
    assert server.ask("/metrics", Authorization=header).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        basic("alice:wrong"),
        basic("alice:"),
        basic("alice:right\0"),
        basic("alice"),
        basic("Alice:right"),
        basic("bob:right"),
        basic(":"),
        basic(""),
        basic("alice:right") + "=",
        "Basic",
        "Basic !!!",
        "Basic \xff\xfe",
        "Bearer " + base64.b64encode(b"alice:right").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "",
    ],
)
def test_anything_else_does_not(server: Running, header: str) -> None:
    assert server.ask("/metrics", Authorization=header).status_code == 401
    assert server.ask("/-/healthy", auth=("alice", "right")).status_code == 200


def test_a_known_password_is_not_computed_again(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Otherwise each scrape would cost 60 ms and more of a core."""
    config = tmp_path / "web.yaml"
    config.write_text(yaml.safe_dump({"basic_auth_users": {"alice": bcrypt_hash("right", 12)}}))
    with running(web_config=config) as server:
        seconds = []
        for _ in range(4):
            started = time.monotonic()
            assert server.ask("/-/healthy", auth=("alice", "right")).status_code == 200
            seconds.append(time.monotonic() - started)
        assert server.ask("/-/healthy", auth=("alice", "wrong")).status_code == 401

    first, again = seconds[0], min(seconds[1:])
    record_property("figure", f"bcrypt cost 12: {first * 1000:.0f} ms, again {again * 1000:.1f} ms")
    assert again < first / 3


def test_a_flood_of_wrong_passwords_does_not_delay_the_known(tmp_path: Path) -> None:
    config = tmp_path / "web.yaml"
    config.write_text(yaml.safe_dump({"basic_auth_users": {"alice": bcrypt_hash("right", 10)}}))
    with running(web_config=config) as server, ThreadPoolExecutor(20) as pool:
        assert server.ask("/-/healthy", auth=("alice", "right")).status_code == 200
        wrong = [pool.submit(_ask_wrongly, server, str(n)) for n in range(20)]
        assert server.ask("/-/healthy", auth=("alice", "right")).status_code == 200
        checked = sum(future.done() and future.result() == 401 for future in wrong)
        assert checked < 5, "each takes 60 ms and more"
        assert {future.result() for future in wrong} <= {401, 429}


def _ask_wrongly(server: Running, password: str) -> int:
    return server.ask("/metrics", auth=("alice", password)).status_code


def test_a_wrong_password_costs_the_same_for_every_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the time of an answer would tell which names there are; a right one waits for less."""
    config = tmp_path / "web.yaml"
    users = {"weak": bcrypt_hash("right", 4), "strong": bcrypt_hash("right", 6)}
    config.write_text(yaml.safe_dump({"basic_auth_users": users}))
    checkpw, costs = bcrypt.checkpw, list[int]()

    def counted(password: bytes, hashed: bytes) -> bool:
        costs.append(bcrypt_cost(hashed.decode()))
        return checkpw(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    with running(web_config=config) as server:
        for name in ("weak", "strong", "nobody"):
            costs.clear()
            assert server.ask("/", auth=(name, "wrong")).status_code == 401
            assert sorted(costs) == [4, 6]
        costs.clear()
        assert server.ask("/", auth=("weak", "right")).status_code == 200
        assert costs == [4]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Holds up the check of every password but those that begin with "quick", until it is set."""
    checkpw, go_on = bcrypt.checkpw, threading.Event()

    def hold(password: bytes, hashed: bytes) -> bool:
        if not password.startswith(b"quick"):
            go_on.wait(20)
        return checkpw(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", hold)
    yield go_on
    go_on.set()


def send(server: Running, credentials: str, *, source: str = "127.0.0.1") -> socket.socket:
    client = socket.create_connection(
        ("127.0.0.1", server.port), timeout=10, source_address=(source, 0)
    )
    authorization = f"Authorization: {basic(credentials)}\r\n"
    client.sendall(f"GET /-/healthy HTTP/1.1\r\nHost: x\r\n{authorization}\r\n".encode())
    return client


def status(client: socket.socket) -> int:
    return int(client.recv(4096).split(b" ")[1])


def test_a_check_may_take_longer_than_a_request(server: Running, held: threading.Event) -> None:
    with send(server, "alice:right") as client:
        time.sleep(2 * PATIENCE[Phase.RECEIVING])
        held.set()

        assert status(client) == 200


def test_a_check_has_an_end_too(certificates: Certificates, held: threading.Event) -> None:
    config = certificates.config(users={"alice": "right"})
    with running(web_config=config, patience={Phase.CHECKING: 0.3}) as server:
        with send(server, "alice:right") as client:
            assert is_cut_off(client)
        held.set()


def test_stopping_lets_a_password_be_checked_and_answers(
    server: Running, held: threading.Event
) -> None:
    with send(server, "alice:right") as client:
        wait_for("the request", lambda: server.site.connections.busy)
        stopper = threading.Thread(target=server.server.stop)
        stopper.start()
        wait_for("the end to begin", lambda: not is_listening(server))
        time.sleep(0.3)
        held.set()

        assert status(client) == 200
        stopper.join()


def test_stopping_does_not_wait_for_a_check_without_end(
    server: Running,
    held: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The one that runs, and one in the queue."""
    monkeypatch.setattr("exporter.web.server._DRAIN_SECONDS", 0.3)
    with send(server, "alice:right") as first, send(server, "alice:wrong") as second:
        wait_for("the requests", lambda: server.site.connections.busy)
        serving = threads("web")
        server.server.stop()

        assert len(serving - threads("web")) == 1
        assert is_cut_off(first)
        assert is_cut_off(second)
    held.set()
    wait_for("the check to end", lambda: not threads("bcrypt_0"))
    assert caplog.text == ""


def threads(name: str) -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == name}


def is_listening(server: Running) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
    except OSError:
        return False
    return True


def test_only_so_many_of_one_address_wait_for_a_check(
    certificates: Certificates, held: threading.Event
) -> None:
    """The next is told so at once; the known and other addresses are not concerned."""
    config = certificates.config(users={"alice": "right", "known": "quick"})
    with running(web_config=config) as server, ExitStack() as stack:
        assert server.ask("/", auth=("known", "quick")).status_code == 200
        crowd = [
            stack.enter_context(send(server, f"alice:wrong{n}")) for n in range(MOST_WAITING + 1)
        ]
        (refused,), _, _ = select.select(crowd, [], [], 10)
        answer = refused.recv(4096)
        crowd.remove(refused)
        other = stack.enter_context(send(server, "alice:right", source="127.0.0.2"))

        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"\r\n\r\nToo many passwords" in answer
        assert server.ask("/", auth=("known", "quick")).status_code == 200
        assert server.ask("/", auth=("known", "wrong")).status_code == 429
        held.set()
        assert [status(client) for client in crowd] == [401] * MOST_WAITING
        assert status(other) == 200


def test_no_user_is_left_in_by_an_empty_file(
    server: Running, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """As a full disk leaves it: rewritten, and nothing in it."""
    (certificates.folder / "web.yaml").write_text("")

    wait_for("the complaint", lambda: "a restart is needed to switch auth" in caplog.text)

    assert server.ask("/metrics").status_code == 401
    assert server.ask("/metrics", auth=("alice", "right")).status_code == 200


def test_authentication_is_switched_on_without_a_restart(certificates: Certificates) -> None:
    with running(web_config=certificates.config()) as server, requests.Session() as kept:
        assert kept.get(server.url, timeout=5).status_code == 200

        certificates.config(users={"alice": "right"})

        wait_for_change("a password to be needed", lambda: server.ask("/").status_code == 401)
        assert kept.get(server.url, timeout=5).status_code == 401
