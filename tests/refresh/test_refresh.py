"""Refreshes against the simulator: which requests are made, and what the page says."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest

from exporter.errors import ErrorKind
from exporter.metrics.store import PageStore
from exporter.simulator import (
    Delay,
    EmptyList,
    ForeignNextLink,
    HtmlPage,
    HttpError,
    LoopingNextLink,
    MalformedJobs,
    RateLimit,
    Reset,
    ReshapedJobs,
    Throttled,
    TruncatedJson,
    sized_fleet,
    ticks,
)
from tests.builders import NOW
from tests.pages import lines_about, values
from tests.payloads import a_payload
from tests.processes import PATIENCE_SECONDS, wait_for
from tests.steering import Steered, azure_section, steered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from exporter.backup.model import Vault
    from exporter.metrics.snapshot import VaultSnapshot
    from exporter.simulator.answers import Answer
    from exporter.simulator.faults import Circumstances, Fault


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steered]:
    """One vault without jobs of its own."""
    fleet = sized_fleet(vaults=1, jobs=0, anchor=NOW)
    with steered(monkeypatch, fleet) as stage:
        yield stage


@pytest.fixture
def fleet3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steered]:
    """3 vaults, 200 jobs, 5 of them running."""
    fleet = sized_fleet(vaults=3, jobs=200, running=5, failing=0.2, anchor=NOW)
    with steered(monkeypatch, fleet, page_size=1000) as stage:
        yield stage


def test_the_articles_job_has_the_articles_values(stage: Steered) -> None:
    [vault] = stage.simulator.vault_ids
    stage.simulator.put_job(vault, a_payload())

    stage.refresh()

    assert stage.values("last_job_duration_seconds") == [1223.0896697]
    assert stage.values("last_job_backup_size_bytes") == [2445279232]
    assert stage.values("last_job_status", status="Completed") == [1]
    assert stage.values("last_job_task_status", status="Completed") == [1, 1]
    assert stage.values("vault_up") == [1]
    assert stage.values("vault_details_pending") == [0]


def test_ten_refreshes_take_exactly_the_requests_of_the_formula(
    monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """SPEC 4: one list page, the running jobs, and the jobs finished since the last refresh.

    Which those are is asked of the simulated fleet itself. At first the finished jobs are those
    within ``metrics.window``.
    """
    fleet = sized_fleet(vaults=3, jobs=200, running=5, failing=0.2, anchor=NOW)
    made, expected = Counter[str](), Counter[str]()
    with steered(monkeypatch, fleet, page_size=1000) as stage:
        since = NOW - timedelta(hours=24)
        for _ in range(10):
            now = stage.clock.now()
            jobs = [job for v in fleet.vaults for job in fleet.jobs(v, None, None, tick(now))]
            running = sum(job.end > tick(now) for job in jobs)
            finished = sum(tick(since) < job.end <= tick(now) for job in jobs)
            expected.update(list=3, detail=running + finished)
            reads = stage.refresh()
            made.update(api for api, _, _ in reads)
            assert len(set(reads)) == len(reads), "nothing is read twice in one refresh"
            assert made == expected
            since = now
            stage.clock.advance(hours=1)
    record_property(
        "figure",
        f"10 refreshes of 3 vaults with 200 jobs: {made.total()} requests,"
        f" by the formula of SPEC 4 {expected.total()} ({dict(made)})",
    )


def tick(instant: datetime) -> int:
    return ticks.from_datetime(instant)


def test_a_refresh_without_news_is_one_page_for_each_vault(fleet3: Steered) -> None:
    fleet3.refresh()
    fleet3.clock.advance(hours=2)
    fleet3.refresh()
    fleet3.clock.advance(minutes=5)

    assert Counter(api for api, _, _ in fleet3.refresh()) == {"list": 3}


def test_pages_are_followed_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = sized_fleet(vaults=1, jobs=200, anchor=NOW)
    with steered(monkeypatch, fleet, page_size=30) as stage:
        reads = stage.refresh()

        assert Counter(api for api, _, _ in reads)["list"] == 7
        assert sum(stage.values("consecutive_failures")) == 0
        assert len(stage.values("last_job_info")) == 25


def test_a_job_that_changes_its_name_and_operation_is_one_series(stage: Steered) -> None:
    """As databases do while they run (FACTS 1.3)."""
    [vault] = stage.simulator.vault_ids
    database: dict[str, Any] = {
        "jobType": "AzureWorkloadJob",
        "backupManagementType": "AzureWorkload",
    }
    running: dict[str, Any] = {**database, "status": "InProgress", "endTime": None}
    steps = [
        a_payload(**running, operation="Backup", entityFriendlyName="systemdb"),
        a_payload(**running, operation="Backup (Full)", entityFriendlyName="SYSTEMDB [host]"),
        a_payload(**database, operation="Backup (Full)", entityFriendlyName="SYSTEMDB [host]"),
    ]
    stage.configure(metrics="{job_series: all}")
    for payload in steps:
        stage.simulator.put_job(vault, payload)
        stage.refresh()
        stage.clock.advance(minutes=5)
        assert stage.values("job_status", item="systemdb") == stage.values("job_status") == [1]

    assert stage.values("job_status", protection_container="host", backup_type="Full") == [1]
    assert stage.values("last_job_status", item="systemdb", status="Completed") == [1]


def test_a_running_job_that_vanishes_is_dropped(stage: Steered) -> None:
    [vault] = stage.simulator.vault_ids
    payload = a_payload(status="InProgress", endTime=None)
    stage.simulator.put_job(vault, payload)
    stage.refresh()
    assert stage.values("job_status", status="InProgress") == [1]

    stage.simulator.remove_job(vault, payload["name"])
    stage.refresh()

    assert stage.values("job_status") == []
    assert stage.values("vault_up") == [1]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (HttpError("unauthorized"), "unauthorized"),
        (HttpError("forbidden"), "forbidden"),
        (HttpError("vault_not_found"), "not_found"),
        (HttpError("group_not_found"), "not_found"),
        (HttpError("not_registered"), "payload"),
        (Throttled(timedelta(minutes=1)), "throttled"),
        (HttpError("internal"), "server"),
        (HttpError("internal_old_shape"), "server"),
        (HttpError("bad_gateway"), "server"),
        (HttpError("unavailable"), "server"),
        (HttpError("gateway_timeout"), "server"),
        (HtmlPage(200), "payload"),
        (HtmlPage(500), "server"),
        (TruncatedJson(), "payload"),
        (LoopingNextLink(), "payload"),
        (ForeignNextLink("https://evil.example/"), "payload"),
        (Reset(), "network"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_fault_takes_one_vault_down_and_costs_nothing_known(
    monkeypatch: pytest.MonkeyPatch, fault: Any, kind: str
) -> None:
    with steered(monkeypatch, sized_fleet(vaults=2, jobs=20, anchor=NOW)) as stage:
        stage.refresh()
        before = stage.page
        bad, good = ("vault-0000", "vault-0001")
        injected = stage.simulator.inject(fault, api="list", vault_id=stage.simulator.vault_ids[0])
        stage.clock.advance(minutes=5)
        stage.refresh()

        assert stage.values("vault_up", vault=bad) == [0]
        assert stage.values("vault_up", vault=good) == [1]
        assert stage.values("vault_refresh_errors_total", vault=bad, kind=kind) == [1]
        assert sum(stage.values("vault_refresh_errors_total")) == 1
        assert lines_about(stage.page, "last_job_", bad) == lines_about(before, "last_job_", bad)

        injected.clear()
        stage.clock.advance(hours=2)
        stage.refresh()
        assert stage.values("vault_up") == [1, 1]
        assert lines_about(stage.page, "last_job_status", bad)


def test_a_vault_says_why_it_is_down_now_and_not_why_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Alerts rest on it: a counter that has risen lately names the cause before, too."""
    with steered(monkeypatch, sized_fleet(vaults=1, jobs=8, anchor=NOW)) as stage:

        def reasons() -> list[ErrorKind]:
            assert len(stage.values("vault_down")) == len(ErrorKind)
            return [kind for kind in ErrorKind if stage.values("vault_down", kind=kind) == [1]]

        forbidden, unavailable = HttpError("forbidden"), HttpError("unavailable")
        for fault, kind in ((forbidden, "forbidden"), (unavailable, "server")):
            stage.simulator.inject(fault, api="list")
            stage.clock.advance(minutes=30)
            stage.refresh()
            assert reasons() == [kind]
            stage.simulator.clear_faults()

        stage.configure()
        assert reasons() == ["server"], "a reload reads nothing and mends nothing"

        stage.clock.advance(minutes=30)
        stage.refresh()
        assert stage.values("vault_up") == [1]
        assert reasons() == []


