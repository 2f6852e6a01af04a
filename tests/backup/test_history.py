"""Merging successive reads of one vault."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec import structs

from exporter.backup.details import Urgency, wanted_details
from exporter.backup.history import (
    FULL_READ_EVERY,
    DetailReading,
    History,
    Window,
    last_successes,
    merge_details,
    merge_list,
    next_window,
    prune,
    without_running_details,
)
from exporter.backup.items import subject_of
from exporter.backup.rollup import roll_up
from tests.builders import (
    NOW,
    a_detail,
    a_history,
    a_job,
    a_running_job,
    a_vault,
    hours_ago,
    settings,
)

MINUTE = timedelta(minutes=1)


def incremental(at: float = 0) -> Window:
    return Window(start=hours_ago(at + 1), end=hours_ago(at), full=False)


def test_the_first_list_covers_the_whole_look_back() -> None:
    window = next_window(History(), NOW, settings(lookback=timedelta(days=8)))

    assert window == Window(start=NOW - timedelta(days=8), end=NOW, full=True)


def test_a_later_list_starts_fifteen_minutes_before_the_last_one() -> None:
    history = a_history(a_job(), at=NOW - 5 * MINUTE)

    assert next_window(history, NOW, settings()).start == NOW - 20 * MINUTE


def test_a_later_list_reaches_back_to_the_oldest_running_job() -> None:
    """Its start may move by seconds (FACTS 1.3), so a little further."""
    oldest = a_running_job("r1", started=hours_ago(3))
    history = a_history(oldest, a_running_job("r2"), at=NOW - 5 * MINUTE)

    window = next_window(history, NOW, settings())

    assert hours_ago(3) - MINUTE < window.start < hours_ago(3)
    assert not window.full


@pytest.mark.parametrize("days", [2, 28, 60])
def test_a_job_that_runs_for_days_makes_no_list_longer(days: int) -> None:
    """It would be as long as all jobs since; the job's own detail says how it is."""
    long_run = a_running_job("r1", started=hours_ago(24 * days))
    history = a_history(long_run, at=NOW - 5 * MINUTE)

    later = next_window(history, NOW, settings())
    full = next_window(history, NOW + FULL_READ_EVERY, settings())
    assert later.start == NOW - 20 * MINUTE
    assert full.start == min(NOW + FULL_READ_EVERY - settings().lookback, NOW - 20 * MINUTE)

    history = merge_list(history, [], later, settings())
    assert history.missing == {"r1"}
    [wanted] = wanted_details(history, NOW, settings())
    assert wanted.urgency is Urgency.NEWEST, "nothing else tells its end"
    gone = merge_details(history, DetailReading(gone={"r1"}))
    assert gone.jobs == {}


def test_a_later_list_reaches_back_to_where_a_job_of_the_agent_may_have_begun() -> None:
    """It is listed only when it has ended (FACTS 6), and would else wait for a full list."""
    agents = a_job(backup_management_type="MAB", start_time=hours_ago(5), end_time=hours_ago(2))
    history = a_history(agents, a_job("j2", start_time=hours_ago(9)), at=NOW - 5 * MINUTE)

    assert next_window(history, NOW, settings()).start == NOW - 20 * MINUTE - timedelta(hours=6)
    short = settings(lookback=timedelta(hours=4))
    assert next_window(history, NOW, short).start == hours_ago(4)


def test_every_six_hours_the_list_is_full_again() -> None:
    history = a_history(at=NOW)
    just_before = NOW + FULL_READ_EVERY - MINUTE

    assert not next_window(history, just_before, settings()).full
    assert next_window(history, NOW + FULL_READ_EVERY, settings()).full


def test_a_wall_clock_set_back_leads_to_a_full_list() -> None:
    """Instants of before say nothing then."""
    assert next_window(a_history(at=NOW), NOW - MINUTE, settings()).full


def test_any_look_back_is_possible() -> None:
    window = next_window(History(), NOW, settings(lookback=timedelta(days=900_000)))

    assert window.start.year == 2010


