"""All vaults, and the jobs that exist in them at any time."""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from exporter.simulator import ticks
from exporter.simulator.job import Job
from exporter.simulator.job_names import Place, name_of, place_of
from exporter.simulator.schedule import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.simulator.clock import Timescale
    from exporter.simulator.inventory import Vault

_DICE_BYTES: Final = 32


class Fleet:
    """Vaults whose jobs are a pure function of seed, schedules and time; nothing is stored.

    Args:
        retention: How much schedule time a job is known after its start.
        management_groups: The ids of the subscriptions in each.
    """

    def __init__(
        self,
        vaults: Sequence[Vault],
        timescale: Timescale,
        *,
        seed: int,
        retention: timedelta = timedelta(days=35),
        management_groups: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.vaults = tuple(vaults)
        self.management_groups = {
            name: tuple(subscriptions) for name, subscriptions in (management_groups or {}).items()
        }
        self.timescale = timescale
        self._retention = ticks.from_timedelta(retention)
        self._seed = seed
        self._salts: dict[str, bytes] = {}

    def jobs(self, vault: Vault, start: int | None, end: int | None, now: int) -> list[Job]:
        """Jobs that exist now and started within two instants, newest first. All in ticks."""
        oldest = self.timescale.to_clock(self.timescale.to_schedule(now) - self._retention)
        start = oldest if start is None else max(start, oldest)
        end = now if end is None else min(end, now)
        found = [
            job
            for item_index, item in enumerate(vault.items)
            for schedule_index, schedule in enumerate(item.schedules)
            for slot in schedule.slots(*map(self.timescale.to_schedule, (start, end)))
            if start <= (job := self._job(vault, Place(item_index, schedule_index, slot))).start
            and job.start <= end
        ]
        found.sort(key=lambda job: (-job.start, job.name))
        return found

    def jobs_touching(self, vault: Vault, started: int, ended: int, now: int) -> Iterator[Job]:
        """Jobs that exist now, and all of them that run, start or end since two instants.

        Others may be among them.
        """
        oldest = self.timescale.to_schedule(now) - self._retention
        started = self.timescale.to_schedule(started)
        ended = self.timescale.to_schedule(min(ended, now))
        for item_index, item in enumerate(vault.items):
            for schedule_index, schedule in enumerate(item.schedules):
                since = max(oldest, min(started, ended - schedule.longest))
                for slot in schedule.slots(since, self.timescale.to_schedule(now)):
                    job = self._job(vault, Place(item_index, schedule_index, slot))
                    if self.timescale.to_clock(oldest) <= job.start <= now:
                        yield job

    def job(self, vault: Vault, name: str, now: int) -> Job | None:
        """The job of a name, if it exists now."""
        place = place_of(name, self._salt(vault))
        if place is None or place.item >= len(vault.items):
            return None
        schedules = vault.items[place.item].schedules
        if place.schedule >= len(schedules) or place.slot < schedules[place.schedule].first_slot:
            return None
        job = self._job(vault, place)
        age = self.timescale.to_schedule(now) - self.timescale.to_schedule(job.start)
        return job if job.name == name.lower() and 0 <= age <= self._retention else None

    def _job(self, vault: Vault, place: Place) -> Job:
        item = vault.items[place.item]
        schedule = item.schedules[place.schedule]
        salt = self._salt(vault)
        dice = blake2b(b"%d %d %d" % place, digest_size=_DICE_BYTES, key=salt).digest()
        outcome = schedule.outcomes[place.slot % len(schedule.outcomes)]
        takes = ticks.from_timedelta(schedule.takes)
        late = takes * dice[1] // 256 // 20
        begins = (
            ticks.from_timedelta(schedule.offset)
            + place.slot * ticks.from_timedelta(schedule.every)
            + late
            # Not a round number of ticks: start times have all seven digits (F§4).
            + int.from_bytes(dice[2:5]) % 10_000
        )
        lasts = (
            takes * outcome.lasts * (0.85 + (LONGEST - 0.85) * int.from_bytes(dice[5:9]) / 2**32)
        )
        return Job(
            vault=vault,
            item=item,
            schedule=schedule,
            slot=place.slot,
            name=name_of(place, dice, salt),
            start=self.timescale.to_clock(begins),
            end=self.timescale.to_clock(begins + round(lasts)),
            dice=dice,
        )

    def _salt(self, vault: Vault) -> bytes:
        """What makes the dice of one vault and seed differ from those of all others."""
        salt = self._salts.get(vault.id)
        if salt is None:
            salt = blake2b(f"{self._seed}{vault.id}".encode(), digest_size=16).digest()
            self._salts[vault.id] = salt
        return salt
