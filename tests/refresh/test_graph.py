"""Job lists out of Azure Resource Graph, against the simulator."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exporter.backup.rollup import Rollup, roll_up
from exporter.simulator import (
    EmptyList,
    Fleet,
    HtmlPage,
    HttpError,
    RateLimit,
    Reset,
    ReshapedJobs,
    Throttled,
    TruncatedJson,
    demo_fleet,
    sized_fleet,
)
from tests.builders import NOW
from tests.payloads import a_payload
from tests.steering import Steered, steered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.backup.model import Vault

BY_ARM = "[{management_group: mg-sized}]"
BY_GRAPH = "[{management_group: mg-sized, source: resource_graph}]"

_OF_THE_REFRESH = re.compile("azure_backup_vault_(refresh_duration|refresh_interval)_seconds")


def a_fleet(jobs: int = 60) -> Fleet:
    """3 vaults in 2 subscriptions with these jobs, 5 of which run; a fifth of the items fails."""
    return sized_fleet(vaults=3, jobs=jobs, running=5, failing=0.2, subscriptions=2, anchor=NOW)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steered]:
    with steered(monkeypatch, a_fleet(), page_size=1000) as stage:
        stage.configure(vaults="[]", discovery=BY_GRAPH)
        yield stage


def many_jobs(jobs: int) -> Fleet:
    """5 vaults with these jobs of a few items, so that few details are read."""
    every = timedelta(hours=3)
    return sized_fleet(vaults=5, jobs=jobs, jobs_per_item=50, every=every, anchor=NOW)


def calls(reads: list[tuple[str, str, str]]) -> Counter[str]:
    return Counter(api for api, _, _ in reads)


def series(stage: Steered) -> set[str]:
    """The page but for how long it took to make."""
    return {line for line in stage.page.splitlines() if not _OF_THE_REFRESH.match(line)}


@pytest.mark.parametrize("group", ["mg-sized", "mg-demo"])
def test_both_sources_make_the_same_page_series_by_series(
    monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    """Also while jobs start, progress and end, change their names and fail."""
    pages: dict[str, list[set[str]]] = {}
    for source in ("arm", "resource_graph"):
        fleet = a_fleet(jobs=200) if group == "mg-sized" else demo_fleet(anchor=NOW)
        with steered(monkeypatch, fleet, page_size=1000) as stage:
            stage.configure(
                vaults="[]", discovery=f"[{{management_group: {group}, source: {source}}}]"
            )
            pages[source] = []
            for minutes in (0, 5, 30, 300, 7 * 60, 24 * 60):
                stage.clock.advance(minutes=minutes)
                stage.refresh()
                pages[source].append(series(stage))

    for by_arm, by_graph in zip(*pages.values(), strict=True):
        assert by_graph ^ by_arm == set()
        assert len(by_arm) > 500


def test_one_query_lists_the_jobs_of_all_vaults(stage: Steered) -> None:
    first = calls(stage.refresh())
    assert first["list"] == 0
    assert first["graph"] == 2  # one search for vaults, one query for jobs

    stage.clock.advance(minutes=5)
    second = calls(stage.refresh())

    assert second["graph"] == 2
    assert second["detail"] == 5  # the running jobs: nothing has ended since


def test_a_long_answer_is_read_over_all_its_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    with steered(monkeypatch, many_jobs(2500)) as stage:
        stage.configure(vaults="[]", discovery=BY_GRAPH, metrics="{window: 8d, job_series: none}")
        reads = calls(stage.refresh())

        assert reads["graph"] == 1 + 3
        assert sum(stage.values("jobs")) == 2500


def test_queries_wait_for_the_quota_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two queries in five seconds: the first tells what is left, so none is refused."""
    quota = RateLimit(2, timedelta(seconds=5))
    with steered(monkeypatch, many_jobs(4500), graph_quota=quota) as stage:
        stage.configure(vaults="[]", discovery=BY_GRAPH, metrics="{window: 8d, job_series: none}")
        stage.refresh()

        asked = [one for one in stage.simulator.requests if one.api == "graph"]
        assert [one.status for one in asked] == [200] * 6
        assert stage.clock.now() - NOW >= timedelta(seconds=10)
        assert sum(stage.values("jobs")) == 4500


