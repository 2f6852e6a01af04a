"""Whose protection a job has changed that names no server."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from exporter.backup.details import wanted_details
from exporter.backup.history import DetailReading, Window, merge_details, merge_list, prune
from exporter.backup.model import BackupJob, JobSeries
from exporter.backup.parse import parse_job_detail
from exporter.backup.rollup import roll_up
from tests.builders import NOW, a_detail, a_history, a_job, a_vault, hours_ago, settings
from tests.payloads import a_payload


def a_database_job(job_id: str, container: str = "", **changes: Any) -> BackupJob:
    names: dict[str, Any] = {"backup_management_type": "AzureWorkload", "item": "msdb"}
    return a_job(job_id, protection_container=container, **{**names, **changes})


def a_stop(job_id: str = "stop", machine: str | None = None, **changes: Any) -> BackupJob:
    detail = None if machine is None else a_detail(tasks=(), machine=machine)
    return a_database_job(job_id, operation="DisableBackup", detail=detail, **changes)


def stopped_at(*jobs: BackupJob, detail: BackupJob) -> list[str]:
    """The containers of what was stopped, once its detail was read."""
    history = merge_details(a_history(*jobs), DetailReading(jobs=[detail]))
    rolled = roll_up(a_vault(), prune(history, NOW, settings()), NOW, settings())
    return sorted(
        one.key.protection_container for one in rolled.items if one.key.operation != "Backup"
    )


@pytest.mark.parametrize(
    ("hosts", "machine", "container"),
    [
        # Only one server has a database of this name.
        (["sqla"], "", "sqla"),
        # Its machine's name is its own, cut to 15 characters, or with a domain behind it.
        (["sqla", "sqlb"], "sqlb", "sqlb"),
        (["sqla", "sql-production-"], "sql-production-7", "sql-production-"),
        (["sqla", "sqlb.corp.example"], "sqlb", "sqlb.corp.example"),
        # One server, whose host name is not its machine's.
        (["hxehost"], "vm-hana-1", "hxehost"),
        # Two may be meant, or none that is known.
        (["sqla", "sqlb"], "", ""),
        (["sqla", "sqlb"], "sqlc", ""),
        (["sqlb.one.example", "sqlb.two.example"], "sqlb", ""),
        ([], "sqla", ""),
    ],
)
def test_the_server_is_found_where_it_is_certain(
    hosts: list[str], machine: str, container: str
) -> None:
    backups = [a_database_job(host, host) for host in hosts]

    assert stopped_at(*backups, a_stop(), detail=a_stop(machine=machine)) == [container]


def test_a_server_that_is_known_by_another_database_is_not_taken_for_the_only_one() -> None:
    """Nothing is known of sqlb's msdb, but it is sqlb's that was stopped."""
    jobs = [a_database_job("a", "sqla"), a_database_job("b", "sqlb", item="crm")]

    assert stopped_at(*jobs, a_stop(), detail=a_stop(machine="sqlb")) == ["sqlb"]


def test_nothing_is_guessed_before_the_detail_was_read() -> None:
    """It may say that another server is meant, and names never change again."""
    history = a_history(a_database_job("a", "sqla"), a_stop())

    assert history.jobs["stop"].protection_container == ""


def test_what_is_protected_later_under_the_same_name_changes_nothing() -> None:
    history = merge_details(
        a_history(a_database_job("a", "sqla"), a_stop()),
        DetailReading(jobs=[a_stop(machine="")]),
    )
    window = Window(start=hours_ago(9), end=NOW, full=True)
    listed = [a_database_job("a", "sqla"), a_stop(), a_database_job("b", "sqlb")]

    history = merge_list(history, listed, window, settings())

    assert history.jobs["stop"].protection_container == "sqla"


def test_two_servers_databases_of_one_name_are_stopped_each_for_itself() -> None:
    """Both stops look alike before their details, so both details are read."""
    backups = [a_database_job("a", "sqla"), a_database_job("b", "sqlb")]
    stops = [a_stop("stop-a", ended=hours_ago(3)), a_stop("stop-b", ended=hours_ago(2))]
    history = a_history(*backups, *stops)

    few = settings(job_series=JobSeries.NONE)
    wanted = {one.job.job_id for one in wanted_details(history, NOW, few)}
    assert {"stop-a", "stop-b"} <= wanted
    details = [
        a_stop(f"stop-{one}", machine=f"sql{one}", ended=hours_ago(at))
        for one, at in (("a", 3), ("b", 2))
    ]
    history = prune(merge_details(history, DetailReading(jobs=details)), NOW, few)
    rolled = roll_up(a_vault(), history, NOW, few)
    assert {
        one.key.protection_container: one.last_success
        for one in rolled.items
        if one.key.operation == "DisableBackup"
    } == {"sqla": hours_ago(3), "sqlb": hours_ago(2)}
    assert not {one.job.job_id for one in wanted_details(history, NOW, few)} & {"stop-a", "stop-b"}


def test_a_stop_long_past_whose_server_is_not_known_is_not_read_again_and_again() -> None:
    """Its detail is not kept beyond the window."""
    stops = [a_stop("one", ended=hours_ago(40)), a_stop("two", ended=hours_ago(41))]
    history = a_history(a_database_job("a", "sqla"), a_database_job("b", "sqlb"), *stops)

    wanted = [one.job.job_id for one in wanted_details(history, NOW, settings())]

    assert "two" not in wanted


def test_other_jobs_without_a_container_stay_as_they_are() -> None:
    """A backup says later which server it is about."""
    failed = a_database_job("bare", status="Failed", ended=hours_ago(2))
    history = merge_details(
        a_history(a_database_job("a", "sqla"), failed),
        DetailReading(
            jobs=[a_database_job("bare", status="Failed", ended=hours_ago(2), detail=a_detail())]
        ),
    )

    assert history.jobs["bare"].protection_container == ""


@pytest.mark.parametrize("text", ["Compute;group;SQL-01", "compute;group;sql-01", "SQL-01"])
def test_the_machine_is_the_last_part_of_the_containers_unique_name(text: str) -> None:
    """In either case (FACTS 7)."""
    bag = {"tasksList": [], "propertyBag": {"ContainerUniqueName": text}}
    payload = a_payload(
        operation="DisableBackup", backupManagementType="AzureWorkload", extendedInfo=bag
    )

    problems: Counter[str] = Counter()
    detail = parse_job_detail(payload, problems).detail

    assert detail
    assert detail.machine == "sql-01"
    assert not problems
