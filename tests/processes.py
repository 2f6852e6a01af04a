"""Running the exporter as a process of its own, on loopback and bounded in time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from tests.spawner import run_forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 20.0

_GUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
IDS = f"request id {_GUID}, correlation id {_GUID}"
"""Under which Azure's support finds a request, as a pattern."""

# As logfmt or as JSON.
_LISTENING = re.compile(
    r'listening"?,? "?address(?:=|": ")127\.0\.0\.1:(\d+)"?,? "?scheme(?:=|": ")(\w+)'
)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    return run_forked(
        arguments, {**os.environ, **environment}, folder=ROOT, timeout=PATIENCE_SECONDS
    )


def run_anew(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same by an interpreter of its own, where its start matters."""
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "exporter", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    """Wait until it is so.

    Raises:
        TimeoutError: It never was.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE_SECONDS:g} s for {what}")
        time.sleep(0.05)


class Daemon:
    """A running ``serve`` or ``demo``."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log
        self.url = ""

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def listening(self) -> bool:
        """Whether it says which port it listens on; finds out."""
        if self.process.poll() is not None:
            raise RuntimeError(f"ended with {self.process.returncode}: {self.log}")
        found = _LISTENING.search(self.log)
        self.url = f"{found[2]}://127.0.0.1:{found[1]}" if found else ""
        return bool(found)

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=10)

    def samples(self, start: str) -> dict[str, float]:
        """The lines of the page that start so, as label text to value."""
        found = {}
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(start):
                labels, _, value = line.removeprefix(start).rpartition(" ")
                found[labels] = float(value)
        return found

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stopped(self, within_seconds: float = PATIENCE_SECONDS) -> int:
        """Ask it to end; its exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(within_seconds)


@contextmanager
def daemon(
    *arguments: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    program: Sequence[str] = ("-m", "exporter"),
) -> Iterator[Daemon]:
    """Run the exporter until the block ends.

    Args:
        arguments: Of the command.
        log: Where its output goes.
        environment: Added to ours.
        program: What Python runs; another one prepares a fault first.
    """
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, *program, *arguments, "--web.listen-address=127.0.0.1:0"],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=output,
            text=True,
        )
    running = Daemon(process, log)
    try:
        wait_for("the port", running.listening)
        yield running
    finally:
        process.kill()
        process.wait()
