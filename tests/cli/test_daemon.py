"""What the running exporter does when something of its own breaks."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest
import requests

from exporter.simulator import Simulator, sized_fleet
from tests.processes import PATIENCE_SECONDS, ROOT, Daemon, daemon, wait_for
from tests.steering import config_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REFRESHING_ENDS = """
import sys
from exporter.cli import main
from exporter.refresh.scheduler import Scheduler

def broken(self, answers):
    raise MemoryError("none is left")

Scheduler.step = broken
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

SERVE = """
import sys
from exporter.cli import main
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


SOON_SECONDS = 8.0
"""On a machine that is busy; a file is waited for for 30."""


class EndlessFile:
    """A pipe in the place of a file, which nobody closes: so looks a mount that hangs."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        self._pipe = os.open(path, os.O_RDWR)
        os.write(self._pipe, b"# a file begins\n")

    def is_being_read(self) -> bool:
        waiting = fcntl.ioctl(self._pipe, termios.FIONREAD, bytes(4))
        return not any(waiting)


@pytest.mark.parametrize("flag", ["--config.file", "--web.config.file"])
def test_a_start_that_waits_for_a_file_can_be_ended(config: Path, flag: str) -> None:
    """Signals are held back until the exporter runs, but for this."""
    file = EndlessFile(config.with_name("endless"))
    flags = [f"--config.file={config}", f"{flag}={config.with_name('endless')}"]
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "exporter", "serve", *flags, "--web.listen-address=127.0.0.1:0"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_for("the file to be read", file.is_being_read)
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGTERM)
            assert process.wait(SOON_SECONDS) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("how", ["SIGHUP", "POST"])
def test_a_reload_that_waits_for_a_file_holds_up_nothing(
    serving: Serving, config: Path, how: str
) -> None:
    with serving(SERVE) as serve:
        wait_for("a vault", lambda: list(serve.samples("azure_backup_vault_up").values()) == [1])
        file = EndlessFile(config)
        if how == "SIGHUP":
            serve.signal(signal.SIGHUP)
        else:
            with pytest.raises(requests.Timeout):
                requests.post(f"{serve.url}/-/reload", timeout=1)
        wait_for("the file to be read", file.is_being_read)
        serve.signal(signal.SIGHUP)

        assert list(serve.samples("azure_backup_vault_up").values()) == [1]
        assert serve.stopped(SOON_SECONDS) == 0
        assert "Traceback" not in serve.log


def test_a_web_configuration_that_cannot_be_read_holds_up_no_end(
    serving: Serving, config: Path
) -> None:
    """It is looked at every second."""
    web = config.with_name("web.yaml")
    web.write_text("{}")
    with serving(
        SERVE.replace("main()", f"main([*sys.argv[1:], '--web.config.file={web}'])")
    ) as serve:
        file = EndlessFile(web)
        wait_for("the file to be read", file.is_being_read)

        assert serve.get("/-/healthy").text == "OK\n"
        assert serve.stopped(SOON_SECONDS) == 0


def test_a_configuration_that_cannot_be_used_is_told_and_changes_nothing(
    serving: Serving, config: Path
) -> None:
    """Whatever stands in it: nothing in the log turns the line it stands in."""
    with serving(SERVE) as serve:
        config.write_bytes(b"vaults: [\x07]")
        answer = requests.post(f"{serve.url}/-/reload", timeout=10)

        assert answer.status_code == 500
        assert "not YAML: line 1, column 10: U+0007 may not stand in YAML" in answer.text
        assert serve.samples("azure_backup_exporter_config_last_reload_successful") == {"": 0}

        config.write_text("vau\u202elts: []", encoding="utf-8")
        serve.signal(signal.SIGHUP)
        wait_for("the reload", lambda: r"vau\\u202elts: unknown key" in serve.log)
        assert "\u202e" not in serve.log
        assert "Traceback" not in serve.log
