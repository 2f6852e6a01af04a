"""The fault matrix: what the page, the log, readiness and the counters say, during and after.

Each fault strikes one of two vaults that were both read before, or sign-in, or all of Azure.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import trustme

from exporter.simulator import (
    Delay,
    EmptyList,
    Fault,
    ForeignNextLink,
    HtmlPage,
    HttpError,
    LoopingNextLink,
    MalformedJobs,
    Reset,
    Simulator,
    Stall,
    Throttled,
    TruncatedJson,
    WrongContentType,
    sized_fleet,
    ticks,
)
from tests.builders import NOW
from tests.pages import lines_about
from tests.steering import Steered, azure_section, steered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MINUTE = timedelta(minutes=1)
BAD, GOOD = "vault-0000", "vault-0001"


@dataclass(frozen=True)
class Row:
    """A fault, and what must be said of it.

    Attributes:
        kind: Of the error that is counted; empty if the vault stays up.
        log: Words of the one warning.
    """

    name: str
    fault: Fault
    kind: str
    log: str = ""


ROWS = [
    Row("401", HttpError("unauthorized"), "unauthorized", "check azure.credential"),
    Row("403", HttpError("forbidden"), "forbidden", "assign the role Backup Reader on /subscr"),
    Row("404 vault", HttpError("vault_not_found"), "not_found", "check subscription, resource"),
    Row("404 group", HttpError("group_not_found"), "not_found", "check subscription, resource"),
    Row("409", HttpError("not_registered"), "payload", "az provider register"),
    Row("429 seconds", Throttled(MINUTE, "seconds"), "throttled", "reads wait as long as Azure"),
    Row("429 date", Throttled(MINUTE, "date"), "throttled", "reads wait as long as Azure"),
    Row("429 message", Throttled(MINUTE, "message"), "throttled", "reads wait as long as Azure"),
    Row("500", HttpError("internal"), "server", "Azure's own fault"),
    Row("500 old shape", HttpError("internal_old_shape"), "server", "Azure's own fault"),
    Row("502", HttpError("bad_gateway"), "server", "Azure answered 502"),
    Row("503", HttpError("unavailable"), "server", "Azure answered 503"),
    Row("504", HttpError("gateway_timeout"), "server", "Azure answered 504"),
    Row("HTML as JSON", HtmlPage(200), "payload", "is not JSON"),
    Row("HTML 500 as JSON", HtmlPage(500), "server", "Azure answered 500"),
    Row("truncated JSON", TruncatedJson(), "payload", "is not JSON"),
    Row("wrong content type", WrongContentType(), ""),
    Row("stalled body", Stall(after_headers=True), "timeout", "no answer within"),
    Row("no answer", Stall(after_headers=False), "timeout", "no answer within"),
    Row("slow answer", Delay(timedelta(seconds=0.2)), ""),
    Row("reset", Reset(), "network", "check DNS, proxy, firewall"),
    Row("looping nextLink", LoopingNextLink(), "payload", "does not end"),
    Row("nextLink elsewhere", ForeignNextLink("https://elsewhere.example/"), "payload", "another"),
    Row("empty list", EmptyList(), ""),
    Row("nothing but malformed jobs", MalformedJobs(), "payload", "has the shape of jobs"),
]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steered]:
    """Two vaults, read once, with a reader that loses patience soon."""
    with steered(monkeypatch, sized_fleet(vaults=2, jobs=32, failing=0.5, anchor=NOW)) as stage:
        stage.configure(azure=azure_section(stage.simulator.url, timeout="300ms"))
        stage.refresh()
        yield stage


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_fault_of_one_vault(stage: Steered, row: Row, caplog: pytest.LogCaptureFixture) -> None:
    before = stage.page
    injected = stage.simulator.inject(row.fault, api="list", vault_id=stage.simulator.vault_ids[0])
    stage.clock.advance(minutes=6)
    caplog.clear()
    caplog.set_level(logging.WARNING)
    stage.refresh()

    assert stage.values("vault_up", vault=BAD) == [0 if row.kind else 1]
    assert stage.values("vault_up", vault=GOOD) == [1] or row.kind == "throttled"
    assert sum(stage.values("vault_refresh_errors_total", vault=BAD)) == bool(row.kind)
    if row.kind:
        assert stage.values("vault_refresh_errors_total", vault=BAD, kind=row.kind) == [1]
        [warning] = [r for r in caplog.records if getattr(r, "vault_name", "") == BAD]
        assert row.log in warning.getMessage()
        assert vars(warning)["kind"] == row.kind
        if isinstance(row.fault, HttpError | HtmlPage | TruncatedJson):
            assert UUID(vars(warning)["request_id"])
            assert UUID(vars(warning)["correlation_id"])
    assert sum(stage.values("vault_refresh_errors_total", vault=GOOD)) == 0
    assert stage.collector
    assert stage.collector.ready
    for vault in (BAD, GOOD):
        known, now = (lines_about(page, "last_job_", vault) for page in (before, stage.page))
        assert now == known, "nothing known is lost"

    injected.clear()
    stage.clock.advance(minutes=6)
    stage.refresh()
    assert stage.values("vault_up") == [1, 1]
    assert sum(stage.values("vault_refresh_errors_total")) == bool(row.kind)
    assert lines_about(stage.page, "last_job_", BAD) == lines_about(before, "last_job_", BAD)


@pytest.mark.parametrize(
    "fault", [HttpError("gateway_timeout"), Stall(), Reset(), HttpError("forbidden"), HtmlPage(200)]
)
def test_details_that_fail_cost_no_status(stage: Steered, fault: Fault) -> None:
    """A new night: every job's status is shown though no detail can be read."""
    stage.simulator.inject(fault, api="detail")
    stage.clock.advance(hours=24)
    stage.refresh()

    assert stage.values("vault_up") == [1, 1]
    assert len(stage.values("last_job_status", status="Failed")) == 4
    ends = stage.values("last_job_end_timestamp_seconds")
    assert min(ends) > NOW.timestamp()
    assert stage.values("last_job_task_status") == []


