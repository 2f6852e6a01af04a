"""``diagnose``: a report that helps, with nothing in it that must not be posted."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exporter import __version__
from exporter.cli.report import Aliases
from exporter.simulator import HtmlPage, HttpError, ReshapedJobs, Simulator, sized_fleet
from tests.processes import run
from tests.sign_in import TENANT, SignIn, a_token_of
from tests.steering import config_text
from tests.terminals import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.simulator import Fault

SECRET = "s3cret-of-the-service-principal"
CLIENT = "client-id-of-the-app"
GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-", re.IGNORECASE)


@pytest.fixture
def azure() -> Iterator[Simulator]:
    with Simulator(fleet=sized_fleet(vaults=3, jobs=3, subscriptions=2)) as simulator:
        yield simulator


@pytest.fixture
def sign_in(tmp_path: Path) -> Iterator[SignIn]:
    server = SignIn(tmp_path)
    yield server
    server.close()


@pytest.fixture
def config(azure: Simulator, sign_in: SignIn, tmp_path: Path) -> str:
    """A service principal, with all that a report must not say."""
    sign_in.token = a_token_of(azure)
    azure.clear_requests()
    subscription = azure.vault_ids[0].split("/")[2]
    path = tmp_path / "config.yaml"
    text = config_text(
        azure,
        discovery=f"\n  - subscription_id: {subscription}\n    include: {{name: vault-0.*}}",
        state=f"{{path: {tmp_path / 'state.db'}}}",
    ).replace("https://localhost", sign_in.url)
    who = f"tenant_id: {TENANT}, client_id: {CLIENT}, client_secret: {SECRET}"
    path.write_text(text.replace("{type: managed_identity}", f"{{type: client_secret, {who}}}"))
    return f"--config.file={path}"


def unspeakable(azure: Simulator, sign_in: SignIn, tmp_path: Path) -> list[str]:
    names = [name for vault_id in azure.vault_ids for name in vault_id.split("/")[2::2]]
    names = [name for name in names if name != "Microsoft.RecoveryServices"]
    return [SECRET, CLIENT, TENANT, sign_in.token, str(tmp_path), *names]


@pytest.mark.parametrize(
    "fault",
    [
        None,
        HttpError("forbidden"),
        HttpError("vault_not_found"),
        HttpError("not_registered"),
        HtmlPage(),
    ],
)
def test_no_secret_no_token_no_id_and_no_name_is_in_it(
    azure: Simulator, sign_in: SignIn, config: str, tmp_path: Path, fault: Fault | None
) -> None:
    """Azure's own sentences name vaults and clients, so none of them is repeated."""
    forbidden = unspeakable(azure, sign_in, tmp_path)
    if fault:
        azure.inject(fault)
    ended = run("diagnose", config, REQUESTS_CA_BUNDLE=str(sign_in.ca_file))

    report = ended.stdout + ended.stderr
    assert ended.returncode == 0
    assert [text for text in forbidden if text.lower() in report.lower()] == []
    assert not GUID.search(report)
    assert "127.0.0.1" not in report
    assert "sign-in: works" in report


def test_it_says_what_a_report_needs(azure: Simulator, sign_in: SignIn, config: str) -> None:
    azure.inject(HttpError("forbidden"), vault_id=azure.vault_ids[1])
    report = run("diagnose", config, REQUESTS_CA_BUNDLE=str(sign_in.ca_file)).stdout

    assert f"azure-backup-exporter {__version__}" in report
    assert "CPython 3." in report
    assert "credential client_secret (client_id, client_secret, tenant_id)" in report
    assert "3 vault(s) in 2 subscription(s)" in report
    assert "discovery: by subscription_id, source arm, filters: include.name" in report
    assert re.search(r"Resource Manager: reached in \d+ ms \(HTTP 401 without a token\)", report)
    assert re.search(r"sign-in: reached in \d+ ms", report)
    assert re.search(r"job list of subscription-1/group-1/vault-1: works \(\d+ ms\)", report)
    assert len(re.findall(r"missing role \(403 AuthorizationFailed, \d+ ms\)", report)) == 1


