"""From a history to what the series say."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from exporter.backup.history import Window, merge_list, prune
from exporter.backup.model import JobSeries
from exporter.backup.rollup import Rollup, roll_up
from tests.builders import NOW, a_history, a_job, a_running_job, a_vault, hours_ago, settings


def rolled(*jobs: Any, **changes: Any) -> Rollup:
    return roll_up(a_vault(), a_history(*jobs, **changes), NOW, settings(**changes))


def test_the_newest_finished_job_of_each_item_and_operation() -> None:
    rollup = rolled(
        a_job("1", ended=hours_ago(30)),
        a_job("2", ended=hours_ago(6)),
        a_running_job("3"),
        a_job("4", operation="Restore", ended=hours_ago(50)),
    )

    assert {item.key.operation: item.job.job_id for item in rollup.items} == {
        "Backup": "2",
        "Restore": "4",
    }


def test_newest_is_by_end_since_a_failure_at_once_may_overlap_a_long_run() -> None:
    """400249, another backup runs: the long one's success clears it."""
    long = a_job("long", start_time=hours_ago(9), end_time=hours_ago(1))
    failed = a_job("short", status="Failed", start_time=hours_ago(8), end_time=hours_ago(8))

    assert [item.job.job_id for item in rolled(long, failed).items] == ["long"]


def test_a_finished_job_without_an_end_counts_by_start_and_duration() -> None:
    ended = a_job("1", ended=hours_ago(2))
    endless = a_job("2", start_time=hours_ago(3), end_time=None, duration_seconds=7200.0)

    assert rolled(ended, endless).items[0].job.job_id == "2"


def test_names_that_differ_only_by_case_are_one_item_as_first_seen() -> None:
    """A new spelling would be a new series, a second row and a false "disappeared"."""
    first = a_job("1", item="VM1", ended=hours_ago(30))
    rollup = rolled(a_job("2", item="vm1"), first, a_running_job("3"))

    assert [item.key.item for item in rollup.items] == ["VM1"]
    assert {key.item for key, _ in rollup.jobs} == {"VM1"}


def test_an_item_keeps_its_spelling_after_the_job_that_had_it_is_gone() -> None:
    history = a_history(a_job("1", item="VM1", ended=hours_ago(30)))
    for day in range(1, 40):
        now = NOW + timedelta(days=day)
        window = Window(start=now - timedelta(days=8), end=now, full=True)
        history = merge_list(history, [a_job(f"d{day}", ended=now)], window, settings())
        history = prune(history, now, settings())
        rollup = roll_up(a_vault(), history, now, settings())
        assert [item.key.item for item in rollup.items] == ["VM1"]

    assert "1" not in history.jobs


def test_a_spelling_goes_with_its_item() -> None:
    history = a_history(a_job("1", item="VM1"), a_job("2", item="vm2", ended=hours_ago(-48)))
    later = NOW + timedelta(days=36)

    assert list(prune(history, later, settings()).spellings.values()) == ["vm2"]


def test_a_name_with_and_without_its_only_container_is_spelt_the_same() -> None:
    """A database is ``systemdb`` and ``SYSTEMDB [host]`` in turns while its job runs."""
    for first, second in (("", "host"), ("host", "")):
        rollup = rolled(
            a_database_job("1", item="systemdb", protection_container=first, ended=hours_ago(5)),
            a_database_job("2", item="SYSTEMDB", protection_container=second, operation="Restore"),
        )
        assert {item.key.item for item in rollup.items} == {"systemdb"}

    elsewhere = a_database_job("3", item="SystemDB", protection_container="host2")
    assert [i.key.item for i in rolled(a_database_job("1", item="systemdb"), elsewhere).items] == [
        "systemdb",
        "SystemDB",
    ]


def test_one_name_in_two_containers_is_two_items() -> None:
    """Two machines of two resource groups: the success of one must not hide the other's failure."""
    rollup = rolled(
        a_job("1", protection_container="c;rg1;vm1", status="Failed", ended=hours_ago(3)),
        a_job("2", protection_container="c;rg2;VM1", item="VM1", ended=hours_ago(1)),
    )

    assert {(i.key.protection_container, i.key.item, i.job.status) for i in rollup.items} == {
        ("c;rg1;vm1", "vm1", "Failed"),
        ("c;rg2;VM1", "VM1", "Completed"),
    }


