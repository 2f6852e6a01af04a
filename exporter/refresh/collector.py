"""Everything that reads Azure for one configuration; a reload makes a new one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exporter.azure.clouds import cloud_of
from exporter.azure.connect import connect
from exporter.backup.details import DetailPolicy, wanted_details
from exporter.backup.shard import UNSHARDED, Choice
from exporter.metrics.snapshot import Overview
from exporter.refresh import searching
from exporter.refresh.budgets import Budgets
from exporter.refresh.handover import budgets_known, searches_known, vaults_known
from exporter.refresh.initial_sync import InitialSync
from exporter.refresh.membership import Membership
from exporter.refresh.read_once import read_once
from exporter.refresh.readings.registry import all_readings
from exporter.refresh.records import Moment, Record, SearchRecord, VaultRecord
from exporter.refresh.remembering import Notebook, budgets_of
from exporter.refresh.scheduler import Scheduler
from exporter.refresh.showing import Showing
from exporter.refresh.workers import Mailbox, Workers, work
from exporter.state import Notes, StateKeeper
from exporter.threads import Pool, start_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.backup.model import Vault
    from exporter.clock import AzureClock
    from exporter.config import Config
    from exporter.metrics.selfmetrics import SelfMetrics
    from exporter.metrics.snapshot import VaultSnapshot
    from exporter.metrics.store import PageStore

log = logging.getLogger(__name__)

Start = Callable[[str, Callable[[Any], None], Any], object]

_LONGEST_SLEEP_SECONDS: Final = 1.0
_SHORTEST_SLEEP_SECONDS: Final = 0.001
_STOP_SECONDS: Final = 5.0
_IDLE_SECONDS: Final = 3600.0


class Collector:
    """The collector loop over the configured and discovered vaults.

    Args:
        config: What to read, and how.
        store: Where snapshots go.
        metrics: The exporter's own.
        clock: What time it is.
        shard: Which of the vaults are ours.
        want: Which details are read.
        previous: The collector that this one replaces and stops; what it knew is kept.
        start: Has a request made; by a thread, unless time is simulated.

    Raises:
        ArmError: The credential cannot be set up.
    """

    def __init__(
        self,
        config: Config,
        *,
        store: PageStore,
        metrics: SelfMetrics,
        clock: AzureClock,
        shard: Choice = UNSHARDED,
        want: DetailPolicy = wanted_details,
        previous: Collector | None = None,
        start: Start | None = None,
    ) -> None:
        azure = config.azure
        self._portal = cloud_of(azure).portal
        self._stop = threading.Event()
        self._session = connect(azure, clock=clock, metrics=metrics, stop=self._stop)
        self.config = config
        self._metrics = metrics
        self._store = store
        self._owner = threading.RLock()
        self._publish: Callable[[VaultSnapshot], None] | None = None
        self.keeper = _keeper(config, previous)
        # All that can fail is behind us: what the previous one knows is taken over.
        if previous:
            previous.stop()
        self._was_ready = previous.ready if previous else False
        self._mailbox: Mailbox = previous._mailbox if previous else Mailbox()
        self._start: Start = start or (previous._start if previous else Pool().start)
        metrics.state_writable.value = lambda: self.keeper.writable if self.keeper else None
        metrics.fill.monotonic = clock.monotonic
        now = Moment(clock.now(), clock.monotonic())
        notes = self.keeper.load_notes() if self.keeper and not previous else Notes()
        known = budgets_of(notes, config, now)
        if previous:
            known = budgets_known(previous._budgets.known, previous.config, config)
        readings = all_readings(
            config,
            self._session,
            metrics,
            clock=clock,
            stop=self._stop,
            keeper=self.keeper,
            policy=want,
        )
        self._clock = clock
        self._notebook = Notebook(self.keeper)
        self._budgets: Budgets = Budgets(config, metrics, clock.monotonic, known)
        self._membership: Membership = Membership(config, shard, self.keeper, self._budgets)
        self._showing = Showing(self._show, self.keeper, config, self._budgets)
        self._scheduler = Scheduler(
            readings,
            self._budgets,
            self._showing,
            clock=clock,
            workers=Workers(
                send=partial(self._start, "read", work(readings, self._mailbox)),
                number=azure.max_concurrency,
                timeout=azure.timeout.total_seconds(),
            ),
            found=self._found,
        )
        self._sync = InitialSync(metrics.fill, self._budgets, now)
        self._begin(previous, want, notes.found or {})

    def _begin(
        self,
        previous: Collector | None,
        policy: DetailPolicy,
        noted: Mapping[str, tuple[Vault, ...]],
    ) -> None:
        """Show what is known already."""
        config, now = self.config, self._scheduler.now()
        earlier = previous._scheduler.records if previous else {}
        if previous:
            known = {**previous._membership.asleep, **earlier}
            self._membership.asleep = vaults_known(known, previous.config, config, policy, now)
        searching.announce(config.discovery, self._metrics)
        searches = searches_known(config, earlier.values(), noted)
        self._arrange(searches, now, recall=True)
        self._scheduler.show(idle=True)
        self._sync.look(self._scheduler.records, now, searched=self._searched, idle=True)
        if previous:
            for _, record in self.readings:
                self._showing.keep(record, now)

    @property
    def ready(self) -> bool:
        """Whether the page has a refresh of every vault, ended well or badly; it stays so."""
        self._was_ready = self._was_ready or (self._searched and self._store.complete)
        return self._was_ready

    @property
    def all_up(self) -> bool:
        """Whether the last refresh read every vault, and the last search found them."""
        return all(record.up for _, record in self.readings) and not any(
            search.failure for search in self._searches
        )

    @property
    def overview(self) -> Overview:
        """What the status page shows beside the vaults."""
        return Overview(
            portal=self._portal,
            searches=tuple(map(searching.snapshot, self._searches)),
            fill=self._sync.progress,
        )

    @property
    def states(self) -> dict[str, VaultRecord]:
        """What is known of each vault, by id."""
        return {record.vault.id: record for _, record in self.readings}

    @property
    def readings(self) -> list[tuple[Vault, VaultRecord]]:
        """The same with each vault, in the order of the page."""
        records = self._scheduler.records.values()
        return [(one.vault, one) for one in records if isinstance(one, VaultRecord)]

    @property
    def stopped(self) -> bool:
        """Whether it was stopped: its data are not refreshed any more."""
        return self._stop.is_set()

    def start(self, broken: Callable[[], None]) -> None:
        """Start refreshing in the background.

        Args:
            broken: Called if that cannot begin, or ends by a fault.
        """

        def own(_: None) -> None:
            try:
                self.run()
            except Exception:
                log.exception("refreshing has ended")
                broken()

        try:
            start_thread("collector", own, None)
        except RuntimeError as error:  # the machine has no thread left
            log.error("refreshing cannot begin: %s", error)  # noqa: TRY400 - no trace
            broken()

    def run(self) -> None:
        """Refresh here until stopped."""
        with self._owner:
            while not self._stop.is_set():
                self._wait(self._step())

    def run_once(self) -> None:
        """Look for vaults, and refresh every vault one time, here and now."""
        with self._owner:
            read_once(self._scheduler, self._step, self._wait, self._stop)
        self._flush()

    def stop(self) -> None:
        """End refreshing. Reads under way are not waited for."""
        self._stop.set()
        self._mailbox.arrived.set()
        if self._owner.acquire(timeout=_STOP_SECONDS):
            self._owner.release()
        self._session.close()
        self._flush()

    @property
    def _searches(self) -> list[SearchRecord]:
        records = self._scheduler.records.values()
        return [one for one in records if isinstance(one, SearchRecord)]

    @property
    def _searched(self) -> bool:
        return all(search.ended_once for search in self._searches)

    def _step(self) -> float:
        """One step of the owner; for how many seconds there is nothing to do but for answers."""
        scheduler = self._scheduler
        look_at = scheduler.step(self._mailbox.take())
        idle = not scheduler.under_way
        now = scheduler.now()
        self._sync.look(scheduler.records, now, searched=self._searched, idle=idle)
        self._notebook.write(self._budgets.known, scheduler.records.values(), now)
        return look_at - now.monotonic

    def _wait(self, seconds: float) -> None:
        """Wait for an answer. While one is to come time is real, whatever clock a test has."""
        seconds = max(seconds, _SHORTEST_SLEEP_SECONDS)
        if self._scheduler.under_way:
            self._mailbox.arrived.wait(min(seconds, _LONGEST_SLEEP_SECONDS))
        else:
            self._clock.wait(self._mailbox.arrived, min(seconds, _IDLE_SECONDS))

    def _found(self, record: SearchRecord | None, changed: bool) -> None:
        """Take in a search that has ended, and what is to be read now."""
        if record:
            searching.count(record, self._metrics)
        if changed:
            searches = {
                k: one
                for k, one in self._scheduler.records.items()
                if isinstance(one, SearchRecord)
            }
            self._arrange(searches, self._scheduler.now(), recall=False)

    def _arrange(self, searches: Mapping[str, Record], now: Moment, *, recall: bool) -> None:
        """Read the vaults that are configured, and those found by now."""
        records = self._membership.arrange(searches, self._scheduler.records, now, recall=recall)
        ours = [one.vault for one in records.values() if isinstance(one, VaultRecord)]
        if self._publish is None:
            self._publish = self._store.show(ours)
        else:
            self._store.arrange(ours)
        self._scheduler.arrange(records)

    def _show(self, snapshot: VaultSnapshot) -> None:
        if self._publish and not self._stop.is_set():
            self._publish(snapshot)

    def _flush(self) -> None:
        if self.keeper:
            scheduler = self._scheduler
            known, records = self._budgets.known, scheduler.records.values()
            self._notebook.write(known, records, scheduler.now(), at_once=True)
            self.keeper.flush()


def _keeper(config: Config, previous: Collector | None) -> StateKeeper | None:
    """The keeper of the state file; a new one after a reload if the old file cannot be used."""
    if config.state.path is None:
        return None
    path = Path(config.state.path)
    known = previous.keeper if previous else None
    return known if known and known.path == path and known.usable else StateKeeper(path)