def test_what_a_vault_said_last_goes_after_keep_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stale number must not look fresh; what is known is not lost for all that."""
    with steered(monkeypatch, sized_fleet(vaults=1, jobs=8, anchor=NOW)) as stage:
        stage.refresh()
        injected = stage.simulator.inject(HttpError("forbidden"), api="list")
        stage.clock.advance(minutes=29)
        stage.refresh()
        assert stage.values("last_job_info")

        stage.clock.advance(minutes=2)
        stage.refresh()
        assert stage.values("last_job_info") == stage.values("jobs") == []
        assert stage.values("vault_up") == [0]
        assert stage.values("vault_last_refresh_success_timestamp_seconds") == [NOW.timestamp()]

        injected.clear()
        stage.clock.advance(minutes=5)
        reads = stage.refresh()
        assert stage.values("last_job_info") == [1]
        assert [api for api, _, _ in reads] == ["list"], "no detail is read a second time"


def test_tasks_of_a_running_job_go_when_the_budget_allows_no_news_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = sized_fleet(vaults=1, jobs=8, running=1, anchor=NOW)
    with steered(monkeypatch, fleet) as stage:
        stage.refresh()
        assert stage.values("job_task_status", status="InProgress")

        stage.clock.advance(minutes=5)
        stage.simulator.rate_limit = RateLimit(1)
        reads = stage.refresh()

        assert [api for api, _, _ in reads] == ["list"]
        assert stage.values("job_status", status="InProgress") == [1]
        assert stage.values("job_task_status", status="InProgress") == []
        assert stage.values("vault_details_pending") == [1]


def test_an_empty_list_never_looks_like_no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    with steered(monkeypatch, sized_fleet(vaults=1, jobs=8, anchor=NOW)) as stage:
        stage.refresh()
        stage.simulator.inject(EmptyList(), api="list")
        for _ in range(3):
            stage.clock.advance(hours=6)
            stage.refresh()

        assert stage.values("last_job_info") == [1]


def test_bad_jobs_in_a_list_are_skipped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with steered(monkeypatch, sized_fleet(vaults=1, jobs=16, anchor=NOW)) as stage:
        stage.simulator.inject(MalformedJobs(), api="list")
        stage.refresh()

        assert stage.values("vault_up") == [1]
        assert len(stage.values("last_job_info")) >= 2
        assert (stage.own("payload_errors_total", api="backup_jobs_list", field="job") or 0) > 0


UNREADABLE: dict[str, Callable[[Any], Any]] = {
    "properties null": lambda job: {**job, "properties": None},
    "properties text": lambda job: {**job, "properties": json.dumps(job["properties"])},
    "flattened": lambda job: {"id": job["id"], "type": job["type"], **job["properties"]},
    "as text": json.dumps,
    "without a name": lambda job: {key: job[key] for key in ("id", "properties")},
}


@pytest.mark.parametrize("shape", UNREADABLE.values(), ids=UNREADABLE)
def test_a_vault_of_whose_jobs_none_can_be_read_is_not_up(
    monkeypatch: pytest.MonkeyPatch, shape: Callable[[Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It would look fresh, and nobody would see that nothing new comes any more."""
    with steered(monkeypatch, sized_fleet(vaults=2, jobs=16, anchor=NOW)) as stage:
        stage.refresh()
        shown = stage.values("last_job_info")
        vault = stage.simulator.vault_ids[0]
        injected = stage.simulator.inject(ReshapedJobs(shape), api="list", vault_id=vault)
        stage.clock.advance(hours=6)
        stage.refresh()

        assert stage.values("vault_up") == [0, 1]
        assert stage.values("vault_refresh_errors_total", kind="payload") == [1, 0]
        assert (stage.own("payload_errors_total", api="backup_jobs_list", field="job") or 0) >= 8
        assert "nothing of what Azure listed" in caplog.text

        injected.clear()
        stage.refresh()
        assert stage.values("vault_up") == [1, 1]
        assert stage.values("last_job_info") == shown


