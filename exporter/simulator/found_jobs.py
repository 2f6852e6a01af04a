"""Which of the fleet's jobs a Resource Graph query finds, and how many, without making them all."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.simulator import ticks
from exporter.simulator.job_names import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.simulator.fleet import Fleet
    from exporter.simulator.inventory import Vault
    from exporter.simulator.job import Job
    from exporter.simulator.kusto import JobQuery
    from exporter.simulator.schedule import Schedule

# Jobs are known for so long after their start, running ones longer (F§15).
_KEPT: Final = ticks.from_timedelta(timedelta(days=14))


class FoundJobs:
    """What a query finds at one instant, in ticks."""

    def __init__(self, fleet: Fleet, query: JobQuery, now: int) -> None:
        self._fleet = fleet
        self._now = now
        self._oldest = fleet.oldest(now)
        self._kept = now - _KEPT
        self._started = max(query.started, self._kept)
        self._ended = query.ended
        # The same in schedule time; where the scales differ, a tick of one is several of the other.
        to_schedule = fleet.timescale.to_schedule
        self._margin = math.ceil(fleet.timescale.speed) + 1
        self._now_in_schedule = to_schedule(now)
        self._oldest_slot = to_schedule(self._oldest)
        self._kept_in_schedule = to_schedule(self._kept)
        self._started_in_schedule = to_schedule(self._started)
        self._ended_in_schedule = to_schedule(min(query.ended, now))

    def accepts(self, start: int | None, end: int | None, *, running: bool) -> bool:
        """Whether it finds a job; an instant that is not known is after no other."""
        if running:
            return True
        if start is None or start < self._kept:
            return False
        return start >= self._started or (end is not None and end >= self._ended)

    def of(self, vault: Vault) -> Iterator[Job]:
        """A vault's jobs."""
        for item_index, item in enumerate(vault.items):
            for schedule_index, schedule in enumerate(item.schedules):
                for slot in self._slots(schedule):
                    job = self._fleet.job_at(vault, Place(item_index, schedule_index, slot))
                    if self._is_found(job):
                        yield job

    def count(self, vault: Vault) -> int:
        """How many they are; only those are made for which it is in doubt."""
        count = 0
        for item_index, item in enumerate(vault.items):
            for schedule_index, schedule in enumerate(item.schedules):
                slots = self._slots(schedule)
                sure = schedule.sure_slots(
                    max(self._oldest_slot, self._started_in_schedule) + self._margin,
                    self._now_in_schedule - self._margin,
                )
                count += len(sure)
                for slot in slots if len(sure) < len(slots) else ():
                    if slot not in sure:
                        job = self._fleet.job_at(vault, Place(item_index, schedule_index, slot))
                        count += self._is_found(job)
        return count

    def _slots(self, schedule: Schedule) -> range:
        """Those that may be found."""
        longest = schedule.timing.longest
        since = min(self._started_in_schedule, self._ended_in_schedule - longest)
        # Of what is older, only running jobs are known.
        since = max(since, min(self._kept_in_schedule, self._now_in_schedule - longest))
        since = max(self._oldest_slot, since) - self._margin
        return schedule.slots(since, self._now_in_schedule)

    def _is_found(self, job: Job) -> bool:
        return self._oldest <= job.start <= self._now and self.accepts(
            job.start, job.end, running=job.end > self._now
        )