def test_sign_in_that_is_down_and_comes_back(
    stage: Steered, caplog: pytest.LogCaptureFixture
) -> None:
    """The old token lasts for a while; a new exporter has none."""
    stage.simulator.inject(HttpError("internal"), api="token")
    stage.clock.advance(minutes=5)
    stage.refresh()
    assert stage.values("vault_up") == [1, 1]

    stage.configure(azure=azure_section(stage.simulator.url, timeout="300ms"))
    stage.refresh()
    assert stage.values("vault_up") == [0, 0]
    assert stage.values("vault_refresh_errors_total", kind="unauthorized") == [1, 1]
    assert len(stage.values("last_job_info")) == 4
    assert "no token for" in caplog.text


def test_a_token_that_expires_while_it_runs_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = sized_fleet(vaults=1, jobs=8, anchor=NOW)
    with steered(monkeypatch, fleet, token_lifetime=timedelta(seconds=1)) as stage:
        for _ in range(3):
            stage.refresh()
            stage.clock.advance(minutes=5)
            threading.Event().wait(0.6)
        assert stage.values("vault_up") == [1]


@pytest.mark.parametrize("minutes", [10, -10, 150, -150])
def test_a_clock_that_is_wrong_misses_no_job(
    monkeypatch: pytest.MonkeyPatch, minutes: float
) -> None:
    fleet = sized_fleet(vaults=1, jobs=80, running=3, anchor=NOW)
    with steered(monkeypatch, fleet) as stage:
        honest = stage.clock.now
        monkeypatch.setattr(stage.clock, "now", lambda: honest() + timedelta(minutes=minutes))
        for _ in range(60):
            stage.refresh()
            stage.clock.advance(minutes=30)

        assert stage.collector
        [state] = stage.collector.states.values()
        [vault] = fleet.vaults
        seen_until, week_ago = (tick(honest() - timedelta(hours=h)) for h in (1, 7 * 24))
        ended = {
            job.name
            for job in fleet.jobs(vault, None, None, tick(honest()))
            if week_ago < job.end < seen_until
        }
        assert len(ended) > 60
        assert ended <= state.history.jobs.keys()
        assert not any(state.history.jobs[job_id].running for job_id in ended)


def tick(instant: datetime) -> int:
    return ticks.from_datetime(instant)