def test_an_end_in_the_future_hides_no_later_failure(stage: Steered) -> None:
    """It counts as unknown, in the list and in the detail, and is counted."""
    [vault] = stage.simulator.vault_ids
    far = {"startTime": "2026-03-08T20:00:00Z", "endTime": "2099-01-01T00:00:00Z"}
    stage.simulator.put_job(vault, a_payload("far", **far, duration="P26597DT4H"))
    stage.simulator.put_job(vault, a_payload("later", status="Failed"))
    stage.refresh()

    assert stage.values("last_job_status", status="Failed") == [1]
    assert stage.values("consecutive_failures") == [1]
    newest = max(stage.values("last_success_timestamp_seconds"))
    assert newest == datetime(2026, 3, 8, 20, tzinfo=UTC).timestamp()
    for field in ("endTime", "duration"):
        assert stage.own("payload_errors_total", api="backup_jobs_list", field=field) == 1


def test_a_list_that_brings_details_needs_no_request_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extended = {"tasksList": [{"taskId": "Take Snapshot", "status": "Completed"}]}
    detailed = ReshapedJobs(
        lambda job: {**job, "properties": {**job["properties"], "extendedInfo": extended}}
    )
    fleet = sized_fleet(vaults=1, jobs=16, running=2, anchor=NOW)
    with steered(monkeypatch, fleet) as stage:
        stage.simulator.inject(detailed, api="list")
        for _ in range(3):
            assert [api for api, _, _ in stage.refresh()] == ["list"]
            assert stage.values("last_job_task_status", task="Take Snapshot")
            assert stage.values("job_task_status", task="Take Snapshot")
            stage.clock.advance(minutes=5)


