"""The owner by itself, with workers that never answer, or too late."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from exporter.azure.backup_jobs import JobListPage
from exporter.clock import AzureClock
from exporter.config import parse_config
from exporter.errors import ArmError, ErrorKind
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.refresh.budgets import Budgets
from exporter.refresh.fetch import Answer
from exporter.refresh.readings.job_list import JobLists
from exporter.refresh.readings.job_reading import Rules
from exporter.refresh.records import Turn, VaultRecord
from exporter.refresh.scheduler import Scheduler
from exporter.refresh.showing import Showing
from exporter.refresh.workers import Workers
from tests.builders import a_vault, settings
from tests.steering import SteeredClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.backup.model import Vault
    from exporter.metrics.snapshot import VaultSnapshot
    from exporter.refresh.fetch import Request


class Api:
    """Where lists are."""

    def list_url(self, vault: Vault, window: Any) -> str:
        del window
        return vault.path


class Owner:
    """A scheduler of some vaults; what it starts is only noted."""

    def __init__(self, vaults: int = 1, *, requests: int = 100_000) -> None:
        self.clock = SteeredClock()
        config = parse_config(
            f"azure: {{read_budget: {{requests: {requests}, per: 1h}}}}\n"
            f"vaults: [{{id: {a_vault().path}}}]",
            {},
            source="test",
        )
        self.sent: list[Request] = []
        self.shown: dict[str, VaultSnapshot] = {}
        budgets = Budgets(config, SelfMetrics(), self.clock.monotonic, {})
        api: Any = Api()
        self.lists = JobLists(api, Rules(settings(), lambda *_: []), interval=300.0)
        self.scheduler = Scheduler(
            [self.lists],
            budgets,
            Showing(self._show, None, config, budgets),
            clock=AzureClock(self.clock),
            workers=Workers(self._send, 8, 30.0),
            found=lambda *_: None,
        )
        records = {}
        for number in range(vaults):
            vault = a_vault(name=f"vault-{number:04}")
            records[vault.id] = VaultRecord(vault=vault, appeared=0.0, recalled=True)
        [key] = {one.budget for one in records.values()}
        budgets.share({key: records}, {key: vaults})
        self.scheduler.arrange(records)

    def _send(self, request: Request) -> None:
        self.sent.append(request)

    def _show(self, snapshot: VaultSnapshot) -> None:
        self.shown[snapshot.vault.name] = snapshot

    def step(self, *answers: Answer, after: float = 0.0) -> float:
        self.clock.advance(seconds=after)
        return self.scheduler.step(answers)


EMPTY = JobListPage([], 0, None, None)


def test_a_request_that_never_ends_is_written_off_and_made_anew() -> None:
    """What no timeout reaches, such as a resolver, must not hold a vault, or a worker, for ever."""
    owner = Owner()
    owner.step()
    owner.step(after=240)
    assert len(owner.sent) == 1
    assert len(owner.scheduler.under_way) == 1

    owner.step(after=10)
    assert not owner.scheduler.under_way
    owner.step(after=300)
    assert len(owner.sent) == 2
    assert owner.shown["vault-0000"].failed_kind is ErrorKind.TIMEOUT


def test_a_good_answer_that_comes_too_late_counts_and_a_fault_does_not() -> None:
    owner = Owner()
    owner.step()
    owner.step(after=250)
    assert owner.shown["vault-0000"].up is False

    owner.step(Answer(owner.sent[0], fault=ArmError(ErrorKind.FORBIDDEN, "no")))
    assert owner.shown["vault-0000"].failed_kind is ErrorKind.TIMEOUT
    owner.step(Answer(owner.sent[0], EMPTY))
    assert owner.shown["vault-0000"].up


def test_old_data_go_whatever_workers_do() -> None:
    """A response that dripped held a refresh without end, up and with old data."""
    owner = Owner()
    owner.step()
    owner.step(Answer(owner.sent[0], EMPTY))
    [record] = owner.scheduler.records.values()
    never = {"job_list": replace(record.turns["job_list"], due=float("inf"))}
    owner.scheduler.arrange(
        {k: replace(r, turns=never) for k, r in owner.scheduler.records.items()}
    )

    owner.step(after=29 * 60)
    assert owner.shown["vault-0000"].up
    owner.step(after=2 * 60)
    assert owner.shown["vault-0000"].up is False
    assert owner.shown["vault-0000"].rollup is None


def test_a_fault_of_ours_is_not_met_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner(2)

    def broken(*_: object) -> Any:
        raise KeyError("a bug")

    owner.step()
    monkeypatch.setattr(owner.lists, "apply", broken)
    owner.step(Answer(owner.sent[0], EMPTY))
    owner.step()

    assert owner.shown["vault-0000"].failed_kind is ErrorKind.PAYLOAD
    assert len(owner.sent) == 2, "the other vault's"


def test_an_answer_about_a_vault_that_is_gone_is_nobody_s() -> None:
    owner = Owner(2)
    owner.step()
    gone = owner.sent[0].fetch.id.subject
    rest = {k: one for k, one in owner.scheduler.records.items() if k != gone}
    owner.scheduler.arrange(rest)

    owner.step(Answer(owner.sent[0], EMPTY))

    assert owner.scheduler.records.keys() == rest.keys()


def test_without_a_thread_the_read_is_tried_again_soon(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    owner = Owner()

    def none_left(request: Request) -> None:
        raise RuntimeError("can't start new thread")

    send: Callable[[Request], None] = none_left
    workers = owner.scheduler._workers
    monkeypatch.setattr(owner.scheduler, "_workers", workers._replace(send=send))
    assert owner.step() == 5.0
    assert "refresh not started" in caplog.text

    monkeypatch.setattr(owner.scheduler, "_workers", workers)
    owner.step(after=5)
    assert len(owner.sent) == 1


@pytest.mark.parametrize("vaults", [5000])
def test_a_step_with_nothing_to_do_is_short(
    vaults: int, record_property: Callable[[str, object], None]
) -> None:
    owner = Owner(vaults)
    turns = {"job_list": Turn(due=300.0, began=0.0, interval=300.0)}
    known = {
        k: replace(one, up=True, ended_once=True, turns=turns)
        for k, one in owner.scheduler.records.items()
        if isinstance(one, VaultRecord)
    }
    owner.scheduler.arrange(known)
    owner.step()

    times = []
    for _ in range(50):
        started = time.perf_counter()
        owner.step()
        times.append(time.perf_counter() - started)
    record_property("figure", f"a step of {vaults} idle vaults: {min(times) * 1e3:.2f} ms")
    assert min(times) < 0.001
