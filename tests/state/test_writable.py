"""``azure_backup_exporter_state_writable``: of a running exporter whose disk lets it down."""

from __future__ import annotations

import os
import resource
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from exporter.simulator import Simulator, sized_fleet
from exporter.state import StateKeeper
from exporter.state import keeper as keeper_module
from tests.processes import Daemon, daemon, run, wait_for
from tests.state.raw_files import raw
from tests.state.test_store import LONG_AGO, a_vault, limited
from tests.steering import config_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "azure_backup_exporter_state_writable"


@pytest.fixture
def azure() -> Iterator[Simulator]:
    with Simulator(fleet=sized_fleet(vaults=2, jobs=400)) as azure:
        yield azure


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "state.db"


@pytest.fixture
def configure(azure: Simulator, tmp_path: Path) -> Callable[[object], str]:
    """Writes a configuration with this state file; its flag."""

    def write(path: object) -> str:
        text = config_text(azure, refresh="{interval: 1s}", state=f"{{path: {path}}}")
        (tmp_path / "config.yaml").write_text(text)
        return f"--config.file={tmp_path / 'config.yaml'}"

    return write


@pytest.fixture
def serving(
    azure: Simulator, configure: Callable[[object], str], path: Path, tmp_path: Path
) -> Iterator[Daemon]:
    environment = azure.identity_environ
    with daemon("serve", configure(path), log=tmp_path / "log", environment=environment) as serve:
        wait_for_writable(serve, 1)
        yield serve


def wait_for_writable(serve: Daemon, *value: float) -> None:
    wait_for(f"{NAME} {value}", lambda: list(serve.samples(NAME).values()) == list(value))


def test_a_folder_that_goes_and_comes_back(serving: Daemon, path: Path) -> None:
    # In one step: a write that is under way may put a file into a folder that is being emptied.
    path.parent.rename(path.parent.with_name("elsewhere"))
    wait_for_writable(serving, 0)

    path.parent.mkdir()
    wait_for_writable(serving, 1)
    assert path.stat().st_size > 0


def test_a_file_that_is_spoilt_and_taken_away(serving: Daemon, path: Path) -> None:
    spoilt = path.with_name("spoilt")
    spoilt.write_bytes(b"no state " * 1000)
    # In one step: a write that is under way may mend a file that is spoilt in its place.
    spoilt.replace(path)
    wait_for_writable(serving, 0)

    path.unlink()
    wait_for_writable(serving, 1)


def test_a_disk_that_is_full_and_has_room_again(serving: Daemon) -> None:
    pid = serving.process.pid
    everything = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    # No file grows, or is written, beyond that; the log stays below.
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (32 * 1024, everything[1]))
    wait_for_writable(serving, 0)
    assert serving.get("/-/healthy").ok

    resource.prlimit(pid, resource.RLIMIT_FSIZE, everything)
    wait_for_writable(serving, 1)


def test_a_reload_may_switch_it_off_and_on(
    serving: Daemon, configure: Callable[[object], str], path: Path
) -> None:
    configure("null")
    serving.signal(signal.SIGHUP)
    wait_for_writable(serving)

    configure(path)
    serving.signal(signal.SIGHUP)
    wait_for_writable(serving, 1)


def test_a_file_that_is_left_alone_is_not_written(
    azure: Simulator, configure: Callable[[object], str], path: Path, tmp_path: Path
) -> None:
    """It is another program's: until a reload finds it gone, nothing is kept."""
    with raw(path) as db:
        db.execute("CREATE TABLE other (x)")
    environment = azure.identity_environ
    with daemon("serve", configure(path), log=tmp_path / "log", environment=environment) as serve:
        wait_for_writable(serve, 0)

        path.unlink()
        serve.signal(signal.SIGHUP)
        wait_for_writable(serve, 1)


def test_once_says_it_too(azure: Simulator, configure: Callable[[object], str], path: Path) -> None:
    good = run("once", configure(path), **azure.identity_environ)
    bad = run("once", configure(path.parent / "missing" / "x"), **azure.identity_environ)
    without = run("once", configure("null"), **azure.identity_environ)

    assert f"{NAME} 1\n" in good.stdout
    assert f"{NAME} 0\n" in bad.stdout
    assert NAME not in without.stdout


def test_a_disk_that_is_read_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = StateKeeper(path)
    keeper.put(a_vault(), forget_before=LONG_AGO)
    keeper.flush()
    assert keeper.writable is True
    with limited(monkeypatch, "PRAGMA query_only = ON"):
        keeper.put(a_vault(vault_id="w"), forget_before=LONG_AGO)
        keeper.flush()
        assert keeper.writable is False

    keeper.flush()
    assert keeper.writable is True


def test_a_disk_that_hangs_takes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What worked before says nothing of it: a 1 would look well for ever."""
    held, opened = threading.Event(), os.open

    def hanging(*arguments: Any, **options: Any) -> int:
        held.wait(20)
        return opened(*arguments, **options)

    keeper = StateKeeper(path)
    assert keeper.writable is None
    keeper.put(a_vault(), forget_before=LONG_AGO)
    keeper.flush()
    monkeypatch.setattr(keeper_module, "_HANGS_SECONDS", 0.2)
    monkeypatch.setattr(keeper_module, "_FLUSH_SECONDS", 0.1)
    monkeypatch.setattr(os, "open", hanging)
    keeper.put(a_vault(vault_id="w"), forget_before=LONG_AGO)
    assert keeper.writable is True
    wait_for("the verdict", lambda: keeper.writable is False)

    monkeypatch.undo()
    held.set()
    wait_for("the end of it", lambda: keeper.writable is True)