def test_a_detail_that_fails_waits_and_the_job_is_shown_from_the_list(stage: Steered) -> None:
    [vault] = stage.simulator.vault_ids
    stage.simulator.put_job(vault, a_payload())
    injected = stage.simulator.inject(HttpError("gateway_timeout"), api="detail")
    stage.refresh()

    assert stage.values("last_job_status", status="Completed") == [1]
    assert stage.values("last_job_backup_size_bytes") == []
    assert stage.values("vault_details_pending") == [1]
    assert stage.values("vault_up") == [1]

    injected.clear()
    stage.clock.advance(minutes=5)
    stage.refresh()
    assert stage.values("last_job_backup_size_bytes") == [2445279232]
    assert stage.values("vault_details_pending") == [0]


def test_a_vault_that_goes_down_still_lacks_what_it_lacked(stage: Steered) -> None:
    """0 would say that all its details are there."""
    [vault] = stage.simulator.vault_ids
    stage.simulator.put_job(vault, a_payload())
    stage.simulator.inject(HttpError("gateway_timeout"), api="detail")
    stage.refresh()
    stage.simulator.inject(HttpError("forbidden"), api="list")
    stage.clock.advance(minutes=5)
    stage.refresh()

    assert stage.values("vault_up") == [0]
    assert stage.values("vault_details_pending") == [1]


def test_a_detail_older_than_the_list_still_waits_and_is_tried_less_and_less(
    stage: Steered,
) -> None:
    """Front ends lag: the list says that the job has ended, its detail that it runs."""
    [vault] = stage.simulator.vault_ids
    stage.simulator.put_job(vault, a_payload())
    lagging = stage.simulator.inject(StillRuns(), api="detail")
    reads = 0
    for _ in range(12):
        reads += sum(api == "detail" for api, _, _ in stage.refresh())
        assert stage.values("vault_details_pending") == [1]
        stage.clock.advance(minutes=5)

    assert reads <= 5
    assert stage.values("last_job_status", status="Completed") == [1]
    lagging.clear()
    stage.clock.advance(hours=2)
    stage.refresh()
    assert stage.values("last_job_backup_size_bytes") == [2445279232]
    assert stage.values("vault_details_pending") == [0]


class StillRuns:
    """The detail of an older moment."""

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        del circumstances
        job = json.loads(answer.body)
        job["properties"].update(status="InProgress", endTime=None)
        return replace(answer, body=json.dumps(job).encode())


def test_a_finished_job_without_detail_is_asked_for_once(stage: Steered) -> None:
    [vault] = stage.simulator.vault_ids
    stage.simulator.put_job(vault, a_payload())
    stage.simulator.inject(HttpError("job_not_found"), api="detail")

    reads = [stage.refresh() for _ in range(3)]

    assert [len(read) for read in reads] == [2, 1, 1]
    assert stage.values("vault_details_pending") == [0]


@pytest.mark.parametrize(
    ("kind", "while_it_runs", "then"),
    [("job_not_found", [0], 60), ("internal", [0, 5, 10, 19], 11)],
)
def test_a_detail_that_failed_while_the_job_ran_is_asked_for_when_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
    kind: Literal["job_not_found", "internal"],
    while_it_runs: list[int],
    then: int,
) -> None:
    """A job that has just begun is listed by one front end before the next one knows it."""
    fleet = sized_fleet(vaults=1, jobs=8, running=1, anchor=NOW)
    with steered(monkeypatch, fleet) as stage:
        injected = stage.simulator.inject(HttpError(kind), api="detail")
        for minutes in while_it_runs:
            stage.clock.advance(minutes=minutes)
            stage.refresh()
        injected.clear()
        stage.clock.advance(minutes=then)
        stage.refresh()

        assert stage.values("job_status", status="InProgress") == []
        assert len(stage.values("last_job_backup_size_bytes")) == 1


