"""Basic authentication."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.web.running import Running, bcrypt_hash, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.web.running import Certificates

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


def test_an_unknown_name_takes_as_long_as_a_known_one(tmp_path: Path) -> None:
    config = tmp_path / "web.yaml"
    config.write_text(yaml.safe_dump({"basic_auth_users": {"alice": bcrypt_hash("right", 10)}}))

    def best_of_three(server: Running, name: str) -> float:
        seconds = []
        for attempt in range(3):
            started = time.monotonic()
            assert server.ask("/", auth=(name, f"wrong{attempt}")).status_code == 401
            seconds.append(time.monotonic() - started)
        return min(seconds)

    with running(web_config=config) as server:
        known, unknown = best_of_three(server, "alice"), best_of_three(server, "bob")

    assert known / 2 < unknown < known * 2


def test_a_flood_of_wrong_passwords_does_not_delay_the_known(tmp_path: Path) -> None:
    config = tmp_path / "web.yaml"
    config.write_text(yaml.safe_dump({"basic_auth_users": {"alice": bcrypt_hash("right", 10)}}))
    with running(web_config=config) as server, ThreadPoolExecutor(20) as pool:
        assert server.ask("/-/healthy", auth=("alice", "right")).status_code == 200
        wrong = [pool.submit(_ask_wrongly, server, str(n)) for n in range(20)]
        started = time.monotonic()
        assert server.ask("/-/healthy", auth=("alice", "right")).status_code == 200
        assert time.monotonic() - started < 0.5
        assert {future.result() for future in wrong} <= {401, 0}


def _ask_wrongly(server: Running, password: str) -> int:
    """The answer; 0 when the server had no patience left to compute it."""
    try:
        return server.ask("/metrics", auth=("alice", password)).status_code
    except OSError:
        return 0
