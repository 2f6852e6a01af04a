"""Everything that reads Azure for one configuration; a reload makes a new one."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.azure.backup_jobs import BackupJobsApi
from exporter.azure.clouds import cloud_of
from exporter.azure.connect import connect
from exporter.azure.resource_graph import ResourceGraphApi
from exporter.azure.vaults import VaultsApi
from exporter.backup.details import DetailPolicy, wanted_details
from exporter.backup.history import remembered_from
from exporter.backup.shard import UNSHARDED, Choice
from exporter.metrics.snapshot import Overview
from exporter.refresh.discovery import Discovery
from exporter.refresh.estate import Estate
from exporter.refresh.fill import FirstFill
from exporter.refresh.handover import budgets, inherited, restored
from exporter.refresh.loop import RefreshLoop, Start
from exporter.refresh.roster import Found
from exporter.refresh.vault import VaultState
from exporter.state import StateKeeper, StoredVault
from exporter.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.azure.budget import ReadBudget
    from exporter.backup.model import Vault
    from exporter.clock import AzureClock
    from exporter.config import Config
    from exporter.metrics.selfmetrics import SelfMetrics
    from exporter.metrics.store import PageStore
    from exporter.refresh.estate import SharedBy

log = logging.getLogger(__name__)


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
        start: Starts one refresh; in a thread of its own, unless time is simulated.

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
        start: Start = start_thread,
    ) -> None:
        azure = config.azure
        self._portal = cloud_of(azure).portal
        self._stop = threading.Event()
        self._session = connect(azure, clock=clock, metrics=metrics, stop=self._stop)
        versions = azure.api_versions
        graph_api = ResourceGraphApi(
            self._session, versions.resource_graph, metrics, clock=clock, stop=self._stop
        )
        self.settings = config.settings()
        self.config = config
        self._clock = clock
        self._store = store
        self.keeper = _keeper(config, previous)
        # All that can fail is behind us: what the previous one knows is taken over.
        if previous:
            previous.stop()
        self._was_ready = previous.ready if previous else False
        self._rearranging = threading.Lock()
        self._loop = RefreshLoop(
            clock=clock, max_concurrency=azure.max_concurrency, stop=self._stop, start=start
        )
        self._inherited = inherited(config, previous, clock) if previous else {}
        metrics.reads_remaining.clear()
        metrics.reads_limit.clear()
        metrics.state_writable.value = lambda: self.keeper.writable if self.keeper else None
        self._fill = FirstFill(
            clock=clock,
            metrics=metrics.fill,
            shares=lambda: self._estate.shares,
            complete=lambda: self._estate.complete,
            searched=lambda: self._searched,
        )
        self._estate = Estate(
            config,
            shard=shard,
            want=want,
            jobs_api=BackupJobsApi(self._session, versions.backup_jobs, metrics),
            graph_api=graph_api,
            store=store,
            keep=self._keep,
            recall=self._recall,
            budgets=budgets(config, previous) if previous else {},
            clock=clock,
            metrics=metrics,
            changed=self._fill.notice,
        )
        metrics.clear_discovery()
        vaults_api = VaultsApi(self._session, versions.vaults, metrics)
        self._discoveries = [
            Discovery(
                entry,
                selection=entry.selection(config.vault_tags),
                vaults_api=vaults_api,
                graph_api=graph_api,
                interval=config.refresh.discovery_interval,
                clock=clock,
                metrics=metrics,
                changed=self._rearrange,
                known=previous.search_below(entry.scope) if previous else None,
            )
            for entry in config.discovery
        ]
        self._rearrange()
        if previous:
            for refresher in self._estate.refreshers.values():
                self._keep(refresher.vault, refresher.state)

    @property
    def ready(self) -> bool:
        """Whether the page has a refresh of every vault, ended well or badly; it stays so."""
        self._was_ready = self._was_ready or (self._searched and self._store.complete)
        return self._was_ready

    @property
    def all_up(self) -> bool:
        """Whether the last refresh read every vault, and the last search found them."""
        return all(state.up for state in self.states.values()) and not any(
            discovery.failed for discovery in self._discoveries
        )

    @property
    def overview(self) -> Overview:
        """What the status page shows beside the vaults."""
        return Overview(
            portal=self._portal,
            searches=tuple(one.search for one in self._discoveries),
            fill=self._fill.progress,
        )

    @property
    def states(self) -> dict[str, VaultState]:
        """What is known of each vault, by id."""
        return {k: one.state for k, one in self._estate.refreshers.items()}

    @property
    def known(self) -> dict[str, VaultState]:
        """The same, and what is known of vaults that discovery has yet to find again."""
        return self._inherited | self.states

    @property
    def readings(self) -> list[tuple[Vault, VaultState]]:
        """The same with each vault, in the order of the page."""
        return [(one.vault, one.state) for one in self._estate.refreshers.values()]

    @property
    def budgets(self) -> dict[SharedBy, ReadBudget]:
        """What is left to read."""
        return self._estate.budgets

    @property
    def stopped(self) -> bool:
        """Whether it was stopped: its data are not refreshed any more."""
        return self._stop.is_set()

    def search_below(self, scope: str) -> Discovery | None:
        """The discovery that has found vaults there; None if none has yet."""
        there = (one for one in self._discoveries if one.entry.scope == scope)
        return next((one for one in there if one.found is not None), None)

    def start(self, broken: Callable[[], None]) -> None:
        """Start refreshing in the background.

        Args:
            broken: Called if that cannot begin, or ends by a fault.
        """

        def work(_: None) -> None:
            try:
                self.run()
            except Exception:
                log.exception("refreshing has ended")
                broken()

        try:
            start_thread("collector", work, None)
        except RuntimeError as error:  # the machine has no thread left
            log.error("refreshing cannot begin: %s", error)  # noqa: TRY400 - no trace
            broken()

    def run(self) -> None:
        """Refresh here until stopped."""
        self._loop.run()

    def run_once(self) -> None:
        """Look for vaults, and refresh every vault one time, here and now."""
        self._loop.run_once(self._discoveries)
        self._loop.run_once(self._estate.readers)
        self._loop.run_once(self._estate.queues.values())
        self._flush()

    def stop(self) -> None:
        """End refreshing. Reads under way are not waited for."""
        self._stop.set()
        with self._rearranging:
            """No discovery changes the page from here on."""
        self._loop.wake()
        self._session.close()
        self._flush()

    @property
    def _searched(self) -> bool:
        return all(one.ended_once for one in self._discoveries)

    def _rearrange(self) -> None:
        """Read the vaults that are configured, and those found by now."""
        with self._rearranging:
            if self._stop.is_set():
                return
            self._estate.arrange(
                Found(one.vaults, one.group, one.unseen)
                for one in self._discoveries
                if one.vaults is not None
            )
            self._loop.set_readers(
                [*self._discoveries, *self._estate.readers, *self._estate.queues.values()]
            )
            if all(one.vaults is not None for one in self._discoveries):
                # Whose vault has not been found by now is not going to be.
                self._inherited = {}

    def _recall(self, vaults: list[Vault]) -> dict[str, VaultState]:
        """What is known of vaults: what the previous collector knew, else what the file says."""
        unknown = [vault.id for vault in vaults if vault.id not in self._inherited]
        stored = self.keeper.load(unknown) if self.keeper and unknown else {}
        return {
            vault.id: self._inherited.get(vault.id) or restored(stored.get(vault.id), self._clock)
            for vault in vaults
        }

    def _keep(self, vault: Vault, state: VaultState) -> None:
        """Have what is known of a vault written to the state file; at a reload, only by the new."""
        if not self.keeper or state.refreshed_at is None or self._stop.is_set():
            return
        self.keeper.put(
            StoredVault(
                vault_id=vault.id,
                history=state.history,
                read_at=state.refreshed_at,
            ),
            forget_before=remembered_from(self._clock.now(), self.settings),
        )

    def _flush(self) -> None:
        if self.keeper:
            self.keeper.flush()


def _keeper(config: Config, previous: Collector | None) -> StateKeeper | None:
    """The keeper of the state file; a new one after a reload if the old file cannot be used."""
    if config.state.path is None:
        return None
    path = Path(config.state.path)
    known = previous.keeper if previous else None
    return known if known and known.path == path and known.usable else StateKeeper(path)