def test_details_wait_for_the_budget_and_failed_ones_come_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """30 details, a budget of 20 of which half is the lists'; some are left to failures to come."""
    fleet = sized_fleet(vaults=1, jobs=30, jobs_per_item=1, failing=0.2, anchor=NOW)
    with steered(monkeypatch, fleet) as stage:
        stage.configure(azure=azure_section(stage.simulator.url, requests=20))
        reads = stage.refresh()

        assert Counter(api for api, _, _ in reads) == {"list": 1, "detail": 8}
        assert stage.values("vault_details_pending") == [22]
        assert len(stage.values("last_job_status", status="Failed")) == 30
        failed = [
            labels
            for labels in lines_about(stage.page, "last_job_status", "vault-0000")
            if 'status="Failed"' in labels and labels.endswith(" 1")
        ]
        tasks = lines_about(stage.page, "last_job_task_status", "vault-0000")
        items = {item_of(line) for line in failed}
        assert len(items) == 6
        assert items <= {item_of(line) for line in tasks}, "failed jobs come first"
        assert stage.values("vault_refresh_interval_seconds") == [360]
        assert stage.own("api_reads_remaining", subscription_id=sub(stage), location="") == 11
        assert stage.own("api_reads_limit", subscription_id=sub(stage), location="") == 20

        stage.clock.advance(minutes=61)
        stage.refresh()
        assert stage.values("vault_details_pending") == [17]


def item_of(line: str) -> str:
    return line.split('item="')[1].split('"', maxsplit=1)[0]


def sub(stage: Steered) -> str:
    return stage.simulator.vault_ids[0].split("/")[2]


def test_a_429_is_obeyed_and_its_limit_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    with steered(monkeypatch, sized_fleet(vaults=2, jobs=16, anchor=NOW)) as stage:
        stage.refresh()
        stage.simulator.inject(Throttled(timedelta(minutes=5)), api="list", times=1)
        stage.clock.advance(minutes=5)
        reads = stage.refresh()

        throttled = [sum(stage.values("vault_refresh_errors_total", kind="throttled"))]
        assert throttled == [1]
        assert len(reads) <= 2
        assert stage.refresh() == [], "nothing is asked before Azure allows it"
        assert (
            stage.own("api_reads_remaining", subscription_id=sub(stage), location="") or 0
        ) <= 150


def test_when_it_is_ready_the_page_has_every_vault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of so many the page is joined now and then only, so a refresh has ended before it shows."""
    with steered(monkeypatch, sized_fleet(vaults=110, jobs=110, anchor=NOW)) as stage:
        collector = stage.configure()
        refreshing = threading.Thread(target=stage.refresh)
        refreshing.start()
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not collector.ready and time.monotonic() < give_up_at:
            time.sleep(0.001)
        served = b"".join(stage.store.served.text.plain(b"")).decode()
        refreshing.join()

        assert values(served, "vault_up") == [1] * 110


def test_a_reload_keeps_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with steered(monkeypatch, sized_fleet(vaults=2, jobs=16, anchor=NOW)) as stage:
        stage.refresh()
        before = stage.page
        only = f"\n  - id: {stage.simulator.vault_ids[1]}"

        collector = stage.configure(vaults=only)

        assert collector.ready, "known vaults need no first refresh"
        assert lines_about(stage.page, "", "vault-0000") == []
        assert lines_about(stage.page, "", "vault-0001") == lines_about(before, "", "vault-0001")
        stage.clock.advance(minutes=5)
        assert [api for api, _, _ in stage.refresh()] == ["list"]


def test_a_fault_of_our_own_takes_the_vault_down_and_the_loop_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else its old data would look fresh for ever."""

    class FragileStore(PageStore):
        breaks = False

        def show(self, vaults: Iterable[Vault]) -> Callable[[VaultSnapshot], None]:
            publish = super().show(vaults)

            def fragile(snapshot: VaultSnapshot) -> None:
                if self.breaks and snapshot.up:
                    raise KeyError("a bug")
                publish(snapshot)

            return fragile

    with steered(monkeypatch, sized_fleet(vaults=1, jobs=8, anchor=NOW)) as stage:
        stage.store = FragileStore(stage.metrics)
        stage.refresh()
        FragileStore.breaks = True
        stage.clock.advance(minutes=5)
        stage.refresh()
        assert stage.values("vault_up") == [0]
        assert stage.values("vault_refresh_errors_total", kind="payload") == [1]

        FragileStore.breaks = False
        stage.clock.advance(minutes=5)
        stage.refresh()
        assert stage.values("vault_up") == [1]


