"""The fault matrix once more, from outside: the real program, its page, its log and its probes.

Each fault strikes a vault of its own, so that one running exporter serves all rows in any order.
"""

from __future__ import annotations

import json
import signal
import socket
import ssl
import threading
import time
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

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
    Reset,
    Simulator,
    Stall,
    Throttled,
    TruncatedJson,
    WrongContentType,
    sized_fleet,
)
from tests.pages import lines_about
from tests.processes import Daemon, daemon, wait_for
from tests.steering import azure_section, config_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from exporter.simulator import Fleet
    from exporter.simulator.answers import Answer
    from exporter.simulator.faults import Circumstances
    from exporter.simulator.injections import Api

# Faults take their time in a real program: timeouts, pauses, retries.
pytestmark = pytest.mark.stack

REFRESHED = "vault_last_refresh_success_timestamp_seconds"


@dataclass(frozen=True)
class Row:
    """A fault, and what must be said of it.

    Attributes:
        kind: Of the error that is counted; empty if the vault stays up.
    """

    name: str
    fault: Fault
    kind: str


ROWS = [
    Row("401", HttpError("unauthorized"), "unauthorized"),
    Row("403", HttpError("forbidden"), "forbidden"),
    Row("404", HttpError("vault_not_found"), "not_found"),
    Row("409", HttpError("not_registered"), "payload"),
    Row("429 seconds", Throttled(timedelta(seconds=1), "seconds"), "throttled"),
    Row("429 date", Throttled(timedelta(seconds=2), "date"), "throttled"),
    Row("429 message", Throttled(timedelta(seconds=1), "message"), "throttled"),
    Row("500", HttpError("internal"), "server"),
    Row("502", HttpError("bad_gateway"), "server"),
    Row("503", HttpError("unavailable"), "server"),
    Row("504", HttpError("gateway_timeout"), "server"),
    Row("HTML as JSON", HtmlPage(200), "payload"),
    Row("truncated JSON", TruncatedJson(), "payload"),
    Row("wrong content type", WrongContentType(), ""),
    Row("stalled body", Stall(after_headers=True), "timeout"),
    Row("reset", Reset(), "network"),
    Row("looping nextLink", LoopingNextLink(), "payload"),
    Row("nextLink elsewhere", ForeignNextLink("https://elsewhere.example/"), "payload"),
    Row("empty list", EmptyList(), ""),
]


@dataclass
class Tokens:
    """Sees what sign-in hands out, and changes nothing."""

    seen: list[str] = field(default_factory=list)

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        del circumstances
        self.seen.append(json.loads(answer.body)["access_token"])
        return answer


class LateRefusal:
    """A sign-in that fails in the end; azure-identity would try a 5xx again for long."""

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        refused = HttpError("unauthorized").spoil(answer, circumstances)
        return Delay(timedelta(seconds=1.5)).spoil(refused, circumstances)


