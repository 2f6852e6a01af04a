"""Fleets of a given size, for tests and benchmarks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from exporter.simulator.clock import Timescale, system_clock
from exporter.simulator.fleet import Fleet
from exporter.simulator.inventory import ProtectedItem, Redundancy, Vault, Workload
from exporter.simulator.outcomes import COMPLETED, SNAPSHOT_FAILED, Outcome
from exporter.simulator.schedule import DAY, Schedule

_LOCATIONS: Final = (
    "westeurope",
    "northeurope",
    "eastus",
    "westus2",
    "southeastasia",
    "uksouth",
    "australiaeast",
    "japaneast",
)
_ENVIRONMENTS: Final = ("production", "test", "development")
_TEAMS: Final = ("platform", "data", "web", "office", "network")
_REDUNDANCIES: Final[tuple[Redundancy, ...]] = (
    "GeoRedundant",
    "LocallyRedundant",
    "GeoRedundant",
    "ZoneRedundant",
)
_SKUS: Final = ("RS0", "RS0", "RS0", "Standard")
# A job takes 40 minutes of a day, and the same share of other periods.
_DURATION_SHARE: Final = 1 / 36
_LATEST_START: Final = 0.3
_SPREAD: Final = 0.6


def sized_fleet(
    vaults: int = 3,
    jobs: int = 200,
    *,
    jobs_per_item: int = 8,
    every: timedelta = DAY,
    running: int = 0,
    failing: float = 0.0,
    subscriptions: int = 1,
    locations: int = 1,
    anchor: datetime | None = None,
    night: timedelta | None = None,
    seed: int = 1,
) -> Fleet:
    """Make a fleet of virtual machines whose jobs can be counted.

    At the anchor there are exactly ``jobs`` jobs, spread evenly over the vaults (the first ones
    have one more). All have started within ``jobs_per_item * every`` before the anchor, 8 days
    unless told otherwise. Each item has one job every ``every``, and ``jobs_per_item`` of them
    at the anchor, the last item of a vault fewer. Hence a vault has
    ``ceil(its jobs / jobs_per_item)`` items, and whenever the clock has moved on by ``every``,
    each item has started and finished exactly one job more. All subscriptions are in the
    management group ``mg-sized``.

    Args:
        vaults: How many.
        jobs: How many in all, at the anchor.
        jobs_per_item: How many of them an item has.
        every: Time between two jobs of an item.
        running: How many of the jobs run at the anchor; at most one an item. The first items of
            each vault have them, vault by vault in turn. All others have ended.
        failing: The share of items, rounded down in each vault, whose every job fails. The last
            items of a vault fail.
        subscriptions: How many the vaults are spread over, in turn.
        locations: How many regions the vaults are spread over, in turn; at most 8.
        anchor: The present if None.
        night: Within how long the jobs of one period start; 0.6 periods if None.
        seed: What chance depends on.
    """
    if not 1 <= locations <= len(_LOCATIONS):
        raise ValueError(f"locations is not between 1 and {len(_LOCATIONS)}: {locations}")
    sizes = [jobs // vaults + (index < jobs % vaults) for index in range(vaults)]
    items = [-(-size // jobs_per_item) for size in sizes]
    if running > sum(items):
        raise ValueError(f"running is above the number of items, {sum(items)}: {running}")
    runs = _dealt(running, items)
    made = [
        Vault(
            subscription_id=_subscription(index % subscriptions),
            resource_group=f"rg-{index:04}",
            name=f"vault-{index:04}",
            location=_LOCATIONS[index // subscriptions % locations],
            tags=_tags(index),
            sku=_SKUS[index % len(_SKUS)],
            redundancy=_REDUNDANCIES[index % len(_REDUNDANCIES)],
            cross_region_restore=_REDUNDANCIES[index % len(_REDUNDANCIES)] == "GeoRedundant",
            items=tuple(
                _item(
                    f"vm-{index:04}-{number:04}",
                    f"rg-{index:04}",
                    before=_before(
                        number,
                        items[index],
                        running=number < runs[index],
                        spread=(night / every) if night else _SPREAD,
                    ),
                    every=every,
                    past=min(jobs_per_item, sizes[index] - number * jobs_per_item),
                    outcome=(
                        SNAPSHOT_FAILED
                        if number >= items[index] - int(items[index] * failing)
                        else COMPLETED
                    ),
                )
                for number in range(items[index])
            ),
        )
        for index in range(vaults)
    ]
    return Fleet(
        made,
        Timescale(anchor or system_clock()),
        seed=seed,
        management_groups={"mg-sized": [_subscription(index) for index in range(subscriptions)]},
    )


def _subscription(index: int) -> str:
    return f"00000000-0000-4000-8000-{index:012}"


def _tags(index: int) -> dict[str, str]:
    """Those of a vault; every tenth has none."""
    if index % 10 == 9:  # noqa: PLR2004 - the tenth
        return {}
    return {
        "environment": _ENVIRONMENTS[index % len(_ENVIRONMENTS)],
        "team": _TEAMS[index % len(_TEAMS)],
    }


def _dealt(count: int, capacities: list[int]) -> list[int]:
    """Deal so many one by one to each in turn that has room."""
    dealt = [0] * len(capacities)
    while count:
        for index, capacity in enumerate(capacities):
            if count and dealt[index] < capacity:
                dealt[index] += 1
                count -= 1
    return dealt


def _before(number: int, items: int, *, running: bool, spread: float) -> float:
    """How long before the anchor an item's newest job starts, in periods."""
    if running:
        # Even a job that fails early still runs then.
        return _DURATION_SHARE / 10
    return _LATEST_START + spread * (number + 1) / (items + 1)


def _item(
    name: str, group: str, *, before: float, every: timedelta, past: int, outcome: Outcome
) -> ProtectedItem:
    schedule = Schedule(
        operation="Backup",
        every=every,
        offset=-before * every,
        takes=_DURATION_SHARE * every,
        outcomes=(outcome,),
        first_slot=1 - past,
    )
    return ProtectedItem(
        workload=Workload.VIRTUAL_MACHINE,
        container=group,
        spellings=(name,),
        schedules=(schedule,),
        size_mb=8000,
    )
