"""A job from its start to its end, seen through HTTP while the clock moves."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from exporter.simulator import ManualClock, Simulator, demo_fleet, sized_fleet

from .client import ANCHOR, Client, Job

MINUTE = timedelta(minutes=1)


@pytest.fixture
def simulator(clock: ManualClock) -> Iterator[Simulator]:
    """One machine whose backup has just begun."""
    with Simulator(fleet=sized_fleet(1, 1, running=1, anchor=ANCHOR), clock=clock) as simulator:
        yield simulator


def tasks(job: Job) -> list[str]:
    return [task["status"] for task in job["properties"]["extendedInfo"]["tasksList"]]


def life(client: Client, clock: ManualClock, job: Job, step: timedelta) -> list[Job]:
    """Details of a job, read until it has ended."""
    details = [client.detail(job)]
    while "endTime" not in details[-1]["properties"]:
        clock.advance(step)
        details.append(client.detail(job))
    return details


def test_the_tasks_of_a_backup_come_one_after_the_other(client: Client, clock: ManualClock) -> None:
    (job,) = client.jobs()

    details = life(client, clock, job, MINUTE / 2)

    assert list(dict.fromkeys(tuple(tasks(detail)) for detail in details)) == [
        ("InProgress", "NotStarted"),
        ("Completed", "NotStarted"),
        ("Completed", "InProgress"),
        ("Completed", "Completed"),
    ]
    assert {detail["properties"]["status"] for detail in details[:-1]} == {"InProgress"}
    assert details[-1]["properties"]["status"] == "Completed"


def test_only_a_finished_backup_has_end_and_size(client: Client, clock: ManualClock) -> None:
    (job,) = client.jobs()

    *running, finished = life(client, clock, job, 5 * MINUTE)

    bags = [detail["properties"]["extendedInfo"]["propertyBag"] for detail in running]
    assert not any("Backup Size" in bag for bag in bags)
    assert "Backup Size" in finished["properties"]["extendedInfo"]["propertyBag"]


def test_a_duration_grows_and_is_end_minus_start_at_last(
    client: Client, clock: ManualClock
) -> None:
    (job,) = client.jobs()
    started = datetime.fromisoformat(job["properties"]["startTime"])

    *running, finished = life(client, clock, job, 5 * MINUTE)

    for number, detail in enumerate(running):
        so_far = ANCHOR + number * 5 * MINUTE - started
        assert abs(seconds(detail) - so_far.total_seconds()) < 1e-5
    ended = datetime.fromisoformat(finished["properties"]["endTime"])
    assert abs(seconds(finished) - (ended - started).total_seconds()) < 1e-5


def seconds(job: Job) -> float:
    minutes, _, rest = job["properties"]["duration"].removeprefix("PT").rpartition("M")
    return 60 * int(minutes or 0) + float(rest.removesuffix("S") or 0)


def test_a_finished_job_never_changes(client: Client, clock: ManualClock) -> None:
    (job,) = client.jobs()
    finished = life(client, clock, job, 5 * MINUTE)[-1]

    clock.advance(timedelta(hours=3))

    assert client.detail(job) == finished


def test_a_list_and_the_details_agree_at_any_time(clock: ManualClock) -> None:
    with (
        Simulator(fleet=demo_fleet(anchor=ANCHOR), clock=clock) as simulator,
        Client(simulator) as client,
    ):
        for _ in range(3):
            for vault_id in simulator.vault_ids:
                for job in client.jobs(vault_id)[:40]:
                    detail = client.detail(job)
                    del detail["properties"]["extendedInfo"]
                    assert detail == job
            clock.advance(timedelta(minutes=7))


def test_a_week_later_there_is_a_week_of_jobs_more(client: Client, clock: ManualClock) -> None:
    clock.advance(timedelta(days=7))

    jobs = client.jobs()

    assert len(jobs) == 8
    assert [job["properties"]["status"] for job in jobs] == ["InProgress"] + ["Completed"] * 7
