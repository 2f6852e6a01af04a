"""Jobs are a pure function of seed, fleet and time."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator import demo_fleet, sized_fleet
from exporter.simulator.clock import Timescale
from exporter.simulator.schedule import DAY, Schedule
from exporter.simulator.ticks import PER_SECOND, from_datetime, from_timedelta

from .client import ANCHOR

NOW = from_datetime(ANCHOR)


def test_equal_seeds_make_equal_jobs_and_others_do_not() -> None:
    def jobs(seed: int) -> list[str]:
        fleet = demo_fleet(seed=seed, anchor=ANCHOR)
        return [str(job) for vault in fleet.vaults for job in fleet.jobs(vault, None, None, NOW)]

    assert jobs(1) == jobs(1)
    assert not set(jobs(1)) & set(jobs(2))


def test_a_job_stays_what_it_is_while_time_goes_on() -> None:
    fleet = demo_fleet(anchor=ANCHOR)
    later = NOW + from_timedelta(timedelta(hours=5))

    for vault in fleet.vaults:
        before = fleet.jobs(vault, None, None, NOW)
        after = fleet.jobs(vault, before[-1].start, NOW, later)
        oldest_kept = after[-1].start
        assert after == [job for job in before if job.start >= oldest_kept]
        assert len(after) > len(before) / 2


@pytest.mark.parametrize("speed", [1, 120])
def test_every_name_leads_to_its_job(speed: int) -> None:
    fleet = demo_fleet(speed=speed, anchor=ANCHOR)

    for vault in fleet.vaults:
        for job in fleet.jobs(vault, None, None, NOW):
            assert UUID(job.name).version == 4
            assert fleet.job(vault, job.name.upper(), NOW) == job


def test_other_names_lead_nowhere() -> None:
    fleet = sized_fleet(2, 20, anchor=ANCHOR)
    mine, other = fleet.vaults
    job = fleet.jobs(mine, None, None, NOW)[0]

    assert fleet.job(other, job.name, NOW) is None
    assert fleet.job(mine, job.name, job.start - 1) is None
    assert fleet.job(mine, job.name, NOW + from_timedelta(40 * DAY)) is None
    assert fleet.job(mine, "not-a-guid", NOW) is None
    assert not any(fleet.job(mine, str(uuid4()), NOW) for _ in range(200))


def test_a_window_is_that_part_of_the_whole() -> None:
    fleet = demo_fleet(anchor=ANCHOR)
    start, end = (NOW - from_timedelta(timedelta(hours=hours)) for hours in (60, 20))

    for vault in fleet.vaults:
        whole = fleet.jobs(vault, None, None, NOW)
        assert fleet.jobs(vault, start, end, NOW) == [
            job for job in whole if start <= job.start <= end
        ]


@given(
    offset=st.integers(-5000, 5000),
    every=st.integers(1, 3000),
    start=st.integers(-10_000, 10_000),
    length=st.integers(0, 5_000),
)
def test_slots_of_a_window_miss_none(offset: int, every: int, start: int, length: int) -> None:
    schedule = Schedule(
        operation="Backup",
        every=timedelta(seconds=every),
        offset=timedelta(seconds=offset),
        takes=timedelta(seconds=20),
        first_slot=-100,
    )

    found = schedule.slots(start * PER_SECOND, (start + length) * PER_SECOND)

    expected = [
        slot
        for slot in range(-100, 20_000 // every + 1)
        if start - 1 < offset + slot * every <= start + length
    ]
    assert set(expected) <= set(found)
    assert len(list(found)) <= len(expected) + 1


def test_speed_compresses_around_the_anchor() -> None:
    timescale = Timescale(ANCHOR, 120)

    assert timescale.to_clock(0) == NOW
    assert timescale.to_clock(from_timedelta(DAY)) == NOW + from_timedelta(timedelta(minutes=12))
    assert timescale.to_schedule(NOW - PER_SECOND) == -120 * PER_SECOND


@pytest.mark.parametrize(
    ("anchor", "speed"), [(ANCHOR.replace(tzinfo=None), 1.0), (ANCHOR, 0.0), (ANCHOR, -1.0)]
)
def test_a_timescale_without_sense_is_refused(anchor: object, speed: float) -> None:
    with pytest.raises(ValueError, match=r"anchor|speed"):
        Timescale(anchor, speed)  # type: ignore[arg-type]
