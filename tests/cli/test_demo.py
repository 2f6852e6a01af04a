"""``demo`` as a user starts it."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from exporter.simulator import Simulator, Stall, sized_fleet
from tests.processes import daemon, run, wait_for
from tests.steering import config_text

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.stack
@pytest.mark.alone
def test_the_demo_has_data_within_two_seconds(tmp_path: Path) -> None:
    """Two seconds from the start of serving; loading the program is the machine's affair."""
    with daemon("demo", log=tmp_path / "log") as demo:
        started = time.monotonic()
        wait_for("sizes", lambda: bool(demo.samples("azure_backup_last_job_backup_size_bytes")))
        assert time.monotonic() - started < 2


def test_the_demo_lives_on(tmp_path: Path) -> None:
    with daemon("demo", log=tmp_path / "log") as demo:
        wait_for("readiness", lambda: demo.get("/-/ready").status_code == 200)

        assert list(demo.samples("azure_backup_vault_up").values()) == [1, 1, 1]
        before = set(demo.samples("azure_backup_job_status"))
        wait_for("a change", lambda: set(demo.samples("azure_backup_job_status")) != before)
        assert demo.stopped() == 0


def test_serve_reads_reloads_and_stops(tmp_path: Path) -> None:
    """SIGHUP with a good file, then with a bad one; SIGTERM while Azure keeps it waiting."""
    with Simulator(fleet=sized_fleet(vaults=2, jobs=16)) as azure:
        config = tmp_path / "config.yaml"
        one = f"\n  - id: {azure.vault_ids[0]}"
        refresh = "{interval: 1s}"
        config.write_text(config_text(azure, vaults=one, refresh=refresh))
        arguments = ("serve", f"--config.file={config}")
        with daemon(*arguments, log=tmp_path / "log", environment=azure.identity_environ) as serve:
            wait_for(
                "the vault", lambda: list(serve.samples("azure_backup_vault_up").values()) == [1]
            )

            config.write_text(config_text(azure, refresh=refresh))
            serve.signal(signal.SIGHUP)
            wait_for("both", lambda: len(serve.samples("azure_backup_vault_up")) == 2)

            config.write_text("vaults: []\nazur: {}\n")
            serve.signal(signal.SIGHUP)
            ok = "azure_backup_exporter_config_last_reload_successful"
            wait_for("the refusal", lambda: list(serve.samples(ok).values()) == [0])
            assert "azur: unknown key; did you mean azure?" in serve.log
            assert len(serve.samples("azure_backup_vault_up")) == 2

            azure.inject(Stall())
            wait_for("a read that hangs", lambda: azure.stalled > 0)
            assert serve.stopped(within_seconds=2) == 0


def test_without_a_token_the_page_is_served_and_says_why(tmp_path: Path) -> None:
    with Simulator(fleet=sized_fleet(vaults=1, jobs=8)) as azure:
        config = tmp_path / "config.yaml"
        config.write_text(config_text(azure))
        wrong = {**azure.identity_environ, "IDENTITY_HEADER": "another"}
        arguments = ("serve", f"--config.file={config}")
        with daemon(*arguments, log=tmp_path / "log", environment=wrong) as serve:
            wait_for("the end of the first refresh", lambda: serve.get("/-/ready").ok)

            assert list(serve.samples("azure_backup_vault_up").values()) == [0]
            kinds = serve.samples("azure_backup_vault_refresh_errors_total")
            assert [kind for kind, count in kinds.items() if count and "unauthorized" in kind]
            wait_for("the reason", lambda: "no token for" in serve.log)
            assert "check azure.credential" in serve.log


def test_once_prints_the_page_and_fails_if_a_vault_could_not_be_read(tmp_path: Path) -> None:
    with Simulator(fleet=sized_fleet(vaults=2, jobs=16)) as azure:
        config = tmp_path / "config.yaml"
        config.write_text(config_text(azure))
        good = run("once", f"--config.file={config}", **azure.identity_environ)
        missing = f"{azure.vault_ids[0]}\n  - id: {azure.vault_ids[1]}x"
        config.write_text(config_text(azure, vaults=f"\n  - id: {missing}"))
        bad = run("once", f"--config.file={config}", **azure.identity_environ)

    assert good.returncode == 0
    assert good.stdout.count("azure_backup_vault_up{") == 2
    assert "azure_backup_last_job_backup_size_bytes{" in good.stdout
    assert "process_cpu_seconds_total" not in good.stdout
    assert bad.returncode == 1
    assert 'vault="vault-0001x"} 0' in bad.stdout
    assert "azure_backup_last_job_info{" in bad.stdout
    assert "What to do: check subscription, resource group and name" in bad.stderr


def test_logs_are_one_json_object_a_line_if_asked_for(tmp_path: Path) -> None:
    with Simulator(fleet=sized_fleet(vaults=1, jobs=8)) as azure:
        config = tmp_path / "config.yaml"
        config.write_text(config_text(azure))
        environment = {**azure.identity_environ, "AZURE_BACKUP_EXPORTER_LOG_FORMAT": "json"}
        lines = run("once", f"--config.file={config}", **environment).stderr.splitlines()

    [record] = [json.loads(line) for line in lines]
    assert record["message"] == "first fill done"
    assert record["level"] == "INFO"
    assert record["vaults"] == 1
    assert {"time", "logger", "took"} <= record.keys()


def test_a_health_check_finds_a_living_exporter(tmp_path: Path) -> None:
    with daemon("demo", log=tmp_path / "log") as demo:
        port = demo.url.rpartition(":")[2]
        for address in (f"127.0.0.1:{port}", f":{port}", f"0.0.0.0:{port}"):
            asked = run(
                "healthcheck", f"--web.listen-address={address}", http_proxy="http://[::1]:9"
            )
            assert asked.returncode == 0
