"""What time it is for the simulator, and how schedules run faster than that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock

from exporter.simulator import ticks

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The machine's time, UTC."""
    return datetime.now(UTC)


class ManualClock:
    """A clock that moves only when told to. Safe to move while a simulator reads it."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._lock = Lock()

    def __call__(self) -> datetime:
        """The time it was moved to."""
        with self._lock:
            return self._now

    def advance(self, span: timedelta) -> None:
        """Move on by a span."""
        with self._lock:
            self._now += span


@dataclass(frozen=True, slots=True)
class Timescale:
    """Where schedule time and clock time meet, and how much faster schedules run.

    Schedule time counts from the anchor. All that Azure would send is clock time, so that
    ``time() - timestamp`` is right in Prometheus also while a night passes in minutes.

    Attributes:
        anchor: The instant at which schedule time is zero.
        speed: Schedule seconds per clock second; 120 makes a night of 12 minutes.
    """

    anchor: datetime
    speed: float = 1.0
    _anchor: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.anchor.tzinfo is None:
            raise ValueError(f"the anchor has no time zone: {self.anchor}")
        if not self.speed > 0:
            raise ValueError(f"speed is not above zero: {self.speed}")
        object.__setattr__(self, "_anchor", ticks.from_datetime(self.anchor))

    def to_schedule(self, instant: int) -> int:
        """Schedule time of an instant; both in ticks."""
        return round((instant - self._anchor) * self.speed)

    def to_clock(self, schedule_time: int) -> int:
        """The instant of a schedule time; both in ticks."""
        return self._anchor + round(schedule_time / self.speed)