def test_jobs_that_azure_lists_against_the_filter_are_left_out() -> None:
    """It has been seen to ignore it."""
    history = merge_list(History(), [a_job(ended=hours_ago(24 * 9))], incremental(), settings())

    assert not history.jobs


def test_operation_and_name_may_change_while_a_job_runs() -> None:
    """Only the GUID is stable (FACTS 1.3)."""
    first = a_running_job("j", item="systemdb", protection_container="", operation="Backup")
    second = a_job("j", item="SYSTEMDB", protection_container="host", backup_type="Full", ended=NOW)

    history = merge_list(a_history(first), [second], incremental(), settings())

    assert history.jobs == {"j": structs.replace(second, item="systemdb")}


def test_list_and_detail_that_disagree_in_names_make_nothing_flip() -> None:
    """A label that changes with each reading would be a new series each time."""
    bare = a_running_job("j", item="msdb", protection_container="", backup_type="")
    full = a_running_job("j", item="MSSQL/msdb", protection_container="h", backup_type="Full")
    renamed = structs.replace(full, protection_container="other", backup_type="Log")
    history = a_history(bare)
    names = set()
    for listed, detailed in ((bare, full), (bare, full), (renamed, bare)):
        history = merge_list(history, [listed], incremental(), settings())
        reading = DetailReading(jobs=[structs.replace(detailed, detail=a_detail())])
        history = merge_details(history, reading)
        job = history.jobs["j"]
        names.add((job.item, job.protection_container, job.operation, job.backup_type))

    assert names == {("msdb", "h", "Backup", "Full")}


def test_a_finished_job_keeps_its_detail_when_it_is_listed_again() -> None:
    detailed = a_job(detail=a_detail())

    history = merge_list(a_history(detailed), [a_job()], incremental(), settings())

    assert history.jobs["j1"].detail == a_detail()


def test_a_finished_job_stays_finished_though_a_front_end_lags() -> None:
    history = merge_list(a_history(a_job()), [a_running_job("j1")], incremental(), settings())

    assert history.jobs["j1"].status == "Completed"


def test_of_two_entries_of_one_job_in_a_list_the_finished_one_stands() -> None:
    """Pages overlap when a job is added while they are read."""
    for jobs in ([a_job(), a_running_job("j1")], [a_running_job("j1"), a_job()]):
        assert a_history(*jobs).jobs["j1"].status == "Completed"


def test_the_tasks_of_a_run_are_dropped_when_it_has_ended() -> None:
    """Tasks in progress in a finished job would be wrong and look fresh."""
    history = a_history(a_running_job("j1", detail=a_detail()))

    history = merge_list(history, [a_job()], incremental(), settings())

    assert history.jobs["j1"].detail is None


def test_the_tasks_of_a_run_are_dropped_when_they_could_not_be_read_anew() -> None:
    finished = a_job(detail=a_detail())
    history = a_history(a_running_job(detail=a_detail()), finished)

    history = without_running_details(history, {"r1", finished.job_id})

    assert history.jobs["r1"].detail is None
    assert history.jobs[finished.job_id] == finished


def test_a_detail_may_say_that_the_job_has_ended_since_the_list() -> None:
    ended = a_job("r1", detail=a_detail())

    history = merge_details(a_history(a_running_job()), DetailReading(jobs=[ended]))

    assert history.jobs["r1"] == ended


def test_a_running_job_that_list_and_detail_lack_is_forgotten() -> None:
    history = merge_list(a_history(a_running_job()), [], incremental(), settings())

    assert not merge_details(history, DetailReading(gone={"r1"})).jobs


def test_one_404_does_not_lose_a_job_that_the_list_names() -> None:
    """Its failure would be hidden until the next full list."""
    history = merge_details(a_history(a_running_job()), DetailReading(gone={"r1"}))

    assert history.jobs.keys() == {"r1"}


def test_a_finished_job_without_detail_is_kept_and_not_asked_for_again() -> None:
    reading = DetailReading(gone={"j1"}, unreadable={"j2"})

    history = merge_details(a_history(a_job(), a_job("j2")), reading)

    assert history.jobs.keys() == history.without_detail == {"j1", "j2"}


