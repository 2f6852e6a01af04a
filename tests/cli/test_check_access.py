"""``check-access`` as an operator runs it before the first start."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from exporter.simulator import EmptyList, HttpError, Simulator, sized_fleet
from tests.processes import IDS, run
from tests.sign_in import TENANT, SignIn
from tests.steering import config_text
from tests.terminals import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def azure() -> Iterator[Simulator]:
    with Simulator(fleet=sized_fleet(vaults=3, jobs=3)) as simulator:
        yield simulator


def flag(folder: Path, text: str) -> str:
    path = folder / "config.yaml"
    path.write_text(text)
    return f"--config.file={path}"


def test_all_is_well(azure: Simulator, tmp_path: Path) -> None:
    config = flag(tmp_path, config_text(azure))
    ended = run("check-access", config, **azure.identity_environ)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Everything that is configured can be read." in ended.stdout
    assert [one.api for one in azure.requests] == ["token", *["list"] * 3]


def test_a_missing_role_and_a_missing_vault_are_told_apart(
    azure: Simulator, tmp_path: Path
) -> None:
    first, second, third = azure.vault_ids
    azure.inject(HttpError("forbidden"), vault_id=second)
    config = flag(tmp_path, config_text(azure))
    azure.remove_vault(third)
    ended = run("check-access", config, **azure.identity_environ)

    verdicts = {line.split()[-1]: line for line in ended.stdout.splitlines() if line}
    assert ended.returncode == 1
    assert verdicts[first].startswith("works ")
    assert f"missing role   job list        {second}  (Azure answered 403" in ended.stdout
    assert f"not found      job list        {third}  (Azure answered 404" in ended.stdout
    assert len(re.findall(f"; for Azure's support: {IDS}\\)\n", ended.stdout)) == 2
    assert 'az role assignment create --role "Backup Reader"' in ended.stdout
    assert f"--scope {second}\n" in ended.stdout
    assert f"--scope {third}\n" not in ended.stdout
    assert "check name and resource group" in ended.stdout
    assert "Everything" not in ended.stdout


def test_a_subscription_that_is_not_registered_comes_with_the_command(
    azure: Simulator, tmp_path: Path
) -> None:
    """It is neither Azure's fault nor ours: nobody there has used Azure Backup yet."""
    first = azure.vault_ids[0]
    azure.inject(HttpError("not_registered"), vault_id=first)
    ended = run("check-access", flag(tmp_path, config_text(azure)), **azure.identity_environ)

    assert f"not found      job list        {first}  (Azure answered 409" in ended.stdout
    subscription = first.split("/")[2]
    command = "az provider register --namespace Microsoft.RecoveryServices --subscription"
    assert f"   {command} {subscription}\n" in ended.stdout
    assert "report it" not in ended.stdout


def test_without_a_token_nothing_else_is_asked(azure: Simulator, tmp_path: Path) -> None:
    config = flag(tmp_path, config_text(azure))
    wrong = {**azure.identity_environ, "IDENTITY_HEADER": "wrong"}
    ended = run("check-access", config, **wrong)

    assert ended.returncode == 1
    assert "no token       sign-in" in ended.stdout
    assert ended.stdout.count("not asked") == 3
    assert {one.api for one in azure.requests} == {"token"}


@pytest.mark.parametrize(
    ("refusal", "verdict", "advice"),
    [
        ("AADSTS90002: Tenant not found.", "wrong tenant", "check azure.credential.tenant_id"),
        ("AADSTS7000215: Invalid client secret.", "no token", "the client secret is wrong"),
    ],
)
def test_sign_in_says_what_is_wrong(
    azure: Simulator,
    tmp_path: Path,
    refusal: str,
    verdict: str,
    advice: str,
) -> None:
    sign_in = SignIn(tmp_path)
    sign_in.refusal = refusal
    text = config_text(azure).replace("https://localhost", sign_in.url)
    credential = (
        f"{{type: client_secret, tenant_id: {TENANT}, client_id: c, client_secret: s3cret}}"
    )
    config = flag(tmp_path, text.replace("{type: managed_identity}", credential))
    try:
        ended = run("check-access", config, REQUESTS_CA_BUNDLE=str(sign_in.ca_file))
    finally:
        sign_in.close()

    assert ended.returncode == 1
    assert f"{verdict:13}  sign-in" in ended.stdout
    assert advice in ended.stdout
    assert "s3cret" not in ended.stdout + ended.stderr


