"""A whole run with a service principal; then no trace of its secret or token is anywhere."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from exporter.simulator import HttpError, Simulator, sized_fleet
from tests.processes import ROOT, daemon, run, wait_for
from tests.sign_in import TENANT, SignIn, a_token_of

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.simulator.answers import Answer
    from exporter.simulator.faults import Circumstances

SECRET = "s3cret~of/the+service=principal"

CONFIG = """
azure:
  cloud: custom
  resource_manager: {azure}
  authority: {authority}
  scope: {azure}/.default
  credential: {{type: client_secret, tenant_id: {tenant}, client_id: app, client_secret: {secret}}}
refresh: {{interval: 1s}}
state: {{path: {state}}}
vaults:
  - id: {vault}
"""


PASSWORD = "Tresor42#x/y?z"

OF_A_PROXY = """
azure:
  cloud: custom
  resource_manager: https://arm.example
  authority: https://localhost
  scope: https://arm.example/.default
  credential: {{type: managed_identity}}
  timeout: 1s
state: {{path: {state}}}
vaults:
  - {{subscription_id: s, resource_group: g, name: v}}
"""


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_no_part_of_a_proxys_password_is_shown(tmp_path: Path, scheme: str) -> None:
    """``#`` ends the host for a parser of URLs: then the password would be told as the port."""
    config = tmp_path / "config.yaml"
    config.write_text(OF_A_PROXY.format(state=tmp_path / "state.db"))
    proxy = f"{scheme}svc-mon:{PASSWORD}@127.0.0.1:9"
    with Simulator(fleet=sized_fleet(vaults=1, jobs=1)) as azure:
        environment = {"HTTPS_PROXY": proxy, "https_proxy": proxy, **azure.identity_environ}
        traces = []
        for command in ("check-access", "jobs", "once", "diagnose"):
            ended = run(command, f"--config.file={config}", **environment)
            traces.append(ended.stdout + ended.stderr)
        arguments = ("serve", f"--config.file={config}", "--log.level=debug")
        with daemon(*arguments, log=tmp_path / "log", environment=environment) as serve:
            wait_for("the fault", lambda: "cannot be read" in serve.log)
            traces += [serve.get(path).text for path in ("/metrics", "/")]
            serve.stopped()
            traces.append(serve.log)

    told = "Unable to connect to proxy" in traces[0] or "refused" in traces[0]
    assert told, traces[0]
    for trace in traces:
        for part in ("Tresor42", "#x", "x/y", "y?z", "%23x", "?z@"):
            assert part not in trace


def test_what_a_peer_sends_back_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azure Resource Manager the header, the token endpoint the form, as they came in."""
    (tmp_path / "tls").mkdir()
    sign_in = SignIn(tmp_path / "tls")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(sign_in.ca_file))
    config = tmp_path / "config.yaml"
    traces: list[str] = []
    try:
        with Simulator(fleet=sized_fleet(vaults=1, jobs=8)) as azure:
            sign_in.token = a_token_of(azure)
            config.write_text(
                CONFIG.format(
                    azure=azure.url,
                    authority=sign_in.url,
                    tenant=TENANT,
                    secret=SECRET,
                    state=tmp_path / "state.db",
                    vault=azure.vault_ids[0],
                )
            )
            azure.inject(Echo(sign_in.token), api="list")
            commands = ("check-access", "jobs", "once", "diagnose")
            for command in commands:
                ended = run(command, f"--config.file={config}")
                traces.append(ended.stdout + ended.stderr)
            form = urlencode({"client_id": "app", "client_secret": SECRET, "scope": "x"})
            sign_in.refusal = f"AADSTS7000215: refused, you sent {form} and {SECRET!r}"
            for command in commands:
                ended = run(command, f"--config.file={config}")
                traces.append(ended.stdout + ended.stderr)
            arguments = ("serve", f"--config.file={config}", "--log.level=debug")
            with daemon(*arguments, log=tmp_path / "log") as serve:
                wait_for("the fault", lambda: "cannot be read" in serve.log)
                sign_in.refusal = ""
                traces += [serve.get(path).text for path in ("/metrics", "/")]
                serve.stopped()
                traces.append(serve.log)
    finally:
        sign_in.close()

    assert "you sent Authorization: Bearer [hidden]" in traces[0]
    assert "client_secret=[hidden]" in traces[len(commands)]
    for trace in traces:
        for secret in (SECRET, quote(SECRET, safe=""), sign_in.token):
            assert secret not in trace


@dataclass(frozen=True)
class Echo:
    """A 403 whose message holds the header that came with the request."""

    token: str

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The 403 instead."""
        message = f"you sent Authorization: Bearer {self.token}"
        body = {"error": {"code": "AuthorizationFailed", "message": message}}
        return replace(answer, status=403, body=json.dumps(body).encode())


def test_no_secret_and_no_token_is_left_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs at debug level, pages, errors of a bad reload, and the state file."""
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "tls").mkdir()
    sign_in = SignIn(tmp_path / "tls")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(sign_in.ca_file))
    config = tmp_path / "config.yaml"
    traces: list[bytes] = []
    try:
        with Simulator(fleet=sized_fleet(vaults=1, jobs=8)) as azure:
            sign_in.token = a_token_of(azure)
            good = CONFIG.format(
                azure=azure.url,
                authority=sign_in.url,
                tenant=TENANT,
                secret=SECRET,
                state=state / "state.db",
                vault=azure.vault_ids[0],
            )
            config.write_text(good)
            arguments = ("serve", f"--config.file={config}", "--log.level=debug")
            with daemon(*arguments, log=tmp_path / "log") as serve:
                sizes = "azure_backup_last_job_backup_size_bytes"
                wait_for("data", lambda: bool(serve.samples(sizes)))
                azure.inject(HttpError("unauthorized"), times=2)
                kinds = "azure_backup_vault_refresh_errors_total"
                wait_for("a fault", lambda: any(serve.samples(kinds).values()))
                config.write_text(good + f"  - [{SECRET}]\nazur: {SECRET}\n")
                serve.signal(signal.SIGHUP)
                wait_for("a refusal", lambda: "stays in force" in serve.log)
                traces += [serve.get(path).content for path in ("/metrics", "/", "/-/ready")]
                assert serve.stopped() == 0
            traces.append(serve.log.encode())
            checked = run("check-config", str(config))
            traces += [checked.stdout.encode(), checked.stderr.encode()]
            stored = [path.read_bytes() for path in state.iterdir()]
            assert stored
            traces += stored
    finally:
        sign_in.close()

    assert any(asked.get("client_secret") == SECRET for asked in sign_in.asked)
    for trace in traces:
        assert SECRET.encode() not in trace
        assert sign_in.token.encode() not in trace


def test_a_traceback_is_masked_too(tmp_path: Path) -> None:
    """Of a fault of ours, in whatever thread."""
    program = tmp_path / "broken.py"
    program.write_text(
        "import threading\n"
        "from exporter import cli, masking\n"
        f"masking.hide({SECRET!r})\n"
        f"def fail(*_): raise RuntimeError({SECRET!r})\n"
        "cli.import_module = lambda name: threading.Thread(target=fail).start() or fail()\n"
        "cli.main(['config-schema'])\n"
    )
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, str(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert ended.stderr.count("RuntimeError: [hidden]") == 2
    assert SECRET not in ended.stderr