def test_other_success_statuses_count_after_a_reload(stage: Steered) -> None:
    [vault] = stage.simulator.vault_ids
    stage.simulator.put_job(vault, a_payload(status="CompletedWithWarnings"))
    stage.refresh()
    assert stage.values("consecutive_failures") == [0]

    stage.configure(metrics="{success_statuses: [Completed]}")

    assert stage.values("consecutive_failures") == [1]
    assert stage.values("last_success_timestamp_seconds") == []


def test_one_empty_full_list_hides_no_failure(stage: Steered) -> None:
    """The running job is asked for by itself, and its end is seen."""
    [vault] = stage.simulator.vault_ids
    stage.simulator.put_job(vault, a_payload(status="InProgress", endTime=None))
    stage.refresh()
    stage.clock.advance(hours=6)
    empty = stage.simulator.inject(EmptyList(), api="list")
    stage.refresh()
    assert stage.values("job_status", status="InProgress") == [1]

    empty.clear()
    stage.simulator.put_job(vault, a_payload(status="Failed"))
    stage.clock.advance(minutes=5)
    stage.refresh()
    assert stage.values("last_job_status", status="Failed") == [1]


def test_one_failed_refresh_blanks_no_vault_however_long_the_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A firing alert would resolve because Azure answered 403 once."""
    with steered(monkeypatch, sized_fleet(vaults=1, jobs=8, anchor=NOW)) as stage:
        stage.configure(refresh="{interval: 1h}")
        stage.refresh()
        stage.simulator.inject(HttpError("forbidden"), api="list")
        stage.clock.advance(hours=1)
        stage.refresh()
        assert stage.values("vault_up") == [0]
        assert stage.values("last_job_info") == [1]

        stage.clock.advance(hours=1)
        stage.refresh()
        assert stage.values("last_job_info") == []


def test_while_azure_allows_nothing_old_data_go_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with steered(monkeypatch, sized_fleet(vaults=2, jobs=16, anchor=NOW)) as stage:
        stage.refresh()
        stage.simulator.inject(Throttled(timedelta(hours=2)), api="list")
        stage.clock.advance(minutes=5)
        stage.refresh()
        assert max(stage.values("vault_refresh_interval_seconds")) == pytest.approx(7200, abs=1)

        stage.clock.advance(minutes=24)
        stage.refresh()
        assert stage.values("last_job_info") == [1, 1]
        stage.clock.advance(minutes=2)
        stage.refresh()
        assert stage.values("last_job_info") == []
        assert stage.values("vault_up") == [0, 0]


def test_a_detail_that_always_fails_is_tried_less_and_less(stage: Steered) -> None:
    """It must not eat the budget of all others."""
    [vault] = stage.simulator.vault_ids
    stage.simulator.put_job(vault, a_payload(status="Failed"))
    stage.simulator.inject(HttpError("gateway_timeout"), api="detail")
    reads = 0
    for _ in range(12):
        reads += sum(api == "detail" for api, _, _ in stage.refresh())
        stage.clock.advance(minutes=5)

    assert reads <= 10
    assert stage.values("vault_details_pending") == [1]


def test_a_dead_vault_does_not_slow_down_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = sized_fleet(vaults=2, jobs=60, jobs_per_item=1, anchor=NOW)
    with steered(monkeypatch, fleet) as stage:
        stage.configure(azure=azure_section(stage.simulator.url, requests=20))
        stage.refresh()
        assert stage.values("vault_refresh_interval_seconds") == [720, 720]

        for vault in stage.simulator.vault_ids:
            stage.simulator.inject(HttpError("vault_not_found"), vault_id=vault)
        stage.clock.advance(hours=2)
        stage.refresh()
        stage.refresh()
        assert stage.values("vault_refresh_interval_seconds") == [300, 300]


def test_a_list_longer_than_the_budget_comes_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = sized_fleet(vaults=1, jobs=200, anchor=NOW)
    with steered(monkeypatch, fleet, page_size=5) as stage:
        stage.configure(azure=azure_section(stage.simulator.url, requests=20))
        stage.refresh()
        assert stage.values("last_job_info") == []
        stage.clock.advance(hours=1)
        stage.refresh()

        assert stage.values("vault_up") == [1]
        assert len(stage.values("last_job_info")) == 25
        assert stage.values("vault_last_refresh_success_timestamp_seconds") == [NOW.timestamp()]


def test_requests_that_are_made_again_are_counted(stage: Steered) -> None:
    [vault] = stage.simulator.vault_ids
    stage.simulator.put_job(vault, a_payload())
    stage.simulator.inject(HttpError("unavailable"), api="list", times=2)
    stage.simulator.inject(HttpError("unavailable"), api="detail", times=1)
    stage.refresh()

    assert stage.values("vault_up") == [1]
    assert stage.values("last_job_backup_size_bytes")
    assert stage.own("api_retries_total", api="backup_jobs_list") == 2
    assert stage.own("api_retries_total", api="backup_jobs_detail") == 1


def test_pages_that_were_read_before_a_reload_count_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reload each second during the first fill threw away 488 pages and read no vault."""
    fleet = sized_fleet(vaults=1, jobs=200, anchor=NOW)
    with steered(monkeypatch, fleet, page_size=5) as stage:
        azure = azure_section(stage.simulator.url, requests=15)
        pages = 0
        for _ in range(3):
            stage.configure(azure=azure)
            pages += sum(api == "list" for api, _, _ in stage.refresh())
            stage.clock.advance(minutes=61)

        assert pages == 40
        assert stage.values("vault_up") == [1]


