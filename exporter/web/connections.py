"""Who is connected, since when, and who must leave.

Every connection is either waited for (handshake, request, silence between two requests), asked for
its password, worked for, or sent to. A client that lets us wait too long is cut off. When there are
too many, the longest waiting of the largest of these crowds goes: idle and trickling clients cannot
shut Prometheus out, nor can clients that never read.
"""

from __future__ import annotations

import resource
import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tornado.iostream import IOStream


class Phase(Enum):
    """Whose turn it is."""

    RECEIVING = auto()
    CHECKING = auto()
    WORKING = auto()
    SENDING = auto()


PATIENCE_SECONDS: Final = {Phase.RECEIVING: 10.0, Phase.CHECKING: 30.0, Phase.SENDING: 15.0}
"""For the handshake with the whole request or the next one; for the turn of its password, which
no scraper awaits longer; and for taking what the kernel has room for, some tens of KiB."""

_MOST: Final = 512
_SHARE_OF_FILES: Final = 2
"""The other half of the open files is for Azure, logs and the state."""


def most_connections() -> int:
    """How many connections are kept at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else min(_MOST, soft // _SHARE_OF_FILES)


class Connections:
    """The open connections by phase, longest unchanged first. Of the event loop's thread only.

    Args:
        most: How many there may be.
        patience: How many seconds a phase may last, where that has an end.
    """

    def __init__(self, most: int, patience: Mapping[Phase, float] = PATIENCE_SECONDS) -> None:
        self._most = most
        self._patience = patience
        self._phases: dict[Phase, dict[IOStream, float]] = {phase: {} for phase in Phase}
        self._phase_of: dict[IOStream, Phase] = {}
        self._retired: set[IOStream] = set()

    @property
    def busy(self) -> bool:
        """Whether a request has arrived and its answer is not yet sent."""
        return any(self._phases[phase] for phase in Phase if phase is not Phase.RECEIVING)

    def accept(self, stream: IOStream) -> None:
        """Take a new connection in, another one's place if need be."""
        if len(self._phase_of) >= self._most:
            largest = max(self._phases.values(), key=len)
            self._close(next(iter(largest)))
        self._phase_of[stream] = Phase.RECEIVING
        self._phases[Phase.RECEIVING][stream] = time.monotonic()

    def enter(self, stream: IOStream, phase: Phase) -> None:
        """Note whose turn it is now."""
        if stream in self._retired and phase is Phase.RECEIVING:
            self._close(stream)
        elif stream in self._phase_of:
            del self._phases[self._phase_of[stream]][stream]
            self._phase_of[stream] = phase
            self._phases[phase][stream] = time.monotonic()

    def get_on(self, stream: IOStream) -> None:
        """Note that a client has taken some of its answer."""
        sending = self._phases[Phase.SENDING]
        if sending.pop(stream, None) is not None:
            sending[stream] = time.monotonic()

    def forget(self, stream: IOStream) -> None:
        """Note that a connection has ended."""
        phase = self._phase_of.pop(stream, None)
        if phase is not None:
            del self._phases[phase][stream]
            self._retired.discard(stream)

    def close_overdue(self) -> None:
        """Cut off those who let us wait too long."""
        for phase, patience in self._patience.items():
            oldest = time.monotonic() - patience
            for stream in [s for s, since in self._phases[phase].items() if since < oldest]:
                self._close(stream)

    def retire(self) -> None:
        """End the connections there are: the idle ones now, the others when they are answered."""
        for stream in list(self._phases[Phase.RECEIVING]):
            self._close(stream)
        self._retired = set(self._phase_of)

    def _close(self, stream: IOStream) -> None:
        self.forget(stream)
        stream.close()
