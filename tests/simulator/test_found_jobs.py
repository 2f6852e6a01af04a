"""Counting jobs without making them gives what making them gives."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator import Fleet, demo_fleet, sized_fleet
from exporter.simulator.found_jobs import FoundJobs
from exporter.simulator.kusto import JobQuery
from exporter.simulator.ticks import from_datetime, from_timedelta

from .client import ANCHOR

NOW = from_datetime(ANCHOR)
HOUR = from_timedelta(timedelta(hours=1))
FORTNIGHT = 14 * 24 * HOUR

FLEETS = {
    "demo": demo_fleet(anchor=ANCHOR),
    "fast demo": demo_fleet(anchor=ANCHOR, speed=120),
    "slow demo": demo_fleet(anchor=ANCHOR, speed=0.25),
    "sized": sized_fleet(1, 200, jobs_per_item=20, running=3, anchor=ANCHOR),
}


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(FLEETS)),
    started=st.integers(-500 * HOUR, HOUR),
    ended=st.integers(-500 * HOUR, HOUR),
    later=st.integers(0, 400 * HOUR),
)
def test_what_is_found_and_counted(name: str, started: int, ended: int, later: int) -> None:
    fleet = FLEETS[name]
    now = NOW + (later if name == "sized" else later // 100)
    query = JobQuery(started=NOW + started, ended=NOW + ended, columns=())
    found = FoundJobs(fleet, query, now)

    for vault in fleet.vaults:
        expected = {
            job.name
            for job in fleet.jobs(vault, None, None, now)
            if job.end > now
            or (
                job.start >= now - FORTNIGHT
                and (job.start >= query.started or job.end >= query.ended)
            )
        }
        assert {job.name for job in found.of(vault)} == expected
        assert found.count(vault) == len(expected)


@pytest.mark.parametrize("name", sorted(FLEETS))
def test_jobs_one_by_one_are_the_jobs(name: str) -> None:
    fleet: Fleet = FLEETS[name]

    for vault in fleet.vaults:
        for start in (None, NOW - 30 * HOUR):
            for end in (NOW, NOW - 3 * HOUR):
                whole = fleet.jobs(vault, start, end, NOW)
                assert list(fleet.newest_first(vault, start, end, NOW)) == whole
