"""When an item's jobs run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.simulator import ticks
from exporter.simulator.outcomes import COMPLETED, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

# A job takes up to so many times the usual duration.
LONGEST: Final = 1.15
DAY: Final = timedelta(days=1)


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

    @property
    def latest_delay(self) -> timedelta:
        """Jobs start late by less than this."""
        return self.takes / 20

    @property
    def longest(self) -> int:
        """Jobs take less than this, in ticks."""
        lasts = max(outcome.lasts for outcome in self.outcomes)
        return ticks.from_timedelta(self.takes * lasts * LONGEST) + ticks.PER_SECOND

    def slots(self, start: int, end: int) -> Iterable[int]:
        """Slots whose jobs may start within two schedule times, in ticks."""
        every, offset = ticks.from_timedelta(self.every), ticks.from_timedelta(self.offset)
        delay = ticks.from_timedelta(self.latest_delay)
        oldest = -((offset + delay - start) // every)
        newest = (end - offset) // every
        return range(max(oldest, self.first_slot), newest + 1)
