"""What is logged of many vaults at once."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from exporter.simulator import HttpError, Simulator, sized_fleet
from tests.processes import daemon, run, wait_for
from tests.steering import config_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def azure() -> Iterator[Simulator]:
    with Simulator(fleet=sized_fleet(vaults=12, jobs=24)) as azure:
        yield azure


@pytest.fixture
def config(azure: Simulator, tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(config_text(azure, refresh="{interval: 1s}"))
    return f"--config.file={path}"


def test_one_reason_for_all_vaults_is_one_line(
    azure: Simulator, config: str, tmp_path: Path
) -> None:
    with daemon("serve", config, log=tmp_path / "log", environment=azure.identity_environ) as serve:
        wait_for("readiness", lambda: serve.get("/-/ready").ok)
        fault = azure.inject(HttpError("unavailable"), api="list")
        wait_for("the line", lambda: "vaults cannot be read: Azure answered 503" in serve.log)
        other = azure.inject(HttpError("forbidden"), api="list", vault_id=azure.vault_ids[3])
        fault.clear()
        wait_for("the end", lambda: re.search("[0-9]+ vaults are read", serve.log) is not None)
        wait_for("the other", lambda: "Azure answered 403" in serve.log)
        other.clear()
        lines = [line for line in serve.log.splitlines() if "cannot be read" in line]

    of_all = [line for line in lines if "vaults cannot be read" in line]
    assert 1 <= len(of_all) <= 3
    assert max(int(re.findall("([0-9]+) vaults cannot", line)[0]) for line in of_all) >= 4
    assert all(re.search(r'vault_name="vault-00\d\d, vault-00\d\d', line) for line in of_all)
    [forbidden] = [line for line in lines if "Azure answered 403" in line]
    assert "vault-0003" in forbidden


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_what_waits_to_be_told_is_told_at_the_end(azure: Simulator, config: str, form: str) -> None:
    azure.inject(HttpError("forbidden"), api="list")
    ended = run("once", config, f"--log.format={form}", **azure.identity_environ)
    told = [line for line in ended.stderr.splitlines() if "cannot be read" in line]

    assert sum("12 vaults cannot be read" in line for line in told) == 1
    assert "assign the role Backup Reader on each of them" in told[0]
    assert "alike" not in ended.stderr
    if form == "json":
        assert json.loads(told[0])["kind"] == "forbidden"
        assert json.loads(told[0])["vault_name"].endswith("and 2 more")
        assert UUID(json.loads(told[0])["request_id"])
    else:
        assert re.search("request_id=[0-9a-f-]{36} ", told[0])


def test_a_reload_that_fails_shows_on_the_page_until_one_works(
    azure: Simulator, config: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    good = path.read_text()
    with daemon("serve", config, log=tmp_path / "log", environment=azure.identity_environ) as serve:
        path.write_text("azur: {}\n")
        serve.signal(signal.SIGHUP)
        wait_for("the refusal", lambda: "did you mean azure?" in serve.get("/").text)
        assert "what was in force before still is" in serve.get("/").text

        path.write_text(good)
        serve.signal(signal.SIGHUP)
        wait_for("its end", lambda: "did you mean azure?" not in serve.get("/").text)
