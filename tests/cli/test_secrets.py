"""A whole run with a service principal; then no trace of its secret or token is anywhere."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from exporter.simulator import HttpError, Simulator, sized_fleet
from tests.processes import daemon, run, wait_for
from tests.sign_in import TENANT, SignIn, a_token_of

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cret-of-the-service-principal"

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