def test_a_429_is_waited_out(stage: Steered) -> None:
    stage.simulator.inject(Throttled(timedelta(seconds=3)), api="graph", times=2)

    stage.refresh()

    assert stage.values("vault_up") == [1, 1, 1]
    assert stage.own("api_requests_total", api="resource_graph", code="429") == 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (HttpError("forbidden"), "forbidden"),
        (HttpError("internal"), "server"),
        (HtmlPage(), "server"),
        (TruncatedJson(), "payload"),
        (Reset(), "network"),
        (Throttled(timedelta(hours=1)), "throttled"),
    ],
)
def test_a_query_that_fails_marks_its_vaults_down_and_loses_nothing(
    stage: Steered, fault: Any, kind: str
) -> None:
    stage.refresh()
    known = len(stage.values("last_job_status"))

    injected = stage.simulator.inject(fault, api="graph")
    stage.refresh()

    assert stage.values("vault_up") == [0, 0, 0]
    assert stage.values("vault_refresh_errors_total", kind=kind) == [1, 1, 1]
    assert len(stage.values("last_job_status")) == known
    injected.clear()
    stage.clock.advance(hours=1)
    stage.refresh()
    assert stage.values("vault_up") == [1, 1, 1]


def test_old_data_go_when_resource_graph_stays_away(stage: Steered) -> None:
    stage.refresh()
    stage.simulator.inject(HttpError("internal"), api="graph")

    stage.clock.advance(minutes=31)
    stage.refresh()

    assert stage.values("last_job_status") == []
    assert stage.values("vault_up") == [0, 0, 0]


def test_vaults_that_a_role_no_longer_shows_are_down(stage: Steered) -> None:
    """Resource Graph answers well then, without their rows."""
    stage.refresh()
    known = stage.values("last_job_status")
    stage.simulator.inject(EmptyList(), api="graph")
    stage.simulator.inject(HttpError("forbidden"), api="vault")

    stage.clock.advance(minutes=15)
    stage.refresh()

    assert stage.values("vault_up") == [0, 0, 0]
    assert stage.values("vault_refresh_errors_total", kind="forbidden") == [1, 1, 1]
    assert stage.values("vault_last_refresh_success_timestamp_seconds") == [NOW.timestamp()] * 3
    assert stage.values("last_job_status") == known

    stage.simulator.clear_faults()
    stage.simulator.inject(HttpError("forbidden"), api="graph", times=1)
    stage.simulator.inject(EmptyList(), api="graph")
    stage.configure(vaults="[]", discovery=BY_GRAPH)
    stage.refresh()
    assert stage.values("vault_up") == [0, 0, 0], "also after a reload, before a search that works"

    stage.simulator.clear_faults()
    stage.refresh()
    assert stage.values("vault_up") == [1, 1, 1]


def test_rows_of_vaults_that_are_not_wanted_are_passed_over(stage: Steered) -> None:
    stage.configure(
        vaults="[]",
        discovery="[{management_group: mg-sized, source: resource_graph,"
        " include: {name: vault-0001}}]",
    )

    stage.refresh()

    assert stage.values("vault_up") == [1]
    assert len(stage.values("last_job_info")) == len(
        stage.values("last_job_info", vault="vault-0001")
    )


def test_a_job_that_runs_for_days_does_not_widen_the_query(stage: Steered) -> None:
    """It is found by its status; else every refresh would read days of jobs of all vaults."""
    [vault, *_] = stage.simulator.vault_ids
    start = NOW - timedelta(days=6)
    running = a_payload(status="InProgress", endTime=None, startTime=f"{start:%Y-%m-%dT%H:%M:%S}Z")
    running["id"] = running["id"].replace(running["id"].partition("/backupJobs/")[0], vault)
    stage.simulator.put_job(vault, running)
    stage.refresh()
    assert len(stage.values("job_status", status="InProgress")) == 6

    stage.clock.advance(minutes=5)
    stage.refresh()

    [query] = [one.body for one in stage.simulator.requests if "backupjobs" in one.body]
    assert "datetime(2026-03-10T11:00:00Z)" in query
    assert len(stage.values("job_status", status="InProgress")) == 6
    ended = NOW + timedelta(minutes=6)
    running["properties"] |= {"status": "Completed", "endTime": f"{ended:%Y-%m-%dT%H:%M:%S}Z"}
    stage.simulator.put_job(vault, running)
    stage.clock.advance(minutes=5)
    stage.refresh()
    assert stage.values("last_job_end_timestamp_seconds", item="uttestvmub1") == [ended.timestamp()]


def test_a_copy_that_lags_brings_every_job_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = a_fleet()
    with steered(monkeypatch, fleet, graph_lag=timedelta(minutes=20)) as stage:
        stage.configure(vaults="[]", discovery=BY_GRAPH)
        for _ in range(30):
            stage.clock.advance(minutes=10)
            stage.refresh()
        known = series(stage)

    with steered(monkeypatch, fleet) as fresh:
        fresh.clock.advance(minutes=300 - 20)
        fresh.configure(vaults="[]", discovery=BY_ARM)
        fresh.refresh()
        ends = {
            line
            for line in fresh.page.splitlines()
            if line.startswith("azure_backup_last_job_end_timestamp_seconds{")
        }
        assert ends <= known


