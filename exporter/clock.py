"""Time as the edges need it; tests steer it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from threading import Event

_TRAVEL: Final = timedelta(seconds=5)
"""A Date counts whole seconds, and needs a moment to arrive."""

_FAR: Final = timedelta(days=1)
_ONE_INSTANT: Final = timedelta(minutes=1)
"""Two answers that differ by less say the same."""


class Clock(Protocol):
    """Wall time for what is compared with Azure's instants, monotonic time for waiting."""

    def now(self) -> datetime:
        """The present, UTC."""

    def monotonic(self) -> float:
        """Seconds that only grow, also when the wall clock is set."""

    def wait(self, event: Event, seconds: float) -> bool:
        """Wait until the event is set or the time is over; whether it is set."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def wait(self, event: Event, seconds: float) -> bool:
        """Wait until the event is set or the time is over; whether it is set."""
        return event.wait(seconds)


class _Anchor(NamedTuple):
    """An instant, and the monotonic time at which it was the present."""

    instant: datetime
    at: float

    def present(self, monotonic: float) -> datetime:
        return self.instant + timedelta(seconds=monotonic - self.at)


class AzureClock:
    """The present as Azure has it: what is asked for, judged and forgotten depends on it.

    A machine's clock can be wrong by hours, or by weeks for some seconds; then last successes would
    be destroyed for good. So the ``Date`` of Azure's answers counts, and between two of them time
    goes on by the monotonic clock. Of a date and a clock that differ by more than a day one is
    wrong: until a second answer says which, the earlier one counts, so that nothing is forgotten.
    Without any date the machine's clock counts, but for jumps of more than a day.
    """

    def __init__(self, machine: Clock | None = None) -> None:
        self._machine = machine or SystemClock()
        self._changing = Lock()
        self._anchor = _Anchor(self._machine.now(), self._machine.monotonic())
        self._heard = False
        self._doubt: _Anchor | None = None

    def now(self) -> datetime:
        """The present, UTC."""
        with self._changing:
            monotonic = self._machine.monotonic()
            present = self._present(monotonic)
            return min(present, self._doubt.present(monotonic)) if self._doubt else present

    def monotonic(self) -> float:
        """Seconds that only grow, also when the wall clock is set."""
        return self._machine.monotonic()

    def wait(self, event: Event, seconds: float) -> bool:
        """Wait until the event is set or the time is over; whether it is set."""
        return self._machine.wait(event, seconds)

    def heard(self, date: datetime) -> None:
        """Take in the ``Date`` of an answer that has just begun to arrive."""
        with self._changing:
            monotonic = self._machine.monotonic()
            present = self._present(monotonic)
            doubt, self._doubt = self._doubt, None
            if abs(date - present) <= _TRAVEL:
                self._anchor, self._heard = _Anchor(present, monotonic), True
            elif abs(date - present) <= _FAR or (
                doubt and abs(date - doubt.present(monotonic)) <= _ONE_INSTANT
            ):
                self._anchor, self._heard = _Anchor(date, monotonic), True
            else:
                self._doubt = _Anchor(date, monotonic)

    def _present(self, monotonic: float) -> datetime:
        present = self._anchor.present(monotonic)
        wall = self._machine.now()
        if self._heard or abs(wall - present) > _FAR:
            return present
        self._anchor = _Anchor(wall, monotonic)
        return wall
