"""A restart against the simulator: what is shown at once, and what is asked of Azure again."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from exporter.simulator import EmptyList, HttpError, RateLimit, Throttled, sized_fleet
from tests.builders import NOW
from tests.payloads import a_payload
from tests.processes import wait_for
from tests.state.raw_files import raw
from tests.steering import Steered, steered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.refresh.collector import Collector


SUB = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steered]:
    with steered(monkeypatch, sized_fleet(vaults=2, jobs=40, anchor=NOW)) as stage:
        yield stage


def state(path: Path | str) -> str:
    return f"{{path: {path}}}"


def restarted(stage: Steered, path: Path, **sections: str) -> Steered:
    """A new process: it has the file, nothing else."""
    if stage.collector:
        stage.collector.stop()
    fresh = Steered(stage.simulator, stage.clock)
    fresh.configure(state=state(path), **sections)
    return fresh


def written(collector: Collector | None) -> None:
    assert collector
    assert collector.keeper
    collector.keeper.flush()


@pytest.mark.stack
@pytest.mark.alone
def test_a_restart_with_10000_jobs_reads_no_detail_again(
    monkeypatch: pytest.MonkeyPatch, path: Path, record_property: Callable[[str, object], None]
) -> None:
    fleet = sized_fleet(vaults=5, jobs=10_000, failing=0.1, anchor=NOW)
    with steered(monkeypatch, fleet, page_size=1000) as stage:
        stage.configure(state=state(path))
        first = Counter(api for api, _, _ in stage.refresh())
        written(stage.collector)
        before = sorted(line for line in stage.page.splitlines() if "_last_job_" in line)

        started = time.perf_counter()
        again = restarted(stage, path)
        seconds = time.perf_counter() - started
        shown = sorted(line for line in again.page.splitlines() if "_last_job_" in line)
        reads = Counter(api for api, _, _ in again.refresh())
        again.clock.advance(minutes=5)
        no_news = Counter(api for api, _, _ in again.refresh())

        assert first["detail"] > 1000
        assert shown == before
        assert seconds < 2
        assert reads == {"list": 10}
        assert no_news == {"list": 5}
    record_property(
        "figure",
        f"restart with 10000 jobs: full page after {seconds:.2f} s, {reads.total()} requests"
        f" instead of {first.total()}; state file {path.stat().st_size / 2**20:.1f} MiB",
    )


def test_vaults_that_were_found_are_shown_at_once_though_azure_is_away(
    stage: Steered, path: Path
) -> None:
    """The page was empty, though the file had everything."""
    sections = {"vaults": "[]", "discovery": "[{management_group: mg-sized}]"}
    stage.configure(state=state(path), **sections)
    stage.refresh()
    shown = stage.values("last_job_info")
    stage.simulator.inject(HttpError("unavailable"))
    stage.clock.advance(minutes=5)

    again = restarted(stage, path, **sections)
    assert again.values("last_job_info") == shown
    assert len(shown) > 2
    assert again.collector
    assert not again.collector.ready

    again.refresh()
    assert again.values("last_job_info") == shown
    assert again.values("vault_up") == [0, 0]


def test_restarts_do_not_spend_a_budget_again(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Nine restarts met 55 429s."""
    fleet = sized_fleet(vaults=12, jobs=1200, anchor=NOW)
    with steered(monkeypatch, fleet, page_size=1000) as stage:
        stage.simulator.rate_limit = RateLimit(40)
        azure = stage.azure(requests=40)
        statuses = Counter[int]()
        again = stage
        again.configure(state=state(path), azure=azure)
        for _ in range(9):
            again.refresh()
            statuses.update(one.status for one in stage.simulator.requests if one.api != "token")
            again = restarted(again, path, azure=azure)
            again.clock.advance(seconds=30)

        assert statuses == {200: 40}
        assert again.own("api_reads_remaining", subscription_id=SUB, location="") == 0