class Stage:
    """Azure, and an exporter that reads it every second."""

    def __init__(self, azure: Simulator, exporter: Daemon, tokens: Tokens, config: Path) -> None:
        self.azure = azure
        self.exporter = exporter
        self._tokens = tokens
        self._config = config

    @property
    def page(self) -> str:
        answer = self.exporter.get("/metrics")
        assert answer.status_code == 200
        assert not self._betrayed(answer.text)
        return answer.text

    @property
    def ready(self) -> int:
        return self.exporter.get("/-/ready").status_code

    @property
    def healthy(self) -> int:
        return self.exporter.get("/-/healthy").status_code

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its lines, but for one that is being written."""
        text = self.exporter.log
        assert not self._betrayed(text)
        return [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]

    def log_of(self, vault: str, level: str) -> list[dict[str, Any]]:
        return [
            line
            for line in self.log
            if vault in line.get("vault_name", "").split(", ") and line.get("level") == level
        ]

    def told_of(self, vault: str, level: str, number: int = 1) -> list[dict[str, Any]]:
        """So many lines of its log; what may be true of many vaults waits a moment for them."""
        wait_for("the log", lambda: len(self.log_of(vault, level)) >= number)
        return self.log_of(vault, level)

    def move_to(self, url: str) -> None:
        """Have Azure elsewhere from now on."""
        before = self._config.read_text()
        settings = azure_section(url, timeout="2s")
        self._config.write_text(config_text(self.azure, azure=settings, refresh="{interval: 1s}"))
        assert self._config.read_text() != before
        self.exporter.signal(signal.SIGHUP)

    def page_when(self, what: str, condition: Callable[[str], bool]) -> str:
        """The first page of which it is so."""
        pages = []

        def holds() -> bool:
            pages.append(self.page)
            return condition(pages[-1])

        wait_for(what, holds)
        return pages[-1]

    def _betrayed(self, text: str) -> list[str]:
        """The secrets in it."""
        secrets = ["Bearer", self.azure.identity_environ["IDENTITY_HEADER"], *self._tokens.seen]
        return [secret for secret in secrets if secret in text]


@contextmanager
def staged(
    folder: Path,
    fleet: Fleet,
    *,
    faults: Sequence[tuple[Fault, Api]] = (),
    timeout: str = "2s",
    **options: Any,
) -> Iterator[Stage]:
    """Run both.

    Args:
        folder: For configuration and log.
        fleet: What Azure protects.
        faults: What strikes the first vault, or sign-in, from the beginning.
        timeout: How long the exporter waits for an answer.
        options: Of the simulator.
    """
    tokens, config = Tokens(), folder / "config.yaml"
    with Simulator(fleet=fleet, **options) as azure:
        for fault, api in faults:
            azure.inject(fault, api=api, vault_id=None if api == "token" else azure.vault_ids[0])
        azure.inject(tokens, api="token")
        settings = azure_section(azure.url, timeout=timeout)
        config.write_text(config_text(azure, azure=settings, refresh="{interval: 1s}"))
        with daemon(
            "serve",
            f"--config.file={config}",
            "--log.format=json",
            log=folder / "log",
            environment=azure.identity_environ,
        ) as exporter:
            yield Stage(azure, exporter, tokens, config)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A vault for each row, each with a read budget of its own."""
    count = len(ROWS)
    fleet = sized_fleet(vaults=count, jobs=16 * count, failing=0.5, subscriptions=count)
    with staged(tmp_path_factory.mktemp("faults"), fleet) as stage:
        stage.page_when("all details", lambda page: details_pending(page) == [0] * count)
        yield stage


def values(page: str, name: str, **labels: str) -> list[float]:
    """Of the samples with these labels; the whole parser would take most of the time."""
    return [
        float(line.rpartition(" ")[2])
        for line in page.splitlines()
        if line.startswith(f"azure_backup_{name}{{")
        and all(f'{label}="{value}"' in line for label, value in labels.items())
    ]


def details_pending(page: str) -> list[float]:
    return values(page, "vault_details_pending")


def name_of(number: int) -> str:
    return f"vault-{number:04}"


def errors(page: str, vault: str, **kind: str) -> float:
    return sum(values(page, "vault_refresh_errors_total", vault=vault, **kind))