def test_jobs_of_a_time_when_nothing_could_be_read_are_found_however_short_the_look_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with steered(monkeypatch, sized_fleet(vaults=1, jobs=64, failing=0.5, anchor=NOW)) as stage:
        stage.configure(refresh="{lookback: 1h}", metrics="{window: 1h}")
        stage.refresh()
        stage.simulator.inject(HttpError("forbidden"), api="list", times=1)
        stage.clock.advance(hours=12)
        stage.refresh()
        stage.clock.advance(hours=12)
        stage.refresh()

        assert stage.values("vault_up") == [1]
        assert len(stage.values("last_job_end_timestamp_seconds")) == 8


def test_a_list_that_had_to_wait_is_of_when_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = sized_fleet(vaults=1, jobs=8, anchor=NOW)
    with steered(monkeypatch, fleet) as stage:
        stage.refresh()
        stage.simulator.inject(Throttled(timedelta(hours=23), "seconds"), api="list", times=1)
        stage.refresh()
        stage.refresh()

        stage.clock.advance(hours=24)
        stage.refresh()

        now = stage.clock.now().timestamp()
        assert stage.values("vault_last_refresh_success_timestamp_seconds") == [now]
        assert stage.values("last_job_end_timestamp_seconds")[0] > NOW.timestamp()


def test_a_429_between_two_pages_costs_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with steered(monkeypatch, sized_fleet(vaults=1, jobs=50, anchor=NOW), page_size=10) as stage:
        after_two = After(2, Throttled(timedelta(minutes=5)))
        injected = stage.simulator.inject(after_two, api="list", times=3)
        stage.refresh()
        assert stage.values("vault_up") == [0]

        stage.clock.advance(minutes=5)
        reads = stage.refresh()

        assert injected.hits == 3
        assert stage.values("vault_up") == [1]
        assert sum(api == "list" for api, _, _ in reads) == 3
        assert sum(stage.values("jobs")) == 7


@dataclass
class After:
    """A fault that some answers are spared."""

    spared: int
    fault: Fault

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        self.spared -= 1
        return answer if self.spared >= 0 else self.fault.spoil(answer, circumstances)


def test_what_the_budget_does_not_reach_is_down_when_there_is_but_one_refresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``once`` must not leave a vault out of its page."""
    with steered(monkeypatch, sized_fleet(vaults=25, jobs=25, anchor=NOW)) as stage:
        stage.configure(azure=azure_section(stage.simulator.url, requests=20))
        stage.refresh()

        ups = stage.values("vault_up")
        assert len(ups) == 25
        assert 10 <= sum(ups) <= 20
        assert sum(stage.values("vault_refresh_errors_total", kind="throttled")) == ups.count(0)


def test_a_read_that_hung_over_a_reload_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fault would take a healthy vault down for a whole interval."""
    with steered(monkeypatch, sized_fleet(vaults=1, jobs=8, anchor=NOW)) as stage:
        stage.refresh()
        old = stage.collector
        assert old
        delayed = stage.simulator.inject(Delay(timedelta(seconds=0.5)), api="list")
        stage.simulator.inject(HttpError("forbidden"), api="list")
        stage.clock.advance(minutes=5)
        hanging = threading.Thread(target=old.run_once)
        hanging.start()
        wait_for("the read to hang", lambda: delayed.hits > 0)
        stage.simulator.clear_faults()

        stage.configure()
        stage.refresh()
        hanging.join()

        assert stage.values("vault_up") == [1]
        assert sum(stage.values("vault_refresh_errors_total")) == 0


