"""How ``serve`` and ``demo`` begin: what is read and told before anybody is answered."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import requests
import trustme

from exporter import __version__
from tests.processes import ROOT, daemon, run, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VAULT = "vaults: [{subscription_id: s, resource_group: g, name: v}]\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(VAULT)
    return path


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that somebody else listens on, and how often it was called at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("text", "web", "told"),
    [
        ("azur: {}\n" + VAULT, None, "azur: unknown key; did you mean azure?"),
        (VAULT, "tls_server_config: {cert_file: missing.pem}", "key_file is required"),
        (VAULT, "junk", "model"),
    ],
)
def test_no_port_is_opened_before_both_files_are_found_good(
    tmp_path: Path, taken: str, text: str, web: str | None, told: str
) -> None:
    """Exit 2, though the port is taken: it was not tried."""
    path, web_path = tmp_path / "config.yaml", tmp_path / "web.yaml"
    path.write_text(text)
    arguments = ["serve", f"--config.file={path}", f"--web.listen-address={taken}"]
    if web is not None:
        web_path.write_text(web)
        arguments.append(f"--web.config.file={web_path}")
    ended = run(*arguments)

    assert ended.returncode == 2
    assert told in ended.stderr or "write a section" in ended.stderr
    assert "listen" not in ended.stderr


def test_the_demo_refuses_a_bad_web_file_as_well(tmp_path: Path, taken: str) -> None:
    (tmp_path / "web.yaml").write_text("basic_auth_users: {alice: secret-in-clear}")
    web = f"--web.config.file={tmp_path / 'web.yaml'}"
    ended = run("demo", f"--web.listen-address={taken}", web)

    assert ended.returncode == 2
    assert "htpasswd" in ended.stderr
    assert "is served" not in ended.stdout


def test_an_address_that_is_taken_is_named_and_no_other_stays_open(
    config: Path, taken: str
) -> None:
    free = "--web.listen-address=127.0.0.1:0"
    ended = run("serve", f"--config.file={config}", free, f"--web.listen-address={taken}")

    assert ended.returncode == 1
    assert f"cannot listen on {taken}: " in ended.stderr
    assert "is served" not in ended.stdout + ended.stderr


def test_every_address_that_is_named_is_served(tmp_path: Path, config: Path) -> None:
    second = f"--web.listen-address=127.0.0.2:{free_port()}"
    with daemon("serve", f"--config.file={config}", second, log=tmp_path / "log") as serve:
        for address in (serve.url, "http://" + second.partition("=")[2]):
            assert requests.get(f"{address}/-/healthy", timeout=10).ok
        assert serve.log.count("msg=listening" if "msg=" in serve.log else "listening") == 2


def test_the_environment_may_name_several_too(tmp_path: Path, config: Path) -> None:
    ports = free_port(), free_port()
    addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "exporter", "serve", f"--config.file={config}"],
        cwd=ROOT,
        env={"PATH": "", "AZURE_BACKUP_EXPORTER_WEB_LISTEN_ADDRESS": addresses},
        stderr=subprocess.DEVNULL,
    )
    try:
        for port in ports:
            wait_for("the port", lambda port=port: is_open(port))  # type: ignore[misc]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_the_start_is_told_with_version_file_vaults_and_addresses(
    tmp_path: Path, config: Path
) -> None:
    with daemon("serve", f"--config.file={config}", log=tmp_path / "log") as serve:
        [start] = [line for line in serve.log.splitlines() if "starting" in line]
        for field in (f"version={__version__}", f"config={config}", "vaults=1", "discovery=0"):
            assert field in start
        assert "address=127.0.0.1:" in serve.log


@pytest.mark.parametrize("tls", [False, True])
def test_the_demo_says_where_it_is_served_once_it_is(tmp_path: Path, tls: bool) -> None:
    arguments = ["demo"]
    if tls:
        trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
            str(tmp_path / "server.pem")
        )
        files = "{cert_file: server.pem, key_file: server.pem}"
        (tmp_path / "web.yaml").write_text(f"tls_server_config: {files}")
        arguments.append(f"--web.config.file={tmp_path / 'web.yaml'}")
    with daemon(*arguments, log=tmp_path / "log") as demo:
        wait_for("the address", lambda: "is served at" in demo.log)
        found = re.search(r"is served at (\S+)/ until Ctrl-C", demo.log)
        assert found
        assert found[1] == demo.url
        assert found[1].startswith("https:" if tls else "http:")
        assert demo.log.index("listening") < demo.log.index("is served at")


@pytest.mark.parametrize("level", ["INFO", "Info", "info"])
def test_times_are_rfc_3339_and_levels_of_either_case(
    tmp_path: Path, config: Path, level: str
) -> None:
    arguments = ("serve", f"--config.file={config}", f"--log.level={level}")
    with daemon(*arguments, log=tmp_path / "log", environment={"TZ": "Asia/Kolkata"}) as serve:
        found = re.match(r'time="?(\S+?Z)"? ', serve.log)
        assert found
        logged = datetime.fromisoformat(found[1])
        assert abs((datetime.now(UTC) - logged).total_seconds()) < 60


def test_check_config_takes_its_file_as_the_other_commands_do(config: Path) -> None:
    for arguments in ((f"--config.file={config}",), (str(config),)):
        ended = run("check-config", *arguments)
        assert ended.returncode == 0
        assert f"{config}: fine, 1 vault(s)" in ended.stdout