def refreshed(page: str, vault: str) -> float:
    [at] = values(page, REFRESHED, vault=vault)
    return at


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: ROWS[number].name)
def test_a_fault_of_one_vault(stage: Stage, number: int) -> None:
    row, bad = ROWS[number], name_of(number)
    others = [name_of(other) for other in range(len(ROWS)) if other != number]
    before = stage.page
    known = lines_about(before, "last_job_", bad)
    assert sum(line.startswith("azure_backup_last_job_status{") for line in known) == 10
    assert values(before, "vault_up") == [1] * len(ROWS)
    assert stage.log_of(bad, "INFO") == [], "one line tells of all vaults"
    injected = stage.azure.inject(row.fault, api="list", vault_id=stage.azure.vault_ids[number])

    def struck(page: str, times: int) -> bool:
        return (errors(page, bad) if row.kind else injected.hits) >= times

    during = stage.page_when("the fault", lambda page: struck(page, 1))
    assert values(during, "vault_up", vault=bad) == [0 if row.kind else 1]
    if row.kind:
        assert errors(during, bad, kind=row.kind) == errors(during, bad), "of that kind only"
    assert lines_about(during, "last_job_", bad) == known, "nothing known is lost"
    assert (stage.ready, stage.healthy) == (200, 200)

    def passed_by(page: str) -> bool:
        """The others are read again; a fault that lasts is still one line of the log."""
        return struck(page, 2) and all(
            refreshed(page, other) > refreshed(during, other) for other in others
        )

    goes_on = stage.page_when("the others", passed_by)
    for other in others:
        assert values(goes_on, "vault_up", vault=other) == [1]
        assert errors(goes_on, other) == errors(before, other)
    assert lines_about(goes_on, "last_job_", bad) == known
    if row.kind:
        assert refreshed(goes_on, bad) == refreshed(during, bad), "its age shows"

    injected.clear()
    after = stage.page_when(
        "the vault again", lambda page: refreshed(page, bad) > refreshed(goes_on, bad)
    )
    assert values(after, "vault_up") == [1] * len(ROWS)
    assert lines_about(after, "last_job_", bad) == known
    told = bool(row.kind)
    assert [line["kind"] for line in stage.told_of(bad, "WARNING", told)] == [row.kind] * told
    read = [line["message"] for line in stage.told_of(bad, "INFO", told)]
    assert read == ["vault is read"] * bool(row.kind)


@contextmanager
def a_stranger() -> Iterator[str]:
    """A server whose certificate nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def nobody() -> Iterator[str]:
    """A port that is taken and not listened on."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    ("elsewhere", "told"),
    [
        pytest.param(nobody, "Connection refused", id="refused"),
        pytest.param(lambda: nullcontext("https://no-such-host.invalid"), "gaierror", id="DNS"),
        pytest.param(a_stranger, "CERTIFICATE_VERIFY_FAILED", id="TLS"),
    ],
)
def test_azure_that_is_not_reached_and_then_is(
    tmp_path: Path, elsewhere: Callable[[], AbstractContextManager[str]], told: str
) -> None:
    vaults = name_of(0), name_of(1)
    with elsewhere() as url, staged(tmp_path, sized_fleet(vaults=2, jobs=16)) as stage:
        before = stage.page_when("all details", lambda page: details_pending(page) == [0, 0])
        stage.move_to(url)

        during = stage.page_when("the fault", lambda page: values(page, "vault_up") == [0, 0])
        for vault in vaults:
            assert lines_about(during, "last_job_", vault) == lines_about(
                before, "last_job_", vault
            )
            assert errors(during, vault) == errors(during, vault, kind="network") >= 1
            [warning] = stage.told_of(vault, "WARNING")
            assert warning["kind"] == "network"
            assert told in warning["message"]
        assert (stage.ready, stage.healthy) == (200, 200)

        stage.move_to(stage.azure.url)
        after = stage.page_when("Azure again", lambda page: values(page, "vault_up") == [1, 1])
        for vault in vaults:
            assert lines_about(after, "last_job_", vault) == lines_about(before, "last_job_", vault)
            assert refreshed(after, vault) > refreshed(before, vault)