def test_details_have_the_whole_budget_where_no_lists_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And their vaults' interval is not stretched by details that wait."""
    reads = Counter[str]()
    for discovery in (BY_ARM, BY_GRAPH):
        with steered(monkeypatch, sized_fleet(vaults=4, jobs=500, anchor=NOW)) as stage:
            stage.configure(vaults="[]", discovery=discovery, azure=stage.azure(requests=50))
            for _ in range(12):
                reads[discovery] += calls(stage.refresh())["detail"]
                stage.clock.advance(minutes=5)
            intervals = stage.values("vault_refresh_interval_seconds")

    assert reads[BY_GRAPH] > 1.4 * reads[BY_ARM]
    assert intervals == [300] * 4


def test_failed_jobs_of_the_last_vault_come_before_good_ones_of_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = sized_fleet(vaults=10, jobs=800, failing=0.1, anchor=NOW)
    with steered(monkeypatch, fleet) as stage:
        stage.configure(vaults="[]", discovery=BY_GRAPH, azure=stage.azure(requests=40))

        stage.refresh()

        failed = stage.values("last_job_task_status", status="Failed")
        assert len(failed) == len(stage.values("last_job_error_info")) == 10


def test_a_vault_that_appears_is_read_from_the_beginning(stage: Steered) -> None:
    stage.refresh()
    [vault, *_] = stage.simulator.vault_ids
    new = vault.replace("vault-0000", "brand-new")
    payload = a_payload()
    stage.simulator.put_job(new, {**payload, "id": f"{new}/backupJobs/{payload['name']}"})

    stage.refresh()

    assert stage.values("last_job_duration_seconds", vault="brand-new") == [1223.0896697]


def test_a_reload_from_one_source_to_the_other_keeps_what_is_known(stage: Steered) -> None:
    stage.refresh()
    known = len(stage.values("last_job_task_status"))

    collector = stage.configure(vaults="[]", discovery=BY_ARM)

    assert len(stage.values("last_job_task_status")) == known > 0
    assert collector.ready
    reads = calls(stage.refresh())
    assert reads["list"] == 3
    assert reads["detail"] == 5


def test_a_fault_of_ours_in_one_vault_leaves_the_others_alone(
    stage: Steered, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(vault: Vault, *arguments: Any) -> Rollup:
        if vault.name == "vault-0001":
            raise ZeroDivisionError
        return roll_up(vault, *arguments)

    stage.refresh()
    monkeypatch.setattr("exporter.refresh.showing.roll_up", faulty)
    with caplog.at_level(logging.ERROR):
        stage.refresh()

    assert stage.values("vault_up", vault="vault-0001") == [0]
    assert sorted(stage.values("vault_up")) == [0, 1, 1]


@pytest.mark.parametrize(
    "shape",
    [
        lambda row: {**row, "properties": None},
        lambda row: {**row, "properties": "text"},
        lambda row: {key: value for key, value in row.items() if key != "id"},
        json.dumps,
    ],
    ids=["properties null", "properties text", "without id", "as text"],
)
def test_vaults_of_whose_rows_none_can_be_read_are_not_up(stage: Steered, shape: Any) -> None:
    stage.refresh()
    stage.simulator.inject(
        ReshapedJobs(lambda row: shape(row) if "backupJobs" in str(row) else row), api="graph"
    )
    stage.clock.advance(hours=6)
    stage.refresh()

    assert stage.values("vault_up") == [0, 0, 0]
    assert stage.values("vault_refresh_errors_total", kind="payload") == [1, 1, 1]


def test_of_several_vaults_only_the_unreadable_one_is_down(stage: Steered) -> None:
    stage.refresh()
    vault = stage.simulator.vault_ids[0].lower()

    def spoilt(row: dict[str, Any]) -> dict[str, Any]:
        its_job = row["id"].lower().startswith(f"{vault}/backupjobs")
        return {**row, "properties": None} if its_job else row

    stage.simulator.inject(ReshapedJobs(spoilt), api="graph")
    stage.clock.advance(hours=6)
    stage.refresh()

    assert sorted(stage.values("vault_up")) == [0, 1, 1]


def test_rows_that_bring_details_need_no_request_for_them(stage: Steered) -> None:
    extended = {"propertyBag": {"Backup Size": "5 MB"}}

    def detailed(row: dict[str, Any]) -> dict[str, Any]:
        properties = {**row["properties"], "extendedInfo": extended}
        return {**row, "properties": properties} if "backupJobs" in row["id"] else row

    stage.simulator.inject(ReshapedJobs(detailed), api="graph")
    for _ in range(3):
        assert set(calls(stage.refresh())) == {"graph"}
        assert set(stage.values("last_job_backup_size_bytes")) == {5 * 2.0**20}
        assert set(stage.values("job_backup_size_bytes")) == {5 * 2.0**20}
        stage.clock.advance(minutes=5)