def test_what_is_configured_is_in_force_after_a_restart_not_what_was_learnt(
    stage: Steered, path: Path
) -> None:
    stage.configure(state=state(path), azure=stage.azure(requests=40))
    reads = stage.refresh()

    again = restarted(stage, path, azure=stage.azure(requests=90))

    assert again.own("api_reads_limit", subscription_id=SUB, location="") == 90
    assert again.own("api_reads_remaining", subscription_id=SUB, location="") == 90 - len(reads)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"budgets": 5}',
        b'{"found": {"/subscriptions/s": [{"name": "v"}]}}',
        b'{"budgets": [{"subscription_id": "s", "location": "", "lists": ["2026-03-10T12:00"]}]}',
        b'{"budgets": [{"subscription_id": "", "location": "", "lists": ["2026-03-10T12:00:00"]}]}',
    ],
    ids=["nothing", "no text", "no object", "no list", "no vault", "no instant", "no zone"],
)
def test_notes_that_cannot_be_read_are_as_if_there_were_none(
    stage: Steered, path: Path, body: bytes
) -> None:
    stage.configure(state=state(path))
    stage.refresh()
    with raw(path) as db:
        db.execute("UPDATE note SET body = ?", (body,))

    again = restarted(stage, path)

    assert again.values("last_job_info")
    assert again.own("api_reads_remaining", subscription_id=SUB, location="") == 100_000


def test_a_429_is_obeyed_over_a_restart(stage: Steered, path: Path) -> None:
    stage.simulator.inject(Throttled(timedelta(hours=1)), api="list", times=1)
    stage.configure(state=state(path))
    stage.refresh()
    stage.clock.advance(minutes=5)

    again = restarted(stage, path)

    assert again.own("api_reads_remaining", subscription_id=SUB, location="") == 0
    assert again.refresh() == []
    again.clock.advance(minutes=56)
    assert "list" in {api for api, _, _ in again.refresh()}


def test_what_was_known_is_shown_at_once_but_never_as_fresh(stage: Steered, path: Path) -> None:
    stage.configure(state=state(path))
    stage.refresh()
    stage.clock.advance(minutes=29)

    again = restarted(stage, path)

    assert len(again.values("last_job_info")) == len(stage.values("last_job_info")) > 0
    assert again.values("vault_last_refresh_success_timestamp_seconds") == [NOW.timestamp()] * 2
    assert again.values("vault_up") == again.values("vault_details_pending") == []
    assert again.collector
    assert not again.collector.ready

    again.simulator.inject(HttpError("forbidden"), api="list")
    again.clock.advance(minutes=2)
    again.refresh()
    assert again.values("vault_up") == [0, 0]
    assert again.values("last_job_info") == [], "older than keep_stale"


def test_what_is_older_than_keep_stale_is_remembered_but_not_shown(
    stage: Steered, path: Path
) -> None:
    stage.configure(state=state(path))
    reads = stage.refresh()
    stage.clock.advance(minutes=31)

    again = restarted(stage, path)
    assert again.values("last_job_info") == []
    assert again.values("vault_last_refresh_success_timestamp_seconds") == [NOW.timestamp()] * 2

    assert {read for read in again.refresh() if read[0] == "detail"}.isdisjoint(reads)
    assert len(again.values("last_job_info")) == len(stage.values("last_job_info"))


def test_data_from_the_future_are_not_shown(stage: Steered, path: Path) -> None:
    """The clock was set back; they would look fresh for as long."""
    stage.clock.advance(hours=1)
    stage.configure(state=state(path))
    stage.refresh()
    stage.clock.advance(hours=-1)

    again = restarted(stage, path)

    assert again.values("last_job_info") == []
    assert again.values("vault_last_refresh_success_timestamp_seconds") == []


def test_last_successes_beyond_the_look_back_survive(stage: Steered, path: Path) -> None:
    """Azure is not asked for that time any more."""
    [vault, _] = stage.simulator.vault_ids
    stage.simulator.put_job(vault, a_payload())
    stage.configure(state=state(path))
    stage.refresh()
    success = stage.values("last_success_timestamp_seconds", item="uttestvmub1")
    stage.clock.advance(days=9)
    stage.simulator.inject(EmptyList(), api="list")

    again = restarted(stage, path)
    again.refresh()

    assert success
    assert again.values("last_success_timestamp_seconds", item="uttestvmub1") == success
    assert again.values("task_last_success_timestamp_seconds", item="uttestvmub1") == success * 2


def test_a_run_that_ended_during_a_stop_is_seen_however_short_the_look_back(
    stage: Steered, path: Path
) -> None:
    """The first list reaches back to the oldest job that ran."""
    [vault, _] = stage.simulator.vault_ids
    start = {"startTime": f"{NOW - timedelta(hours=5):%Y-%m-%dT%H:%M:%SZ}"}
    stage.simulator.put_job(vault, a_payload(status="InProgress", endTime=None, **start))
    sections = {"refresh": "{lookback: 6h}"}
    stage.configure(state=state(path), **sections)
    stage.refresh()
    stage.clock.advance(hours=2)

    again = restarted(stage, path, **sections)
    stage.simulator.put_job(vault, a_payload(status="Failed", **start))
    again.refresh()

    assert again.values("last_job_status", item="uttestvmub1", status="Failed") == [1]