def test_a_job_that_vanishes_between_list_and_detail(tmp_path: Path) -> None:
    """It is shown as the list has it, and not asked for again."""
    fleet = sized_fleet(vaults=2, jobs=16, subscriptions=2)
    gone = HttpError("job_not_found")
    with staged(tmp_path, fleet, faults=[(gone, "detail")]) as stage:
        page = stage.page_when("both vaults", lambda page: details_pending(page) == [0, 0])
        for vault, tasks in ((name_of(0), False), (name_of(1), True)):
            assert values(page, "vault_up", vault=vault) == [1]
            assert values(page, "last_job_status", vault=vault, status="Completed") == [1]
            assert bool(values(page, "last_job_task_status", vault=vault)) == tasks
            assert errors(page, vault) == 0
        stage.azure.clear_requests()
        stage.page_when(
            "more", lambda new: refreshed(new, name_of(0)) > refreshed(page, name_of(0))
        )
        assert {request.api for request in stage.azure.requests} <= {"list", "token"}
        assert stage.log_of(name_of(0), "WARNING") == []


def test_a_token_that_expires_while_it_runs(tmp_path: Path) -> None:
    """One is signed in for in time, again and again; nobody notices."""
    fleet = sized_fleet(vaults=1, jobs=8)
    with staged(tmp_path, fleet, token_lifetime=timedelta(seconds=2)) as stage:
        stage.page_when("the vault", lambda page: values(page, "vault_up") == [1])
        started = time.time()
        page = stage.page_when("some reads", lambda new: refreshed(new, name_of(0)) > started + 5)
        assert values(page, "vault_up") == [1]
        assert errors(page, name_of(0)) == 0
        assert stage.log_of(name_of(0), "WARNING") == []


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_clock_that_is_ten_minutes_off(tmp_path: Path, minutes: float) -> None:
    """Every item is shown; that in the end no job is missed is tested on a steered clock."""
    off = timedelta(minutes=minutes)
    fleet = sized_fleet(vaults=1, jobs=80, anchor=datetime.now(UTC) + off - timedelta(hours=1))
    with staged(tmp_path, fleet, clock=lambda: datetime.now(UTC) + off) as stage:
        page = stage.page_when("all details", lambda page: bool(values(page, "last_job_info")))
        assert values(page, "vault_up") == [1]
        assert len(values(page, "last_job_info")) == 10
        assert errors(page, name_of(0)) == 0


def test_a_start_while_a_vault_does_not_answer(tmp_path: Path) -> None:
    """Not ready before the first refresh of every vault has ended, badly though it may."""
    fleet = sized_fleet(vaults=3, jobs=24, subscriptions=3)
    silence = Stall(after_headers=False)
    with staged(tmp_path, fleet, faults=[(silence, "list")], timeout="1500ms") as stage:
        others = stage.page_when("the others", lambda page: values(page, "vault_up") == [1, 1])
        assert (stage.ready, stage.healthy) == (503, 200)
        assert len(values(others, "last_job_info")) == 2

        wait_for("readiness", lambda: stage.ready == 200)
        assert values(stage.page, "vault_up") == [0, 1, 1]
        assert errors(stage.page, name_of(0), kind="timeout") >= 1
        [warning] = stage.told_of(name_of(0), "WARNING")
        assert warning["kind"] == "timeout"

        stage.azure.clear_faults()
        stage.page_when("the vault", lambda page: values(page, "vault_up") == [1, 1, 1])
        assert (stage.ready, stage.healthy) == (200, 200)


def test_a_start_while_sign_in_is_down(tmp_path: Path) -> None:
    """Then every vault is known to be down, and why."""
    fleet = sized_fleet(vaults=2, jobs=16)
    with staged(tmp_path, fleet, faults=[(LateRefusal(), "token")]) as stage:
        assert (stage.ready, stage.healthy) == (503, 200)
        assert values(stage.page, "vault_up") == []

        wait_for("readiness", lambda: stage.ready == 200)
        assert stage.healthy == 200
        page = stage.page
        assert values(page, "vault_up") == [0, 0]
        for vault in (name_of(0), name_of(1)):
            assert errors(page, vault) == errors(page, vault, kind="unauthorized") >= 1
            [warning] = stage.told_of(vault, "WARNING")
            assert warning["kind"] == "unauthorized"
            assert "no token for" in warning["message"]
