"""Watches the first fill: says in the log and as metrics how far it is."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.metrics.fill import ENDLESS, FillProgress
from exporter.refresh.estimate import seconds_left
from exporter.words import span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.clock import Clock
    from exporter.metrics.fill import FillMetrics
    from exporter.refresh.estimate import Share

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
_QUIET_SECONDS: Final = 10.0
"""A small estate is read before there is anything to tell."""

_LONGEST_SILENCE_SECONDS: Final = 3600.0
_STEPS: Final = 10


class FirstFill:
    """From the start until every vault is read and each item's newest job has its detail.

    Args:
        clock: What time it is.
        metrics: Shows it.
        shares: What is still wanted, by budget.
        complete: How many vaults have waited for nothing since they were read.
        searched: Whether every search for vaults has ended once.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        metrics: FillMetrics,
        shares: Callable[[], Iterable[Share]],
        complete: Callable[[], int],
        searched: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._shares = shares
        self._complete = complete
        self._searched = searched
        self._looking = threading.Lock()
        self._started = clock.monotonic()
        self._looked_at = float("-inf")
        self._told_at = self._started
        self._told_step = 0
        self._noticed = 0
        metrics.monotonic = clock.monotonic
        metrics.progress = FillProgress()

    @property
    def progress(self) -> FillProgress:
        """How far it is."""
        return self._metrics.progress

    def notice(self) -> None:
        """Take in that something about one vault has changed.

        All vaults are looked at once a second, and when each that was not complete may be by now.
        """
        if self.progress.done:
            return
        with self._looking:
            self._noticed += 1
            rested = self._clock.monotonic() - self._looked_at >= _LOOK_SECONDS
            open_ones = self.progress.vaults - self.progress.complete
            if not self.progress.done and (rested or self._noticed >= open_ones):
                self._look()

    def _look(self) -> None:
        now = self._looked_at = self._clock.monotonic()
        self._noticed = 0
        shares = list(self._shares())
        read = sum(share.read for share in shares)
        vaults = read + sum(share.unread for share in shares)
        complete = self._complete()
        left = seconds_left(shares)
        progress = FillProgress(
            vaults=vaults,
            read=read,
            complete=complete,
            details=sum(sum(share.waiting.values()) for share in shares),
            ends_at=None if left is None else now + left,
            done=0 < vaults == complete and self._searched(),
        )
        self._metrics.progress = progress
        self._tell(progress, now, left)

    def _tell(self, progress: FillProgress, now: float, left: float | None) -> None:
        """A line at every tenth and at the end, and no other for what is over at once."""
        silent = now - self._told_at
        if progress.done:
            took = span(timedelta(seconds=now - self._started))
            log.info("first fill done", extra={"vaults": progress.vaults, "took": took})
            return
        step = _STEPS * (progress.read + progress.complete) // max(1, 2 * progress.vaults)
        due = step > self._told_step or silent >= _LONGEST_SILENCE_SECONDS
        if silent < _QUIET_SECONDS or not due:
            return
        self._told_at, self._told_step = now, step
        log.info(
            "first fill: %d of %d vaults read, %d complete, %d details wait; %s",
            progress.read,
            progress.vaults,
            progress.complete,
            progress.details,
            _outlook(progress, left),
        )


def _outlook(progress: FillProgress, left: float | None) -> str:
    if left is not None:
        return f"about {span(timedelta(seconds=left))} left under the read budget"
    return ENDLESS if progress.endless else "how long it will take is not known yet"
