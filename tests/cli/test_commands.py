"""The commands as a user runs them: what they print, and their exit codes (SPEC 2)."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from exporter import __version__
from tests.processes import run, run_anew

VAULT = "vaults: [{subscription_id: s, resource_group: rg, name: v}]\n"


def write(folder: Path, text: str) -> str:
    path = folder / "config.yaml"
    path.write_text(text)
    return str(path)


def test_version_names_both_programs() -> None:
    assert __version__ in run_anew("--version").stdout
    assert "Python 3." in run("serve", "--version").stdout


def test_no_command_is_a_mistake_with_a_usage_line() -> None:
    ended = run()

    assert ended.returncode == 2
    assert "usage: azure-backup-exporter" in ended.stderr


def test_check_config_says_that_a_file_is_fine(tmp_path: Path) -> None:
    ended = run("check-config", write(tmp_path, VAULT))

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "fine, 1 vault(s)" in ended.stdout


@pytest.mark.parametrize(
    "command", [["check-config"], ["serve", "--config.file"], ["once", "--config.file"]]
)
def test_a_bad_file_lists_every_problem_and_ends_with_2(tmp_path: Path, command: list[str]) -> None:
    path = write(tmp_path, "vaults: []\nrefresh: {intervall: 5m}\n")
    *start, last = command
    arguments = [*start, f"{last}={path}"] if start else [last, path]

    ended = run(*arguments)

    assert ended.returncode == 2
    assert "2 problem(s)" in ended.stderr
    assert "write vaults or discovery, or both" in ended.stderr
    assert "refresh.intervall: unknown key; did you mean interval?" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "command", [["check-config"], ["serve", "--config.file"], ["once", "--config.file"]]
)
def test_a_control_character_in_a_file_is_a_problem_with_its_place(
    tmp_path: Path, command: list[str]
) -> None:
    path = write(tmp_path, f"{VAULT}state:\n  path: 'a\x1b[31m'\n")
    *start, last = command

    ended = run(*[*start, f"{last}={path}"] if start else [last, path])

    assert ended.returncode == 2
    assert "\x1b" not in ended.stderr
    message = "not YAML: line 3, column 11: U+001B may not stand in YAML; remove it"
    assert ended.stderr.endswith(f"config.yaml: 1 problem(s)\n  {message}\n")


def test_a_bad_web_configuration_lists_every_problem_and_ends_with_2(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text("tls_server_config: {cert: x}\nrate_limit: {burst: x}\n")

    ended = run(
        "serve",
        f"--config.file={write(tmp_path, VAULT)}",
        "--web.listen-address=127.0.0.1:0",
        AZURE_BACKUP_EXPORTER_WEB_CONFIG_FILE=str(path),
    )

    assert ended.returncode == 2
    assert f"{path}: 2 problem(s)" in ended.stderr
    assert "tls_server_config: key_file is required" in ended.stderr
    assert "rate_limit.burst: write a whole number" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_schema_describes_the_file(tmp_path: Path) -> None:
    schema = json.loads(run("config-schema").stdout)

    assert schema["anyOf"] == [{"required": ["vaults"]}, {"required": ["discovery"]}]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Refresh"]["properties"]["interval"]["default"] == "5m"


@pytest.mark.parametrize("address", ["127.0.0.1:{taken}", "nonsense"])
def test_a_port_that_cannot_be_bound_is_told_and_ends_with_1(tmp_path: Path, address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = address.format(taken=taken.getsockname()[1])
        ended = run(
            "serve",
            f"--config.file={write(tmp_path, VAULT)}",
            AZURE_BACKUP_EXPORTER_WEB_LISTEN_ADDRESS=listen,
        )

    assert ended.returncode == 1
    assert f"cannot listen on {listen}" in ended.stderr


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--shard.index=2", "--shard.total=2"], "--shard.index must be below --shard.total"),
        (["--shard.index=exporter-4", "--shard.total=4"], "--shard.index must be below"),
        (["--shard.index=exporter", "--shard.total=4"], "a pod's name that ends with one"),
        (["--shard.total=0"], "write a number from 1 to 9999"),
    ],
)
def test_a_shard_that_cannot_be_is_told_and_ends_with_2(flags: list[str], complaint: str) -> None:
    ended = run("serve", *flags)

    assert ended.returncode == 2
    assert complaint in ended.stderr


def test_a_credential_that_cannot_be_set_up_is_told_and_ends_with_1(tmp_path: Path) -> None:
    credential = "azure: {credential: {type: workload_identity}}\n"
    empty = dict.fromkeys(("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"), "")

    ended = run(
        "serve",
        f"--config.file={write(tmp_path, VAULT + credential)}",
        "--web.listen-address=127.0.0.1:0",
        **empty,
    )

    assert ended.returncode == 1
    assert "credential workload_identity cannot be set up" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_health_check_without_an_exporter_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    ended = run("healthcheck", f"--web.listen-address=:{port}")

    assert ended.returncode == 1
    assert f"http://127.0.0.1:{port}/-/healthy" in ended.stderr


def test_a_flag_in_the_environment_is_checked_as_on_the_command_line(tmp_path: Path) -> None:
    config = write(tmp_path, VAULT)
    ended = run("once", f"--config.file={config}", AZURE_BACKUP_EXPORTER_LOG_LEVEL="loud")

    assert ended.returncode == 2
    assert "--log.level: write one of debug, info, warning, error, not 'loud'" in ended.stderr
    assert run("check-config", config, AZURE_BACKUP_EXPORTER_LOG_LEVEL="loud").returncode == 0
