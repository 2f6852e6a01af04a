"""Start, reload and stop, as systemd and Kubernetes do them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from exporter.simulator import Simulator, Stall, sized_fleet
from tests.processes import Daemon, wait_for
from tests.stack.programs import serving, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.stack

UP = "azure_backup_vault_up{"
RELOADED = "azure_backup_exporter_config_last_reload_successful "


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(fleet=sized_fleet(vaults=2)) as simulator:
        yield simulator


@pytest.fixture
def config(simulator: Simulator, tmp_path: Path) -> Path:
    """Names only the first of the simulator's two vaults."""
    path = tmp_path / "config.yaml"
    write_config(path, simulator, simulator.vault_ids[:1])
    return path


@pytest.fixture
def exporter(simulator: Simulator, config: Path) -> Iterator[Daemon]:
    with serving(config, simulator.identity_environ) as exporter:
        yield exporter


def values(exporter: Daemon, start: str) -> list[float]:
    return list(exporter.samples(start).values())


def assert_ends_within_two_seconds(exporter: Daemon, number: signal.Signals) -> None:
    exporter.signal(number)

    assert exporter.process.wait(2) == 0
    assert "Traceback" not in exporter.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(exporter: Daemon, number: signal.Signals) -> None:
    assert_ends_within_two_seconds(exporter, number)


@pytest.mark.parametrize("after_headers", [False, True])
def test_sigterm_does_not_wait_for_a_stalled_azure(
    simulator: Simulator, exporter: Daemon, after_headers: bool
) -> None:
    simulator.inject(Stall(after_headers=after_headers))
    wait_for("a request that stalls", lambda: simulator.stalled > 0)

    assert_ends_within_two_seconds(exporter, signal.SIGTERM)


def test_a_reload_takes_a_new_vault_in(
    simulator: Simulator, config: Path, exporter: Daemon
) -> None:
    write_config(config, simulator, simulator.vault_ids)

    exporter.signal(signal.SIGHUP)

    wait_for("both vaults", lambda: values(exporter, UP) == [1, 1])
    assert values(exporter, RELOADED) == [1]


def test_a_bad_file_leaves_the_old_configuration_in_force(
    simulator: Simulator, config: Path, exporter: Daemon
) -> None:
    write_config(config, simulator, [*simulator.vault_ids, "/subscriptions/nowhere"])

    exporter.signal(signal.SIGHUP)

    wait_for("the failed reload", lambda: values(exporter, RELOADED) == [0])
    assert "vaults[2]" in exporter.log
    simulator.clear_requests()
    wait_for("more reads of the old vault", lambda: bool(simulator.requests))
    assert values(exporter, UP) == [1]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"IDENTITY_HEADER": "not the expected one"}, id="refused"),
        # Nothing listens on port 9 (discard) any more.
        pytest.param({"IDENTITY_ENDPOINT": "http://127.0.0.1:9/msi/token"}, id="unreachable"),
    ],
)
def test_without_a_token_it_says_so_and_still_serves(
    simulator: Simulator, config: Path, broken: dict[str, str]
) -> None:
    with serving(config, {**simulator.identity_environ, **broken}) as exporter:
        assert values(exporter, UP) == [0]
        wait_for("the reason", lambda: "no token" in exporter.log)
        assert_ends_within_two_seconds(exporter, signal.SIGTERM)