@pytest.mark.stack
def test_fifty_thousand_jobs_in_one_vault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all pages; the series of individual jobs stay within their limit."""
    fleet = sized_fleet(
        vaults=1, jobs=50_000, jobs_per_item=1000, every=timedelta(minutes=11), anchor=NOW
    )
    with steered(monkeypatch, fleet, page_size=5000) as stage:
        stage.configure(metrics="{max_job_series: 100, job_series: all}")
        reads = stage.refresh()

        assert sum(api == "list" for api, _, _ in reads) == 10
        assert len(stage.values("job_status")) == 100
        assert stage.values("vault_job_series_dropped")[0] > 5900
        assert sum(stage.values("jobs")) == 100 + stage.values("vault_job_series_dropped")[0]
        assert stage.values("vault_up") == [1]


def test_a_job_that_vanishes_between_list_and_detail(stage: Steered) -> None:
    stage.simulator.inject(HttpError("job_not_found"), api="detail")
    stage.clock.advance(hours=24)
    stage.refresh()

    assert stage.values("vault_up") == [1, 1]
    assert len(stage.values("last_job_info")) == 4
    assert stage.values("vault_details_pending") == [0, 0]


def test_azure_that_refuses_connections_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = sized_fleet(vaults=1, jobs=8, anchor=NOW)
    with steered(monkeypatch, fleet) as stage:
        stage.refresh()
        before = lines_about(stage.page, "last_job_", BAD)
        port = int(stage.simulator.url.rpartition(":")[2])
        stage.simulator.stop()
        stage.clock.advance(minutes=5)
        assert stage.collector
        stage.collector.run_once()
        assert stage.values("vault_refresh_errors_total", kind="network") == [1]
        assert lines_about(stage.page, "last_job_", BAD) == before

        with Simulator(fleet=fleet, clock=stage.clock.wall, port=port) as again:
            for name, value in again.identity_environ.items():
                monkeypatch.setenv(name, value)
            stage.configure()
            stage.clock.advance(minutes=5)
            assert stage.collector
            stage.collector.run_once()
            assert stage.values("vault_up") == [1]


def test_a_name_that_does_not_resolve(stage: Steered, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = azure_section("https://no-such-host.invalid", timeout="300ms")
    stage.configure(azure=elsewhere)
    stage.refresh()

    assert stage.values("vault_refresh_errors_total", kind="network") == [1, 1]
    assert len(stage.values("last_job_info")) == 4
    assert "check DNS, proxy, firewall" in caplog.text


class Silent(BaseHTTPRequestHandler):
    """Never reached: the handshake fails before."""


def test_a_certificate_of_nobody_we_know(stage: Steered, caplog: pytest.LogCaptureFixture) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        stage.configure(
            azure=azure_section(f"https://localhost:{server.server_port}", timeout="300ms")
        )
        stage.refresh()
    finally:
        server.shutdown()
        server.server_close()

    assert stage.values("vault_refresh_errors_total", kind="network") == [1, 1]
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


def test_the_recorded_errors_replayed_as_they_are(
    monkeypatch: pytest.MonkeyPatch, shared: Path
) -> None:
    """Each one takes the vault down with a reason and leaves what is known."""
    answers = [
        json.loads(file.read_text())
        for file in sorted((shared / "recorded" / "errors").glob("**/*.json"))
    ]
    errors = [answer for answer in answers if answer["status"] >= 400]
    assert len(errors) > 20
    for answer in errors:
        with steered(monkeypatch, sized_fleet(vaults=1, jobs=8, anchor=NOW)) as stage:
            stage.refresh()
            stage.simulator.inject(Recorded(answer), api="list")
            stage.clock.advance(minutes=5)
            stage.refresh()
            assert stage.values("vault_up") == [0]
            assert sum(stage.values("vault_refresh_errors_total")) == 1
            assert stage.values("last_job_info") == [1]


class Recorded:
    """An answer of the real service, in place of the simulator's."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer

    def spoil(self, answer: Any, circumstances: Any) -> Any:
        del circumstances
        body = self._answer["body"]
        text = body if isinstance(body, str) else json.dumps(body)
        content_type = self._answer["headers"].get("content-type", "application/json")
        return replace(
            answer,
            status=self._answer["status"],
            headers={"Content-Type": content_type},
            body=text.encode(),
        )
