"""What is written reads back the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from exporter.backup.history import History, OlderFailures
from exporter.backup.items import subject_of
from exporter.backup.model import BackupJob, JobDetail, JobError, Task
from exporter.state.codec import Changes, Record, changes, decode
from tests.builders import NOW, a_detail, a_history, a_job, a_running_job, hours_ago

if TYPE_CHECKING:
    from collections.abc import Iterable

INSTANTS = st.datetimes(datetime(2010, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants it bare
NUMBERS = st.none() | st.floats(0, 1e18)
TASKS = st.builds(
    Task, name=st.text(), status=st.text(), step=st.integers(1, 99), duration_seconds=NUMBERS
)
DETAILS = st.builds(
    JobDetail,
    tasks=st.lists(TASKS, max_size=3).map(tuple),
    backup_size_bytes=NUMBERS,
    data_transferred_bytes=NUMBERS,
    progress_ratio=NUMBERS,
    estimated_remaining_seconds=NUMBERS,
)
JOBS = st.builds(
    BackupJob,
    start_time=st.none() | INSTANTS,
    end_time=st.none() | INSTANTS,
    duration_seconds=NUMBERS,
    errors=st.lists(st.builds(JobError, st.text(), st.text()), max_size=2).map(tuple),
    detail=st.none() | DETAILS,
)


def stored(records: Iterable[Record]) -> list[tuple[bytes, bytes, bytes]]:
    return [(kind.encode(), key.encode(), body.encode()) for kind, key, body in records]


@given(st.lists(JOBS, max_size=4, unique_by=lambda job: job.job_id), INSTANTS)
def test_every_history_reads_back(jobs: list[BackupJob], instant: datetime) -> None:
    older = {subject_of(job): OlderFailures(2, instant) for job in jobs}
    history = replace(a_history(*jobs), older_failures=older)

    found, unreadable = decode(stored(changes(History(), history).written))

    kept = {k: structs.replace(j, detail=None) if j.running else j for k, j in history.jobs.items()}
    of_lists = replace(history, read_at=None, full_read_at=None, detailed=frozenset())
    assert found == replace(of_lists, jobs=kept)
    assert not unreadable


def test_only_what_changed_is_written() -> None:
    old = a_history(a_job("1", detail=a_detail()), a_job("2"), a_job("3"))
    jobs = {"1": old.jobs["1"], "2": a_job("2", detail=a_detail())}

    written, dropped = changes(old, replace(old, jobs=jobs))

    assert [(kind, key) for kind, key, _ in written] == [("jobs", '"2"')]
    assert dropped == [("jobs", '"3"')]
    assert changes(old, old) == Changes([], [])


def test_the_tasks_of_a_run_are_not_kept() -> None:
    """After a restart they would look fresh."""
    records = changes(History(), a_history(a_running_job(detail=a_detail()))).written

    assert decode(stored(records)).history.jobs == {"r1": a_running_job()}


def test_an_item_keeps_one_spelling_though_its_record_is_lost() -> None:
    """Two would be two samples with equal labels, but for case."""
    history = a_history(a_job("1", item="VM1", ended=hours_ago(9)), a_job("2"))
    records = changes(History(), history).written
    found = decode(stored(r for r in records if r.kind != "spellings"))

    assert [r.body for r in records if r.kind == "spellings"] == ['"VM1"']
    assert found.history.spellings == history.spellings


@pytest.mark.parametrize(
    "bad",
    [
        (b"jobs", b'"2"', b"{"),
        (b"jobs", b'"2"', b'{"job_id": "2"}'),
        (b"jobs", b"2", b""),
        (b"jobs", b'"2"', b"\xff\xfe"),
        (b"secrets", b'"2"', b'"x"'),
        (b"\xff", b'"2"', b'"x"'),
        (b"ends", b'[["a","b","c","d","e"],"Failed"]', b'"2026-03-10T11:00:00"'),
        (b"ends", b'["a","b"]', b'"2026-03-10T11:00:00Z"'),
    ],
)
def test_a_record_that_cannot_be_read_costs_no_other(bad: tuple[bytes, bytes, bytes]) -> None:
    good = stored(changes(History(), a_history(a_job(), at=NOW)).written)

    history, unreadable = decode([bad, *good])

    assert (history.jobs, unreadable) == ({"j1": a_job()}, 1)