def test_a_port_where_nobody_listens_is_the_network(azure: Simulator, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    text = config_text(azure).replace(azure.url, f"http://127.0.0.1:{port}")
    ended = run("check-access", flag(tmp_path, text), **azure.identity_environ)

    assert ended.returncode == 1
    assert "works          sign-in" in ended.stdout
    assert ended.stdout.count("network        job list") == 1
    assert ended.stdout.count("not asked      job list") == 2
    assert "nobody listens there" in ended.stdout


def test_a_certificate_that_is_not_trusted_is_the_network(azure: Simulator, tmp_path: Path) -> None:
    server = SignIn(tmp_path)
    try:
        text = config_text(azure).replace(azure.url, server.url)
        ended = run("check-access", flag(tmp_path, text), **azure.identity_environ)
    finally:
        server.close()

    assert ended.returncode == 1
    assert "network        job list" in ended.stdout
    assert "REQUESTS_CA_BUNDLE" in ended.stdout


def test_discovery_is_asked_and_a_sample_of_what_it_finds(tmp_path: Path) -> None:
    with Simulator(fleet=sized_fleet(vaults=22, jobs=22)) as azure:
        scope = azure.vault_ids[0].split("/")[2]
        vaults = f"\n  - id: {azure.vault_ids[0]}"
        discovery = f"\n  - subscription_id: {scope}"
        config = flag(tmp_path, config_text(azure, vaults=vaults, discovery=discovery))
        sample = run("check-access", config, **azure.identity_environ)
        asked = [one.api for one in azure.requests]
        everything = run("check-access", config, "--all", **azure.identity_environ)

    assert (sample.returncode, everything.returncode) == (0, 0)
    assert asked == ["token", "list", "vaults", *["list"] * 19]
    assert "(22 of 22 vault(s) chosen, 2 of them not asked)" in sample.stdout
    assert everything.stdout.count("job list") == 22


def test_a_search_that_is_forbidden_or_finds_nothing_names_the_role(
    azure: Simulator, tmp_path: Path
) -> None:
    """Resource Graph answers with nothing where a right is missing."""
    scope = "/".join(azure.vault_ids[0].split("/")[:3])
    entry = f"\n  - subscription_id: {scope.rpartition('/')[2]}"
    azure.inject(EmptyList(), api="graph")
    azure.inject(HttpError("forbidden"), api="vaults")
    discovery = f"{entry}\n    source: resource_graph{entry}"
    config = flag(tmp_path, config_text(azure, vaults=" []", discovery=discovery))
    ended = run("check-access", config, **azure.identity_environ)

    assert ended.returncode == 1
    assert "nothing found  Resource Graph" in ended.stdout
    assert "missing role   vault list" in ended.stdout
    assert ended.stdout.count(f"--scope {scope}\n") == 2


def test_a_terminal_gets_a_table_and_commands_in_one_piece(
    azure: Simulator, tmp_path: Path
) -> None:
    azure.inject(HttpError("forbidden"), vault_id=azure.vault_ids[0])
    config = flag(tmp_path, config_text(azure))
    with Terminal(
        "check-access", config, environment=azure.identity_environ, columns=80
    ) as terminal:
        assert terminal.ended() == 1

    assert "\x1b[32mworks" in terminal.raw
    assert f"--scope {azure.vault_ids[0]}\n" in terminal.text


def test_a_narrow_terminal_gets_lines_which_it_can_wrap(azure: Simulator, tmp_path: Path) -> None:
    config = flag(tmp_path, config_text(azure))
    with Terminal(
        "check-access", config, environment=azure.identity_environ, columns=40
    ) as terminal:
        assert terminal.ended() == 0

    assert f"works          job list        {azure.vault_ids[0]}\n" in terminal.text


def test_a_bad_configuration_ends_with_2(tmp_path: Path) -> None:
    assert run("check-access", flag(tmp_path, "vaults: []\n")).returncode == 2


def test_help_has_an_example() -> None:
    assert "example:\n  azure-backup-exporter check-access" in run("check-access", "--help").stdout