def a_database_job(job_id: str, **changes: Any) -> Any:
    fields = {"item": "msdb", "protection_container": "host", "backup_type": "Full", **changes}
    return a_job(job_id, backup_management_type="AzureWorkload", **fields)


def test_a_failure_without_type_or_host_is_cleared_by_the_next_success() -> None:
    """Databases can fail as ``Backup`` of ``msdb`` and succeed as ``Backup (Full)``."""
    bare: dict[str, Any] = {"protection_container": "", "backup_type": "", "status": "Failed"}
    before = a_database_job("1", ended=hours_ago(5))
    failed = a_database_job("2", ended=hours_ago(4), **bare)
    after = a_database_job("3", item="MSDB", ended=hours_ago(3))

    assert {item.job.job_id for item in rolled(before, failed).items} == {"1", "2"}
    assert {item.job.job_id for item in rolled(before, failed, after).items} == {"3"}


def test_a_failure_without_a_type_is_not_cleared_by_another_host_or_operation() -> None:
    failed = a_database_job("1", backup_type="", status="Failed", ended=hours_ago(4))
    other_host = a_database_job("2", protection_container="host2")
    restore = a_database_job("3", operation="Restore")

    assert {item.job.job_id for item in rolled(failed, other_host, restore).items} == {
        "1",
        "2",
        "3",
    }


def test_a_failure_without_a_type_is_cleared_though_the_success_names_no_host() -> None:
    failed = a_database_job("1", backup_type="", status="Failed", ended=hours_ago(4))
    full = a_database_job("2", protection_container="")

    assert {item.job.job_id for item in rolled(failed, full).items} == {"2"}


def test_with_two_hosts_a_success_of_one_hides_no_failure_that_may_be_the_others() -> None:
    """A failed ``master`` without host must stay though ``master [sqlb]`` is well."""
    bare: dict[str, Any] = {"protection_container": "", "backup_type": "", "status": "Failed"}
    both = [
        a_database_job("a", protection_container="sqla", ended=hours_ago(26)),
        a_database_job("b", protection_container="sqlb", ended=hours_ago(1)),
    ]
    failed = a_database_job("f", ended=hours_ago(2), **bare)

    items = {item.job.job_id: item for item in rolled(*both, failed).items}
    assert set(items) == {"a", "b", "f"}
    assert items["f"].consecutive_failures == 1
    assert {item.job.job_id for item in rolled(both[1], failed).items} == {"b"}


@pytest.mark.parametrize(
    "other",
    [
        {"protection_container": "sqla", "operation": "Restore"},
        {"protection_container": "sqla", "status": "InProgress", "end_time": None},
        {"protection_container": "sqla", "status": "Cancelled", "ended": hours_ago(190)},
    ],
    ids=["by a restore", "by a job that runs", "by an old job"],
)
def test_a_host_is_known_by_whatever_job_names_it(other: dict[str, Any]) -> None:
    success = a_database_job("b", protection_container="sqlb", ended=hours_ago(1))
    failed = a_database_job("f", protection_container="", backup_type="", status="Failed")
    failed = structs.replace(failed, end_time=hours_ago(2))

    rollup = rolled(a_database_job("a", **other), success, failed)

    assert "f" in {item.job.job_id for item in rollup.items}


def test_a_success_without_host_clears_no_failure_where_there_are_two() -> None:
    failed = a_database_job("1", backup_type="", status="Failed", ended=hours_ago(4))
    other_host = a_database_job("2", protection_container="host2", ended=hours_ago(5))
    bare = a_database_job("3", protection_container="")

    assert "1" in {item.job.job_id for item in rolled(failed, other_host, bare).items}


