"""What the running exporter does when something of its own breaks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest
import requests

from exporter.simulator import Simulator, sized_fleet
from tests.processes import PATIENCE_SECONDS, Daemon, daemon, wait_for
from tests.steering import config_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REFRESHING_ENDS = """
import sys
from exporter.cli import main
from exporter.refresh.loop import RefreshLoop

def broken(self):
    raise MemoryError("none is left")

RefreshLoop.run = broken
sys.exit(main())
"""

NO_THREAD_AFTER_THE_FIRST = """
import sys
from exporter.cli import main
from exporter.refresh import collector

started = []

def start_thread(name, work, argument):
    if started:
        raise RuntimeError("can't start new thread")
    started.append(real(name, work, argument))

real, collector.start_thread = collector.start_thread, start_thread
sys.exit(main())
"""

SLOW_RELOAD = """
import sys, time
from exporter.cli import main
from exporter.refresh import collector

loads = []

def cloud_of(azure):
    loads.append(1)
    if len(loads) > 1:
        print("reload under way", flush=True)
        time.sleep(1)
    return real(azure)

real, collector.cloud_of = collector.cloud_of, cloud_of
sys.exit(main())
"""


@pytest.fixture
def azure() -> Iterator[Simulator]:
    with Simulator(fleet=sized_fleet(vaults=1, jobs=8)) as azure:
        yield azure


@pytest.fixture
def config(azure: Simulator, tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    state = f"{{path: {tmp_path / 'state.db'}}}"
    path.write_text(config_text(azure, refresh="{interval: 1s}", state=state))
    return path


Serving = Callable[[str], AbstractContextManager[Daemon]]


@pytest.fixture
def serving(azure: Simulator, config: Path, tmp_path: Path) -> Serving:
    """Runs a program that prepares a fault and then serves."""

    def serve(program: str) -> AbstractContextManager[Daemon]:
        return daemon(
            "serve",
            f"--config.file={config}",
            "--web.enable-lifecycle",
            log=tmp_path / "log",
            environment=azure.identity_environ,
            program=("-c", program),
        )

    return serve


def test_an_exporter_that_refreshes_no_more_ends(serving: Serving) -> None:
    """Its page would look well for ever; whoever started it starts it again."""
    with serving(REFRESHING_ENDS) as serve:
        assert serve.process.wait(PATIENCE_SECONDS) == 1
        assert "refreshing has ended" in serve.log
        assert "MemoryError: none is left" in serve.log


def test_a_reload_that_cannot_go_on_refreshing_ends_the_exporter(serving: Serving) -> None:
    with serving(NO_THREAD_AFTER_THE_FIRST) as serve:
        wait_for("a vault", lambda: list(serve.samples("azure_backup_vault_up").values()) == [1])
        serve.signal(signal.SIGHUP)

        assert serve.process.wait(PATIENCE_SECONDS) == 1
        assert "refreshing cannot begin: can't start new thread" in serve.log


def test_a_reload_under_way_when_the_exporter_is_asked_to_end(serving: Serving) -> None:
    with serving(SLOW_RELOAD) as serve:
        wait_for("a vault", lambda: list(serve.samples("azure_backup_vault_up").values()) == [1])
        answers: list[str] = []

        def reload() -> None:
            answers.append(requests.post(f"{serve.url}/-/reload", timeout=10).text)

        asking = threading.Thread(target=reload)
        asking.start()
        wait_for("the reload", lambda: "reload under way" in serve.log)

        assert serve.stopped() == 0
        asking.join(PATIENCE_SECONDS)
        assert answers == ["Reloaded.\n"]
        assert "refreshing has ended" not in serve.log
