"""Which details are read, and in which order."""

from __future__ import annotations

from typing import Any

from exporter.backup.details import wanted_details
from exporter.backup.history import DetailReading, Window, merge_details, merge_list
from exporter.backup.model import JobSeries
from tests.builders import NOW, a_detail, a_history, a_job, a_running_job, hours_ago, settings


def wanted(*jobs: Any, **changes: Any) -> list[str]:
    return [one.job.job_id for one in wanted_details(a_history(*jobs), NOW, settings(**changes))]


def test_failed_first_then_newest_of_each_item_then_running_then_the_rest() -> None:
    jobs = (
        a_job("older", ended=hours_ago(5)),
        a_job("newest", ended=hours_ago(4)),
        a_job("newest2", item="vm2", ended=hours_ago(3)),
        a_running_job("running"),
        a_job("failed", status="Failed", item="vm3", ended=hours_ago(20)),
        a_job("failed-just-now", status="Failed", item="vm4", ended=hours_ago(2)),
    )

    assert wanted(*jobs) == [
        "failed-just-now",
        "failed",
        "newest2",
        "newest",
        "running",
        "older",
    ]


def test_a_finished_job_is_read_once_and_a_running_one_each_time() -> None:
    read = DetailReading(jobs=[a_job(detail=a_detail()), a_running_job(detail=a_detail())])
    history = merge_details(a_history(a_job(), a_running_job()), read)

    assert [one.job.job_id for one in wanted_details(history, NOW, settings())] == ["r1"]


def test_what_a_list_brings_with_its_detail_is_not_asked_for() -> None:
    """As rows of Resource Graph may; a running job's only until a list comes without it."""
    listed = [a_job(detail=a_detail()), a_running_job(detail=a_detail())]
    history = a_history(*listed)
    assert wanted_details(history, NOW, settings()) == []

    window = Window(start=hours_ago(1), end=NOW, full=False)
    history = merge_list(history, [a_job(), a_running_job()], window, settings())
    assert [one.job.job_id for one in wanted_details(history, NOW, settings())] == ["r1"]


def test_the_newest_of_an_item_is_read_though_it_left_the_window() -> None:
    assert wanted(a_job(ended=hours_ago(100))) == ["j1"]


def test_what_no_series_shows_is_never_read() -> None:
    jobs = (a_job("newest"), a_job("older", ended=hours_ago(5)), a_running_job("running"))

    assert wanted(*jobs, job_series=JobSeries.NONE) == ["newest"]
    assert wanted(*jobs, job_series=JobSeries.RUNNING) == ["newest", "running"]
    assert wanted(*jobs, max_job_series=1) == ["newest", "running"]


def test_a_running_job_that_the_list_lacks_is_asked_for_whatever_series_there_are() -> None:
    """Its detail decides whether there still is such a job."""
    none = settings(job_series=JobSeries.NONE)
    window = Window(start=hours_ago(1), end=NOW, full=False)
    history = merge_list(a_history(a_running_job()), [], window, none)

    assert [one.job.job_id for one in wanted_details(history, NOW, none)] == ["r1"]


def test_an_item_superseded_by_a_fuller_name_is_not_read_for_its_own_sake() -> None:
    bare = a_job("bare", item="msdb", protection_container="", ended=hours_ago(50))
    full = a_job("full", item="msdb", protection_container="host", backup_type="Full")

    assert wanted(bare, full) == ["full"]


def test_a_detail_that_azure_does_not_have_is_not_asked_for_again() -> None:
    history = merge_details(a_history(a_job()), DetailReading(gone={"j1"}))

    assert wanted_details(history, NOW, settings()) == []
