"""Commands as processes of their own, without the half second that importing them takes.

A server of ``multiprocessing`` imports them once and forks for each run: one process for each
worker of the tests, which ends with it.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.process import BaseProcess

_COMMANDS = ("check_access", "check_config", "diagnose", "jobs", "once", "track")
_PROGRAMS = multiprocessing.get_context("forkserver")
_PROGRAMS.set_forkserver_preload([f"exporter.cli.{name}" for name in _COMMANDS])


def run_forked(
    arguments: Sequence[str], environment: Mapping[str, str], *, folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Args:
        arguments: Of the command.
        environment: All of it.
        folder: Where it runs.
        timeout: Seconds, at most.

    Raises:
        subprocess.TimeoutExpired: It did not end; it is killed.
    """
    with tempfile.TemporaryDirectory() as outputs:
        out, err = Path(outputs, "out"), Path(outputs, "err")
        process = _PROGRAMS.Process(
            target=_run_into_files, args=(list(arguments), dict(environment), folder, out, err)
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(arguments), timeout)
        texts = [path.read_text() if path.exists() else "" for path in (out, err)]
        return subprocess.CompletedProcess(list(arguments), process.exitcode, *texts)


def start_in_terminal(
    arguments: Sequence[str], environment: Mapping[str, str], *, folder: Path, terminal: str
) -> BaseProcess:
    """Start a command in front of a terminal, given by its path."""
    process = _PROGRAMS.Process(
        target=_run_in_terminal, args=(list(arguments), dict(environment), folder, terminal)
    )
    process.start()
    return process


def _run_into_files(
    arguments: list[str], environment: dict[str, str], folder: Path, out: Path, err: Path
) -> None:
    for descriptor, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), descriptor)
    _run(arguments, environment, folder)


def _run_in_terminal(
    arguments: list[str], environment: dict[str, str], folder: Path, terminal: str
) -> None:
    os.setsid()
    for descriptor in (0, 1, 2):
        os.dup2(os.open(terminal, os.O_RDWR), descriptor)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # Whoever starts the tests in the background has Ctrl-C ignored, which children inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin = os.fdopen(0, closefd=False)
    _run(arguments, environment, folder)


def _run(arguments: list[str], environment: dict[str, str], folder: Path) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    sys.exit(main(arguments))