def test_a_refused_sign_in_is_told_by_its_code(
    sign_in: SignIn, config: str, azure: Simulator
) -> None:
    sign_in.refusal = f"AADSTS7000215: Invalid client secret for app '{CLIENT}' in {TENANT}."
    report = run("diagnose", config, REQUESTS_CA_BUNDLE=str(sign_in.ca_file)).stdout

    assert "sign-in: no token (AADSTS7000215, " in report
    assert CLIENT not in report
    assert TENANT not in report
    assert [one.api for one in azure.requests] == ["other"]


def test_hosts_that_cannot_be_reached_are_told_with_the_reason(config: str) -> None:
    """The certificate of the sign-in is not trusted here."""
    report = run("diagnose", config).stdout

    assert "sign-in: not reached (TLS)" in report
    assert "sign-in: network (TLS, " in report


def test_a_bad_configuration_is_counted_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"azur: {SECRET}\n{SECRET}: x\n")
    ended = run("diagnose", f"--config.file={path}")

    assert ended.returncode == 2
    assert "cannot be used: " in ended.stdout
    assert f"azure-backup-exporter {__version__}" in ended.stdout
    assert SECRET not in ended.stdout + ended.stderr


def test_variables_are_named_without_their_values(config: str, sign_in: SignIn) -> None:
    report = run(
        "diagnose",
        config,
        REQUESTS_CA_BUNDLE=str(sign_in.ca_file),
        AZURE_CLIENT_SECRET="another-s3cret",
        NO_PROXY="host-of-ours",
        no_proxy="",
    ).stdout

    assert "NO_PROXY, REQUESTS_CA_BUNDLE" in report
    assert "AZURE_CLIENT_SECRET" in report
    assert "another-s3cret" not in report
    assert "host-of-ours" not in report


def test_a_terminal_shows_the_same(sign_in: SignIn, config: str) -> None:
    environment = {"REQUESTS_CA_BUNDLE": str(sign_in.ca_file)}
    with Terminal("diagnose", config, environment=environment) as terminal:
        assert terminal.ended() == 0

    assert "sign-in: works" in terminal.text


def test_a_name_keeps_its_number() -> None:
    aliases = Aliases()
    base = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.RecoveryServices/vaults/{}"

    assert aliases.scope(base.format("s", "g", "v")) == "subscription-1/group-1/vault-1"
    assert aliases.scope(base.format("t", "g", "v")) == "subscription-2/group-2/vault-2"
    assert aliases.scope(base.format("S", "G", "w")) == "subscription-1/group-1/vault-3"
    assert aliases.scope("/subscriptions/t") == "subscription-2"
    group = "/providers/Microsoft.Management/managementGroups/m"
    assert aliases.scope(group) == "management-group-1"


def test_help_has_an_example() -> None:
    assert "example:\n  azure-backup-exporter diagnose" in run("diagnose", "--help").stdout


@pytest.mark.parametrize("brings", [True, False])
def test_it_says_whether_rows_of_resource_graph_bring_details(tmp_path: Path, brings: bool) -> None:
    """Nobody has published such a row, so that every report may be the first to show one."""
    extended = {"tasksList": [{"taskId": "Take Snapshot", "status": "Completed"}]}

    def shape(row: dict[str, Any]) -> dict[str, Any]:
        more = {"extendedInfo": extended} if brings else {}
        return {**row, "properties": {**row["properties"], **more}}

    with Simulator(fleet=sized_fleet(vaults=2, jobs=6, every=timedelta(hours=2))) as simulator:
        simulator.inject(ReshapedJobs(shape), api="graph")
        path = tmp_path / "graph.yaml"
        scope = "[{management_group: mg-sized, source: resource_graph}]"
        path.write_text(config_text(simulator, vaults="[]", discovery=scope))
        ended = run("diagnose", f"--config.file={path}", **simulator.identity_environ)

    found = re.search("job rows of management-group-1: ([0-9]+) of ([0-9]+) with", ended.stdout)
    assert found
    assert int(found[2]) > 0
    assert found[1] == (found[2] if brings else "0")
