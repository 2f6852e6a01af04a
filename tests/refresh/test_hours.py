"""The exporter's loop on a clock that jumps from one event to the next."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from benchmarks.read_limits import EventClock
from exporter.clock import AzureClock
from exporter.config import parse_config
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector
from exporter.simulator import HttpError, RateLimit, Simulator, Throttled, sized_fleet
from tests.builders import NOW
from tests.pages import values
from tests.payloads import a_payload
from tests.steering import azure_section, config_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.backup.model import Vault
    from exporter.metrics.snapshot import VaultSnapshot
    from exporter.simulator import Fault, Fleet, Injection

pytestmark = pytest.mark.timeout(150)


class Watched(PageStore):
    """A page store that notes each time when a vault's list was read, and what was said before."""

    def __init__(self, metrics: SelfMetrics, clock: EventClock) -> None:
        super().__init__(metrics)
        self._clock = clock
        self.ups: dict[str, list[tuple[float, bool | None]]] = {}
        self.intervals: list[tuple[float, float]] = []
        self._last: dict[str, VaultSnapshot] = {}

    def show(self, vaults: Iterable[Vault]) -> Callable[[VaultSnapshot], None]:
        publish = super().show(vaults)

        def watched(snapshot: VaultSnapshot) -> None:
            name, now = snapshot.vault.name, self._clock.monotonic()
            self.ups.setdefault(name, []).append((now, snapshot.up))
            last = self._last.get(name)
            self._last[name] = snapshot
            if last and last.refreshed_at and snapshot.refreshed_at:
                really = (snapshot.refreshed_at - last.refreshed_at).total_seconds()
                if really > 0:
                    self.intervals.append((last.refresh_interval.total_seconds(), really))
            publish(snapshot)

        return watched

    def longest_down(self) -> float:
        """Seconds."""
        longest = 0.0
        for seen in self.ups.values():
            since = None
            for at, up in seen:
                since = at if up is False and since is None else since
                if up and since is not None:
                    longest, since = max(longest, at - since), None
            if since is not None:
                longest = max(longest, self._clock.monotonic() - since)
        return longest


class Hours:
    """A run of some simulated time, and what the page says at its end."""

    def __init__(
        self,
        simulator: Simulator,
        clock: EventClock,
        before_read: Callable[[], None],
        **sections: str,
    ) -> None:
        def start(_: str, work: Callable[..., None], request: object) -> None:
            before_read()
            work(request)

        self.simulator = simulator
        self.metrics = SelfMetrics()
        self.store = Watched(self.metrics, clock)
        self.collector = Collector(
            parse_config(config_text(simulator, **sections), {}, source="test"),
            store=self.store,
            metrics=self.metrics,
            clock=AzureClock(clock),
            start=start,
        )

    def values(self, name: str, **labels: str) -> list[float]:
        return values(b"".join(self.store.page.text.plain(b"")).decode(), name, **labels)

    def reads_left(self) -> set[float]:
        return {
            sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "azure_backup_exporter_api_reads_remaining"
        }


def run_for(
    monkeypatch: pytest.MonkeyPatch,
    length: timedelta,
    prepare: Callable[[Simulator], object],
    *,
    fleet: Fleet | None = None,
    at: dict[timedelta, Callable[[Simulator], object]] | None = None,
    requests: int = 150,
    **sections: str,
) -> Hours:
    """Run it, against 40 vaults as a rule; what is done at which time happens before a read."""
    runs: list[Hours] = []

    def stop() -> None:
        runs[0].collector.stop()

    clock = EventClock(NOW, NOW + length, stop)
    fleet = fleet or sized_fleet(vaults=40, jobs=80, anchor=NOW)
    with Simulator(fleet=fleet, clock=clock.wall, page_size=1000) as simulator:
        for name, value in simulator.identity_environ.items():
            monkeypatch.setenv(name, value)
        prepare(simulator)
        todo = sorted((at or {}).items())

        def before_read() -> None:
            while todo and clock.wall() >= NOW + todo[0][0]:
                todo.pop(0)[1](simulator)

        sections["azure"] = azure_section(simulator.url, requests=requests)
        runs.append(Hours(simulator, clock, before_read, **sections))
        runs[0].collector.run()
    return runs[0]


def refuse_all(simulator: Simulator) -> None:
    for api in ("list", "detail"):
        simulator.inject(Throttled(timedelta(hours=1)), api=api)


