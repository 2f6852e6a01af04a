"""All vaults, and the jobs that exist in them at any time."""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from exporter.simulator import ticks
from exporter.simulator.job import Job
from exporter.simulator.job_names import Place, name_of, place_of
from exporter.simulator.schedule import LONGEST, NOISE, SHORTEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.simulator.clock import Timescale
    from exporter.simulator.inventory import Vault

_DICE_BYTES: Final = 32
_FIRST_WINDOW: Final = 3600 * ticks.PER_SECOND


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
        start = self.oldest(now) if start is None else max(start, self.oldest(now))
        end = now if end is None else min(end, now)
        since, until = self.timescale.to_schedule(start), self.timescale.to_schedule(end)
        found = [
            job
            for item_index, item in enumerate(vault.items)
            for schedule_index, schedule in enumerate(item.schedules)
            for slot in schedule.slots(since, until)
            if start <= (job := self.job_at(vault, Place(item_index, schedule_index, slot))).start
            and job.start <= end
        ]
        found.sort(key=lambda job: (-job.start, job.name))
        return found

    def newest_first(self, vault: Vault, start: int | None, end: int, now: int) -> Iterator[Job]:
        """The same jobs one by one; few more are made than are taken."""
        first = self.oldest(now) if start is None else max(start, self.oldest(now))
        width = _FIRST_WINDOW
        while end >= first:
            since = max(first, end - width)
            yield from self.jobs(vault, since, end, now)
            end = since - 1
            width *= 4

    def oldest(self, now: int) -> int:
        """When the oldest jobs that exist now may have started; in ticks, as all here."""
        return self.timescale.to_clock(self.timescale.to_schedule(now) - self._retention)

    def job(self, vault: Vault, name: str, now: int) -> Job | None:
        """The job of a name, if it exists now."""
        place = place_of(name, self._salt(vault))
        if place is None or place.item >= len(vault.items):
            return None
        schedules = vault.items[place.item].schedules
        if place.schedule >= len(schedules) or place.slot < schedules[place.schedule].first_slot:
            return None
        job = self.job_at(vault, place)
        age = self.timescale.to_schedule(now) - self.timescale.to_schedule(job.start)
        return job if job.name == name.lower() and 0 <= age <= self._retention else None

    def job_at(self, vault: Vault, place: Place) -> Job:
        """The job of a place, whether it exists by now or not."""
        item = vault.items[place.item]
        schedule = item.schedules[place.schedule]
        timing = schedule.timing
        salt = self._salt(vault)
        dice = blake2b(b"%d %d %d" % place, digest_size=_DICE_BYTES, key=salt).digest()
        outcome = schedule.outcomes[place.slot % len(schedule.outcomes)]
        begins = (
            timing.offset
            + place.slot * timing.every
            + timing.takes * dice[1] // 256 // 20
            + int.from_bytes(dice[2:5]) % NOISE
        )
        share = SHORTEST + (LONGEST - SHORTEST) * int.from_bytes(dice[5:9]) / 2**32
        return Job(
            vault=vault,
            item=item,
            schedule=schedule,
            slot=place.slot,
            name=name_of(place, dice, salt),
            start=self.timescale.to_clock(begins),
            end=self.timescale.to_clock(begins + round(timing.takes * outcome.lasts * share)),
            dice=dice,
        )

    def _salt(self, vault: Vault) -> bytes:
        """What makes the dice of one vault and seed differ from those of all others."""
        salt = self._salts.get(vault.id)
        if salt is None:
            salt = blake2b(f"{self._seed}{vault.id}".encode(), digest_size=16).digest()
            self._salts[vault.id] = salt
        return salt