@pytest.mark.parametrize("days", [-2, 2])
def test_a_clock_that_was_set_does_not_make_old_data_look_fresh_or_fresh_data_old(
    monkeypatch: pytest.MonkeyPatch, days: float
) -> None:
    with steered(monkeypatch, sized_fleet(vaults=1, jobs=16, anchor=NOW)) as stage:
        stage.configure(refresh="{interval: 5m, keep_stale: 30m}")
        stage.refresh()
        shown = len(stage.values("last_job_status"))
        stage.simulator.inject(HttpError("forbidden"))
        stage.clock.set_wall(days=days)
        stage.clock.advance(minutes=29)
        stage.refresh()
        assert len(stage.values("last_job_status")) == shown > 0

        stage.clock.advance(minutes=2)
        stage.refresh()

        assert stage.values("last_job_status") == []
        assert stage.values("vault_up") == [0]


def everything_known(stage: Steered) -> list[str]:
    """What a page says of jobs and items."""
    return sorted(line for line in stage.page.splitlines() if line.startswith("azure_backup_last_"))


@pytest.mark.parametrize("wrong", [timedelta(days=-40), timedelta(days=40), timedelta(days=4000)])
def test_a_clock_that_is_weeks_off_for_some_seconds_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: timedelta
) -> None:
    """Last successes would be gone for good, in the state file too."""
    state = f"{{path: {tmp_path / 'state.db'}}}"
    with steered(monkeypatch, sized_fleet(vaults=2, jobs=32, failing=0.5, anchor=NOW)) as stage:
        stage.configure(state=state)
        stage.refresh()
        known = everything_known(stage)
        assert stage.values("last_success_timestamp_seconds")

        stage.clock.wrong = wrong
        stage.clock.advance(seconds=4)
        stage.refresh()
        assert everything_known(stage) == known

        stage.clock.wrong = timedelta()
        stage.configure(state=state).run_once()
        assert everything_known(stage) == known


@pytest.mark.parametrize("days", [-40, 40])
def test_a_start_with_a_clock_that_is_weeks_off_costs_nothing_either(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, days: float
) -> None:
    state = f"{{path: {tmp_path / 'state.db'}}}"
    with steered(monkeypatch, sized_fleet(vaults=2, jobs=32, failing=0.5, anchor=NOW)) as stage:
        stage.configure(state=state).run_once()
        known = everything_known(stage)
        stage.clock.wrong = timedelta(days=days)
        anew = Steered(stage.simulator, stage.clock)
        collector = anew.configure(state=state)
        for _ in range(2):
            collector.run_once()
            anew.clock.advance(minutes=5)

        assert everything_known(anew) == known
        collector.stop()


def test_a_stop_of_a_database_belongs_to_the_server_that_its_bag_names(stage: Steered) -> None:
    """Its name says none: joined by name alone it would mute the alerts of every server's msdb."""
    [vault] = stage.simulator.vault_ids
    database = {"jobType": "AzureWorkloadJob", "backupManagementType": "AzureWorkload"}
    for server in ("sqla", "sqlb"):
        backup = {"operation": "Backup (Full)", "entityFriendlyName": f"msdb [{server}]"}
        stage.simulator.put_job(vault, a_payload(server, **database, **backup))
    bag = {"Policy Name": "p", "ContainerUniqueName": "Compute;rg-app;SQLB"}
    stop = a_payload(
        "stop",
        **database,
        operation="DisableBackup",
        entityFriendlyName="msdb",
        extendedInfo={"tasksList": [], "propertyBag": bag},
    )
    stage.simulator.put_job(vault, stop)
    stage.refresh()

    ended = "last_success_timestamp_seconds"
    assert len(stage.values(ended, operation="DisableBackup", protection_container="sqlb")) == 1
    assert len(stage.values(ended, operation="DisableBackup")) == 1
    assert len(stage.values(ended, operation="Backup", item="msdb")) == 2
