"""The counts that sized_fleet promises."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator import Fleet, sized_fleet
from exporter.simulator.job import Job
from exporter.simulator.lifecycle import observe
from exporter.simulator.schedule import DAY
from exporter.simulator.ticks import from_datetime, from_timedelta

from .client import ANCHOR

NOW = from_datetime(ANCHOR)


def all_jobs(fleet: Fleet, after: timedelta = timedelta()) -> list[Job]:
    now = from_datetime(ANCHOR + after)
    return [job for vault in fleet.vaults for job in fleet.jobs(vault, None, None, now)]


def statuses(fleet: Fleet, after: timedelta = timedelta()) -> Counter[str]:
    now = from_datetime(ANCHOR + after)
    return Counter(observe(job, now).status for job in all_jobs(fleet, after))


@settings(max_examples=40, deadline=None)
@given(
    vaults=st.integers(1, 7),
    jobs=st.integers(0, 300),
    jobs_per_item=st.integers(1, 20),
    every=st.sampled_from([timedelta(minutes=1), timedelta(hours=1), DAY]),
    share_running=st.floats(0, 1),
)
def test_every_job_is_counted(
    vaults: int, jobs: int, jobs_per_item: int, every: timedelta, share_running: float
) -> None:
    items = len(sized_items(vaults, jobs, jobs_per_item))
    running = int(items * share_running)

    fleet = sized_fleet(
        vaults,
        jobs,
        jobs_per_item=jobs_per_item,
        every=every,
        running=running,
        anchor=ANCHOR,
    )

    found = all_jobs(fleet)
    assert statuses(fleet) == Counter(
        {
            status: n
            for status, n in {"InProgress": running, "Completed": jobs - running}.items()
            if n
        }
    )
    assert all(NOW - job.start <= from_timedelta(jobs_per_item * every) for job in found)
    assert len({job.name for job in found}) == jobs
    assert sum(len(vault.items) for vault in fleet.vaults) == items
    assert len(all_jobs(fleet, after=every)) == jobs + items


def sized_items(vaults: int, jobs: int, jobs_per_item: int) -> list[str]:
    fleet = sized_fleet(vaults, jobs, jobs_per_item=jobs_per_item, anchor=ANCHOR)
    return [item.name for vault in fleet.vaults for item in vault.items]


def test_a_day_brings_one_finished_job_an_item() -> None:
    fleet = sized_fleet(2, 48, anchor=ANCHOR)

    assert statuses(fleet)["Completed"] == 48
    assert statuses(fleet, after=DAY)["Completed"] == 48 + 6
    assert statuses(fleet, after=7 * DAY)["Completed"] == 48 + 7 * 6


def test_a_share_of_the_items_always_fails() -> None:
    fleet = sized_fleet(1, 80, failing=0.25, anchor=ANCHOR)

    assert statuses(fleet) == {"Failed": 2 * 8, "Completed": 8 * 8}


def test_running_and_failing_items_may_meet() -> None:
    fleet = sized_fleet(1, 80, failing=1, running=10, anchor=ANCHOR)

    assert statuses(fleet) == {"Failed": 70, "InProgress": 10}


def test_vaults_are_spread_over_subscriptions_and_locations() -> None:
    fleet = sized_fleet(12, 12, subscriptions=2, locations=3, anchor=ANCHOR)

    places = Counter((vault.subscription_id, vault.location) for vault in fleet.vaults)
    assert len(places) == 6
    assert set(places.values()) == {2}
    assert len({vault.id for vault in fleet.vaults}) == 12


@pytest.mark.parametrize("wrong", [{"running": 26}, {"locations": 0}, {"locations": 9}])
def test_what_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        sized_fleet(1, 200, running=wrong.get("running", 0), locations=wrong.get("locations", 1))
