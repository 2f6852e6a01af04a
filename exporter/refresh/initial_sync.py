"""The initial sync: from the start until all is read once; how far it is, and what is left."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.backup.details import Urgency
from exporter.metrics.fill import ENDLESS, FillProgress
from exporter.refresh.records import VaultRecord
from exporter.words import span

if TYPE_CHECKING:
    from exporter.metrics.fill import FillMetrics
    from exporter.refresh.budgets import Budgets
    from exporter.refresh.fetch import Records
    from exporter.refresh.records import BudgetKey, Moment

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
_QUIET_SECONDS: Final = 10.0
"""A small estate is read before there is anything to tell."""

_LONGEST_SILENCE_SECONDS: Final = 3600.0
_STEPS: Final = 10
_DAY: Final = timedelta(days=1)
_COUNTED: Final = 0.25
"""Of the jobs that end meanwhile: others take the place of one whose detail waits, or are of vaults
that are complete by then."""


class InitialSync:
    """Until every vault is read and each item's newest job has its detail.

    Args:
        metrics: Shows it.
        budgets: What they allow.
        now: The present.
    """

    def __init__(self, metrics: FillMetrics, budgets: Budgets, now: Moment) -> None:
        self._metrics = metrics
        self._budgets = budgets
        self._started = self._told_at = now.monotonic
        self._looked_at = float("-inf")
        self._told_step = 0
        metrics.progress = FillProgress()

    @property
    def progress(self) -> FillProgress:
        """How far it is."""
        return self._metrics.progress

    def look(self, records: Records, now: Moment, *, searched: bool, idle: bool) -> None:
        """Count anew, once a second and when there is nothing else to do.

        Args:
            records: Of all vaults.
            now: The present.
            searched: Whether every search for vaults has ended once.
            idle: Whether nothing is under way.
        """
        if self.progress.done or (now.monotonic < self._looked_at + _LOOK_SECONDS and not idle):
            return
        self._looked_at = now.monotonic
        vaults = [one for one in records.values() if isinstance(one, VaultRecord)]
        read = [one for one in vaults if one.ended_once]
        complete = sum(one.filled for one in vaults)
        sharing: dict[BudgetKey, list[VaultRecord]] = {}
        for one in vaults:
            sharing.setdefault(one.budget, []).append(one)
        left = [self._seconds_left(key, of, records, now) for key, of in sharing.items()]
        known = [seconds for seconds in left if seconds is not None]
        seconds = max(known) if known and len(known) == len(left) else None
        progress = FillProgress(
            vaults=len(vaults),
            read=len(read),
            complete=complete,
            details=sum(map(_details, vaults)),
            ends_at=None if seconds is None else now.monotonic + seconds,
            done=0 < len(vaults) == complete and searched,
        )
        self._metrics.progress = progress
        self._tell(progress, now.monotonic, seconds)

    def _seconds_left(
        self, key: BudgetKey, vaults: list[VaultRecord], records: Records, now: Moment
    ) -> float | None:
        """What is left to read, over the rate that the budget allows; None if that has no end.

        Vaults not read yet are taken to be like the others, and jobs to end as they did the day
        before.
        """
        read = [one for one in vaults if one.ended_once]
        if not read and vaults:
            return None
        unfilled = [one for one in vaults if not one.filled]
        more = len(vaults) / len(read)
        details = more * sum(map(_details, vaults))
        ended = sum(
            1
            for one in unfilled
            for job in one.history.jobs.values()
            if job.ended_at and now.wall - job.ended_at <= _DAY
        )
        arriving = more * ended / _DAY.total_seconds()
        return self._budgets.seconds_for(key, details, _COUNTED * arriving, records, now.monotonic)

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


def _details(record: VaultRecord) -> int:
    """How many details of failed and newest jobs wait in a vault that is not complete."""
    if record.filled:
        return 0
    return sum(one.urgency <= Urgency.NEWEST for one in record.details.ready)


def _outlook(progress: FillProgress, left: float | None) -> str:
    if left is not None:
        return f"about {span(timedelta(seconds=left))} left under the read budget"
    return ENDLESS if progress.endless else "how long it will take is not known yet"