def test_vaults_that_could_not_be_read_at_all_are_down_after_keep_stale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody would see that they are not watched: 32 of 40 had no series at all."""
    early = run_for(monkeypatch, timedelta(minutes=29), refuse_all)
    assert len(early.values("vault_up")) <= 8
    assert early.reads_left() == {0}, "a 429 forbids all, however many would be left"

    late = run_for(monkeypatch, timedelta(minutes=45), refuse_all)
    assert late.values("vault_up") == [0] * 40
    assert late.values("vault_down", kind="throttled") == [1] * 40


def one_429(monkeypatch: pytest.MonkeyPatch, length: timedelta) -> int:
    run = run_for(monkeypatch, length, refuse_all)
    return sum(one.status == HTTPStatus.TOO_MANY_REQUESTS for one in run.simulator.requests)


def test_a_spent_budget_costs_one_429_however_many_vaults_share_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert one_429(monkeypatch, timedelta(minutes=59)) == 1
    assert one_429(monkeypatch, timedelta(minutes=119)) == 2


@pytest.mark.parametrize(
    ("fault", "times", "longest"),
    [
        (Throttled(timedelta(seconds=1)), 1, 3),
        (HttpError("unavailable"), 3, 0),
        (HttpError("unavailable"), 5, 91),
    ],
    ids=["429 for a second", "503 for some seconds", "503 for a minute"],
)
def test_a_fault_that_passes_keeps_no_vault_down_for_an_interval(
    monkeypatch: pytest.MonkeyPatch, fault: Fault, times: int, longest: float
) -> None:
    """The interval is 32 minutes there: 40 vaults at 150 reads an hour, and details wait."""
    injected: list[Injection] = []

    def begin(simulator: Simulator) -> None:
        vault = simulator.vault_ids[3]
        injected.append(simulator.inject(fault, api="list", vault_id=vault, times=times))

    run = run_for(
        monkeypatch,
        timedelta(hours=3),
        lambda _: None,
        fleet=sized_fleet(vaults=40, jobs=8000, jobs_per_item=8, anchor=NOW),
        at={timedelta(hours=2): begin},
    )

    assert injected[0].hits == times
    assert run.store.longest_down() <= longest


def test_what_is_said_of_the_interval_is_what_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight hours of 60 vaults at 150 reads an hour, while details wait."""
    run = run_for(
        monkeypatch,
        timedelta(hours=8),
        lambda simulator: setattr(simulator, "rate_limit", RateLimit(150, timedelta(hours=1))),
        fleet=sized_fleet(vaults=60, jobs=6000, jobs_per_item=8, anchor=NOW),
    )

    ratios = sorted(really / said for said, really in run.store.intervals)
    assert len(ratios) > 400
    assert ratios[len(ratios) // 20] >= 0.9
    assert ratios[-len(ratios) // 20] <= 1.1


def put_long_run(simulator: Simulator) -> None:
    """A job of the first vault that began four weeks ago and runs."""
    start = f"{NOW - timedelta(days=28):%Y-%m-%dT%H:%M:%SZ}"
    long_run = a_payload(status="InProgress", endTime=None, startTime=start)
    simulator.put_job(simulator.vault_ids[0], long_run)


def test_a_job_that_runs_for_a_month_makes_no_list_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was as long as all jobs since, and other vaults had to wait."""
    run = run_for(
        monkeypatch,
        timedelta(hours=5),
        put_long_run,
        fleet=sized_fleet(vaults=2, jobs=12_000, jobs_per_item=100, anchor=NOW),
        requests=100_000,
    )
    [long, _] = run.simulator.vault_ids
    later = [
        (one.api, one.job_id)
        for one in run.simulator.requests
        if one.vault == long and one.at > NOW + timedelta(hours=1)
    ]

    assert run.values("vault_up") == [1, 1]
    lists = sum(api == "list" for api, _ in later)
    assert 46 <= lists <= 49, "one page for each refresh"
    own = a_payload()["name"]
    assert 46 <= sum(job == own for _, job in later) <= 49, "its own detail says how it is"
    assert run.values("job_status", status="InProgress")


def test_a_job_that_began_before_the_look_back_is_found_after_a_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = run_for(
        monkeypatch,
        timedelta(minutes=30),
        put_long_run,
        fleet=sized_fleet(vaults=2, jobs=0, anchor=NOW),
    )

    assert run.values("job_status", status="InProgress") == [1]
    reads = Counter((one.api, one.vault) for one in run.simulator.requests)
    [long, other] = run.simulator.vault_ids
    assert reads["list", other] == 6 + 1, "one page more, once"
    assert reads["list", long] == 6 + 1


def test_a_region_that_is_not_configured_is_asked_for_and_has_its_own_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 429 of one region stopped all others of the subscription."""
    fleet = sized_fleet(vaults=6, jobs=12, locations=2, anchor=NOW)
    region, other = sorted({vault.location for vault in fleet.vaults})

    def prepare(simulator: Simulator) -> None:
        for vault, vault_id in zip(fleet.vaults, simulator.vault_ids, strict=True):
            if vault.location == region:
                simulator.inject(Throttled(timedelta(hours=1)), api="list", vault_id=vault_id)

    run = run_for(monkeypatch, timedelta(minutes=45), prepare, fleet=fleet)

    for vault in fleet.vaults:
        assert run.values("vault_up", vault=vault.name) == [vault.location == other]
    assert len(run.values("vault_info", location=other)) == 3
    reads = Counter(one.api for one in run.simulator.requests if one.status != 200)
    assert reads["list"] <= 2, "of the region that is spent"
    assert sum(one.api == "vault" for one in run.simulator.requests) == 6, "once for each"
