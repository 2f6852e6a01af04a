"""Running a command in a pseudo-terminal of its own, bounded in time."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from typing import TYPE_CHECKING, Self

from tests.processes import PATIENCE_SECONDS, ROOT
from tests.spawner import start_in_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]")


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
        self._slave = slave
        self._process = start_in_terminal(
            arguments,
            {**inherited, "TERM": "xterm-256color", **(environment or {})},
            folder=ROOT,
            terminal=os.ttyname(slave),
        )
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
        self._process.join()
        os.close(self._slave)
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
        alive = True
        while alive and time.monotonic() < deadline:
            alive = self._process.is_alive()
            while self._read(time.monotonic() + 0.05):
                pass
        assert self._process.exitcode is not None
        return self._process.exitcode

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
