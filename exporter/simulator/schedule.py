"""When an item's jobs run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.simulator import ticks
from exporter.simulator.outcomes import COMPLETED, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY: Final = timedelta(days=1)
# A job takes from so many to so many times the usual duration of its outcome.
SHORTEST: Final = 0.85
LONGEST: Final = 1.15
# Start times are no round numbers of ticks: they have all seven digits (F§4).
NOISE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of a schedule in ticks, as they are needed for every job.

    Attributes:
        late: Jobs start late by less than this.
        longest: Jobs take no longer than this.
    """

    every: int
    offset: int
    takes: int
    late: int
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A job every so often. The jobs are numbered by slot, slot 0 starting at the offset.

    All times are schedule time (see Timescale), and offsets count from the anchor.

    Attributes:
        operation: Without backup type, e.g. ``Backup``.
        backup_type: ``Full``, ``Differential``, ``Log`` or empty.
        takes: The usual duration.
        outcomes: How the jobs of slots 0, 1, 2, ... end; then over again, also backwards.
        first_slot: The oldest job there ever was.
    """

    operation: str
    backup_type: str = ""
    every: timedelta = DAY
    offset: timedelta
    takes: timedelta
    outcomes: tuple[Outcome, ...] = (COMPLETED,)
    first_slot: int
    timing: Timing = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        takes = ticks.from_timedelta(self.takes)
        lasts = max(outcome.lasts for outcome in self.outcomes)
        timing = Timing(
            every=ticks.from_timedelta(self.every),
            offset=ticks.from_timedelta(self.offset),
            takes=takes,
            late=takes // 20 + NOISE,
            longest=round(takes * lasts * LONGEST) + 1,
        )
        object.__setattr__(self, "timing", timing)

    def slots(self, start: int, end: int) -> range:
        """Slots whose jobs may start within two schedule times, in ticks."""
        timing = self.timing
        oldest = -((timing.offset + timing.late - start) // timing.every)
        newest = (end - timing.offset) // timing.every
        return range(max(oldest, self.first_slot), newest + 1)

    def sure_slots(self, start: int, end: int) -> Sequence[int]:
        """Slots whose jobs start within two schedule times, whatever their delay."""
        timing = self.timing
        oldest = -((timing.offset - start) // timing.every)
        newest = (end - timing.offset - timing.late) // timing.every
        return range(max(oldest, self.first_slot), newest + 1)