def test_one_list_without_a_running_job_does_not_lose_it() -> None:
    """Lists have been seen empty; its detail decides."""
    full = Window(start=hours_ago(200), end=NOW, full=True)

    history = merge_list(a_history(a_running_job(), a_job()), [], full, settings())

    assert history.jobs.keys() == {"r1", "j1"}
    assert history.missing == {"r1"}


def test_a_later_list_forgets_nothing() -> None:
    """An empty list never looks like "no jobs"."""
    history = merge_list(a_history(a_running_job(), a_job()), [], incremental(), settings())

    assert history.jobs.keys() == {"r1", "j1"}


def test_the_last_success_outlives_its_job_and_the_look_back() -> None:
    success = a_job("old", ended=hours_ago(24 * 7))
    failure = a_job("new", status="Failed", ended=NOW + timedelta(days=3))
    history = merge_list(a_history(success), [failure], incremental(), settings())

    history = prune(history, NOW + timedelta(days=4), settings())

    assert history.jobs.keys() == {"new"}
    assert last_successes(history, settings()) == {subject_of(success): success.end_time}


def test_failures_count_beyond_the_look_back() -> None:
    """A weekly backup that fails for six weeks has failed six times."""
    history, at = History(), NOW
    for week in range(6):
        at = NOW + timedelta(weeks=week)
        failed = a_job(f"j{week}", status="Failed", ended=at)
        window = Window(start=at - timedelta(days=8), end=at, full=True)
        history = prune(merge_list(history, [failed], window, settings()), at, settings())
    [item] = roll_up(a_vault(), history, at, settings()).items
    assert len(history.jobs) < 6
    assert item.consecutive_failures == 6

    success = a_job("good", ended=at + timedelta(days=1))
    window = Window(start=at, end=at + timedelta(days=1), full=False)
    history = merge_list(history, [success], window, settings())
    [item] = roll_up(a_vault(), history, at, settings()).items
    assert item.consecutive_failures == 0


def test_a_failure_that_is_listed_again_counts_once() -> None:
    """A list that reaches back behind what is kept brings back what was counted."""
    running = a_running_job("r", started=hours_ago(20 * 24), item="large")
    failures = [
        a_job(f"j{day}", status="Failed", ended=NOW - timedelta(days=day, hours=-1))
        for day in range(1, 21)
    ]
    history = a_history(running)
    for minutes in (0, 5, 10):
        at = NOW + timedelta(minutes=minutes)
        window = Window(start=hours_ago(20 * 24), end=at, full=False)
        history = merge_list(history, [running, *failures], window, settings())
        history = prune(history, at, settings())
        [item] = roll_up(a_vault(), history, at, settings()).items
        assert len(history.jobs) < 10
        assert item.consecutive_failures == 20


def test_failures_that_a_longer_look_back_brings_again_count_once() -> None:
    failures = [a_job(f"j{w}", status="Failed", ended=NOW - timedelta(weeks=w)) for w in range(6)]
    longer = settings(lookback=timedelta(days=40))
    history = merge_list(History(), failures, next_window(History(), NOW, longer), longer)
    history = prune(history, NOW, settings())
    assert len(history.jobs) < 6

    history = merge_list(history, failures, next_window(History(), NOW, longer), longer)
    history = prune(history, NOW, longer)

    [item] = roll_up(a_vault(), history, NOW, longer).items
    assert len(history.jobs) == item.consecutive_failures == 6


def test_details_that_no_series_shows_are_forgotten() -> None:
    """They are most of a job's memory; what the item needs of them outlives them."""
    newest = a_job("newest", ended=hours_ago(1), detail=a_detail(tasks=()))
    good = a_job("good", ended=hours_ago(25), detail=a_detail())
    history = prune(a_history(newest, good), NOW, settings())
    alone = prune(a_history(good), NOW, settings())

    assert [name for name, job in history.jobs.items() if job.detail] == ["newest"]
    assert {success.at for success in history.task_successes.values()} == {hours_ago(25)}
    assert prune(history, NOW, settings()).jobs["good"] is history.jobs["good"]
    assert alone.jobs["good"].detail, "the newest of an item is shown however old"


