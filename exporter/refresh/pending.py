"""The details that a vault waits for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.backup.details import Urgency, WantedDetail
from exporter.backup.history import DetailReading


class Rest(NamedTuple):
    """A detail that Azure could not deliver, and when it is tried again.

    Attributes:
        wanted: Which.
        rests: How often it has failed for good, in a row.
        attempts: How often since then.
        try_at: Monotonic time.
    """

    wanted: WantedDetail
    rests: int
    attempts: int
    try_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """The details that a vault waits for.

    Attributes:
        ready: Those that wait for nothing but the budget, the most urgent first.
        resting: By job id, those that failed.
        paused: Whether a fault that all would meet keeps them until the next list.
        hung: Whether the last request met a timeout.
        told: Whether the log has said that they cannot be read.
        arrived: What was answered and is not in the history yet: merging each by itself would
            take time that grows with the square of their number.
    """

    ready: tuple[WantedDetail, ...] = ()
    resting: Mapping[str, Rest] = field(default_factory=dict)
    paused: bool = False
    hung: bool = False
    told: bool = False
    arrived: DetailReading | None = None

    @property
    def failed(self) -> int:
        """How many of the ready ones are of failed jobs."""
        return bisect_right(self.ready, Urgency.FAILED, key=lambda one: one.urgency)

    @property
    def pending(self) -> int:
        """How many wait."""
        return len(self.ready) + len(self.resting)