def test_failures_are_counted_since_the_last_success() -> None:
    rollup = rolled(
        a_job("1", status="Failed", ended=hours_ago(90)),
        a_job("2", ended=hours_ago(60)),
        a_job("3", status="Failed", ended=hours_ago(30)),
        a_job("4", status="Cancelled", ended=hours_ago(6)),
        a_running_job("5"),
    )

    assert rollup.items[0].consecutive_failures == 2
    assert rollup.items[0].last_success == hours_ago(60)


def test_without_any_success_all_failures_count_and_no_success_is_shown() -> None:
    item = rolled(a_job("1", status="Failed"), a_job("2", status="Failed")).items[0]

    assert (item.consecutive_failures, item.last_success) == (2, None)


def test_a_success_under_the_full_name_ends_the_failures_of_the_bare_one() -> None:
    bare: dict[str, Any] = {"protection_container": "", "backup_type": "", "status": "Failed"}
    rollup = rolled(
        a_database_job("1", ended=hours_ago(9), **bare),
        a_database_job("2", ended=hours_ago(8)),
        a_database_job("3", ended=hours_ago(7), **bare),
    )

    assert {item.job.job_id: item.consecutive_failures for item in rollup.items} == {"2": 0, "3": 1}


def test_individual_jobs_run_or_ended_within_the_window() -> None:
    rollup = rolled(
        a_job("in", ended=hours_ago(24)),
        a_job("out", ended=hours_ago(24.01)),
        a_running_job("long", started=hours_ago(30)),
    )

    assert {job.job_id for _, job in rollup.jobs} == {"in", "long"}


def test_the_newest_individual_jobs_are_kept_and_the_rest_counted() -> None:
    jobs = [a_job(str(n), ended=hours_ago(n)) for n in range(1, 6)]

    rollup = rolled(*jobs, max_job_series=2)

    assert [job.job_id for _, job in rollup.jobs] == ["1", "2"]
    assert rollup.dropped == 3


def test_job_series_says_which_individual_jobs_there_are() -> None:
    jobs = (a_job(), a_running_job())

    assert [j.job_id for _, j in rolled(*jobs, job_series=JobSeries.RUNNING).jobs] == ["r1"]
    assert rolled(*jobs, job_series=JobSeries.NONE).jobs == ()
    assert rolled(*jobs, job_series=JobSeries.NONE).items


def test_counts_are_zero_filled_and_unknown_statuses_survive() -> None:
    counts = rolled(
        a_job("1"),
        a_job("2", status="Invalid"),
        a_job("3", operation="Restore", ended=hours_ago(99)),
    ).counts

    assert {status: n for (_, operation, status), n in counts.items() if operation == "Backup"} == {
        "Completed": 1,
        "CompletedWithWarnings": 0,
        "Failed": 0,
        "Cancelled": 0,
        "InProgress": 0,
        "Cancelling": 0,
        "Invalid": 1,
    }
    assert {n for (_, operation, _), n in counts.items() if operation == "Restore"} == {0}


JOBS = st.lists(
    st.builds(
        a_job,
        st.text("ab", min_size=1, max_size=3),
        item=st.sampled_from(["db", "DB", "Db ", "straße", "STRASSE"]),
        protection_container=st.sampled_from(["", "host", "host2"]),
        operation=st.sampled_from(["Backup", "backup", "Restore"]),
        backup_type=st.sampled_from(["", "Full", "Log"]),
        status=st.sampled_from(["Completed", "Failed", "InProgress", "Strange", ""]),
        ended=st.floats(0, 40).map(hours_ago),
        end_time=st.none() | st.floats(0, 40).map(hours_ago),
    ),
    max_size=20,
)


@given(JOBS)
def test_no_two_items_or_jobs_ever_share_their_labels(jobs: list[Any]) -> None:
    """Prometheus drops one of two samples with equal labels, and nobody learns which."""
    rollup = rolled(*jobs)
    items = Counter(item.key for item in rollup.items)
    individual = Counter((key, job.job_id) for key, job in rollup.jobs)

    assert all(count == 1 for count in (items | individual).values())
    assert sum(rollup.counts.values()) <= len({job.job_id for job in jobs})
    assert all(item.consecutive_failures >= 0 for item in rollup.items)
    assert all(NOW - (item.last_success or NOW) <= timedelta(hours=41) for item in rollup.items)