def test_an_item_is_forgotten_after_a_time_without_any_job() -> None:
    history = a_history(a_job(detail=a_detail(), ended=NOW))
    just_before = prune(history, NOW + timedelta(days=35), settings())
    after = prune(history, NOW + timedelta(days=35) + MINUTE, settings())

    assert just_before.jobs
    assert just_before.task_successes
    assert not after.jobs
    assert not after.ends
    assert not after.task_successes


def test_an_item_within_a_longer_look_back_is_never_forgotten() -> None:
    """The next full list would bring it straight back."""
    lookback = timedelta(days=4000)
    history = a_history(a_job(ended=NOW), lookback=lookback)

    assert prune(history, NOW + timedelta(days=3000), settings(lookback=lookback)).jobs


def test_a_job_without_any_instant_is_kept_while_azure_lists_it() -> None:
    undated = a_job(start_time=None, end_time=None, duration_seconds=None)
    history = prune(a_history(undated), NOW + timedelta(days=99), settings())
    assert history.jobs

    full = Window(start=NOW, end=NOW + timedelta(days=99), full=True)
    assert not merge_list(history, [], full, settings()).jobs


def test_the_newest_completion_of_each_task_is_kept() -> None:
    """Under the spelling of the newest job."""
    older = a_job("1", ended=hours_ago(9), detail=a_detail())
    tasks = tuple(structs.replace(task, name=task.name.upper()) for task in a_detail().tasks[:1])
    newer = a_job("2", ended=hours_ago(1), detail=a_detail(tasks=tasks))

    history = a_history(newer, older)

    assert [(success.task, success.at) for success in history.task_successes.values()] == [
        ("TAKE SNAPSHOT", hours_ago(1)),
        ("Transfer data to vault", hours_ago(9)),
    ]


def test_other_success_statuses_find_other_successes_of_any_age() -> None:
    """A reload may name more or fewer of them, when the jobs are long gone."""
    success = a_job("1", ended=hours_ago(24 * 7))
    warned = a_job("2", status="CompletedWithWarnings", ended=hours_ago(24 * 6))
    failed = a_job("3", status="Failed", ended=NOW)
    history = a_history(success, warned, failed)

    history = prune(history, NOW + timedelta(days=4), settings())

    assert history.jobs.keys() == {"3"}
    for statuses, ended in (
        (["Completed", "CompletedWithWarnings"], warned.end_time),
        (["Completed"], success.end_time),
    ):
        judged = settings(success_statuses=frozenset(statuses))
        assert last_successes(history, judged) == {subject_of(success): ended}


def test_failures_are_counted_from_what_is_a_success_now() -> None:
    """Older ones than that do not come back with the next that leaves the look-back."""
    strict, lenient = (
        settings(success_statuses=frozenset(statuses))
        for statuses in (["Completed"], ["Completed", "CompletedWithWarnings"])
    )
    warned = a_job("2", status="CompletedWithWarnings", ended=NOW)
    history = a_history(a_job("1", status="Failed", ended=hours_ago(24)), warned)
    later = NOW + timedelta(days=20)
    last = a_job("4", status="Failed", ended=later)
    window = Window(start=NOW, end=later, full=True)
    failed = a_job("3", status="Failed", ended=NOW + timedelta(days=10))
    history = prune(merge_list(history, [last], window, strict), later, strict)
    [item] = roll_up(a_vault(), history, later, strict).items
    assert history.jobs.keys() == {"4"}
    assert item.consecutive_failures == 3

    history = merge_list(history, [failed, last], window, lenient)
    history = prune(history, later, lenient)
    [item] = roll_up(a_vault(), history, later, lenient).items
    assert item.consecutive_failures == 2


def test_no_number_of_odd_statuses_is_kept_for_ever() -> None:
    odd = [a_job(str(i), status=f"Odd{i}", ended=hours_ago(i)) for i in range(1, 99)]

    assert not prune(a_history(*odd), NOW, settings()).ends