def test_other_success_statuses_judge_what_was_kept_anew(stage: Steered, path: Path) -> None:
    stage.configure(state=state(path))
    stage.refresh()
    assert stage.values("last_success_timestamp_seconds")

    again = restarted(stage, path, metrics="{success_statuses: [Perfect]}")

    assert again.values("last_success_timestamp_seconds") == []


def test_a_reload_takes_another_file(stage: Steered, tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    stage.configure(state=state(old))
    stage.refresh()
    stage.configure(state=state(new))
    written(stage.collector)

    again = restarted(stage, new)
    assert again.values("last_job_info")
    assert [api for api, _, _ in again.refresh()] == ["list", "list"]

    again.configure(state="{path: null}")
    again.clock.advance(hours=6)
    before = new.read_bytes()
    again.refresh()
    assert new.read_bytes() == before


def test_a_reload_that_brings_a_vault_back_finds_what_the_file_knows(
    stage: Steered, path: Path
) -> None:
    [first, second] = stage.simulator.vault_ids
    stage.configure(state=state(path))
    stage.refresh()
    stage.configure(state=state(path), vaults=f"\n  - id: {first}")
    stage.refresh()
    stage.configure(state=state(path), vaults=f"\n  - id: {first}\n  - id: {second}")

    assert [api for api, _, _ in stage.refresh()] == ["list", "list"]


def test_a_disk_that_hangs_delays_no_page(stage: Steered, path: Path) -> None:
    stage.configure(state=state(path))
    with raw(path) as db:
        db.execute("BEGIN EXCLUSIVE")
        assert stage.collector
        thread = threading.Thread(target=stage.refresh)
        thread.start()
        wait_for("the page", lambda: stage.values("vault_up") == [1, 1])
        assert path.stat().st_size == 0, "nothing could be written so far"
    thread.join()
    stage.refresh()
    assert restarted(stage, path).values("last_job_info")


def test_no_secret_is_in_the_file(
    stage: Steered, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "exporter.simulator.identity.secrets.token_urlsafe", lambda: "t0ken-of-azure"
    )
    stage.configure(state=state(path))
    stage.refresh()
    content = path.read_bytes()

    assert [request.api for request in stage.simulator.requests if request.api == "token"]
    assert b"Completed" in content
    for secret in ("t0ken-of-azure", stage.simulator.identity_environ["IDENTITY_HEADER"]):
        assert secret.encode() not in content


def test_60_days_do_not_make_the_file_grow(
    monkeypatch: pytest.MonkeyPatch, path: Path, record_property: Callable[[str, object], None]
) -> None:
    sizes = []
    with steered(monkeypatch, sized_fleet(vaults=1, jobs=40, running=2, anchor=NOW)) as stage:
        stage.configure(state=state(path))
        for _ in range(60):
            stage.refresh()
            sizes.append(path.stat().st_size)
            stage.clock.advance(days=1)

        with raw(path) as db:
            [jobs] = db.execute("SELECT count(*) FROM record WHERE kind = 'jobs'").fetchone()
            assert stage.collector
            [known] = stage.collector.states.values()
            assert jobs == len(known.history.jobs)
    assert max(sizes[30:]) < 1.25 * max(sizes[:30])
    record_property("figure", f"60 days: state file {sizes[0]} B, at most {max(sizes)} B")


def test_a_vault_no_longer_configured_leaves_the_file_after_forget_after(
    stage: Steered, path: Path
) -> None:
    stage.configure(state=state(path))
    stage.refresh()
    again = restarted(stage, path, vaults=f"\n  - id: {stage.simulator.vault_ids[0]}")
    for days, left in ((34, 2), (2, 1)):
        again.clock.advance(days=days)
        again.refresh()
        with raw(path) as db:
            assert db.execute("SELECT count(*) FROM vault").fetchone() == (left,)


def test_a_lock_during_a_reload_that_needs_nothing_of_the_file_does_not_matter(
    stage: Steered, path: Path
) -> None:
    stage.configure(state=state(path))
    stage.refresh()
    written(stage.collector)
    with raw(path) as db:
        db.execute("BEGIN EXCLUSIVE")
        stage.configure(state=state(path), metrics="{window: 12h}")
        db.execute("ROLLBACK")
    stage.clock.advance(minutes=10)
    stage.refresh()
    written(stage.collector)

    with raw(path) as db:
        read_at = [row[0] for row in db.execute("SELECT read_at FROM vault")]
    assert set(read_at) == {stage.clock.now().isoformat(timespec="microseconds")}
