"""Running a command in a pseudo-terminal of its own, bounded in time."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Self

from tests.processes import PATIENCE_SECONDS, ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]")


def _take_terminal() -> None:
    """Let Ctrl-C reach the program, as a shell would for the one in front.

    Whoever starts the tests in the background has it ignored, which children inherit.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A command whose stdin, stdout and stderr are a terminal.

    Args:
        arguments: Of the command.
        environment: Added to ours.
        columns: Its width.
        rows: Its height.
    """

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        columns: int = 160,
        rows: int = 50,
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        names = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE")
        inherited = {key: value for key, value in os.environ.items() if key not in names}
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "exporter", *arguments],
            cwd=ROOT,
            env={**inherited, "TERM": "xterm-256color", **(environment or {})},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - nothing else runs in the child yet
        )
        os.close(slave)
        self.raw = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    @property
    def text(self) -> str:
        """All that was printed so far, without colours and movements."""
        return _ESCAPES.sub("", self.raw).replace("\r", "")

    def see(self, *wanted: str) -> None:
        """Read on until all of this was printed.

        Raises:
            TimeoutError: It never was.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not all(text in self.text for text in wanted):
            if not self._read(deadline):
                raise TimeoutError(f"{wanted} not in {self.text}")

    def press(self, keys: bytes) -> None:
        """Type something; the byte 3 is Ctrl-C."""
        os.write(self._master, keys)

    def ended(self) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._read(deadline):
            pass
        return self._process.wait(PATIENCE_SECONDS)

    def _read(self, deadline: float) -> bool:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._master], [], [], left)[0]:
            return False
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.raw += piece.decode(errors="replace")
        return bool(piece)
