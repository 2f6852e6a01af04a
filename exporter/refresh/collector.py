"""Everything that reads Azure for one configuration; a reload makes a new one."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.azure.backup_jobs import BackupJobsApi
from exporter.azure.budget import ReadBudget
from exporter.azure.clouds import cloud_of
from exporter.azure.credentials import BearerAuth, make_credential
from exporter.azure.gate import BudgetGate
from exporter.azure.session import ArmSession
from exporter.backup.history import remembered_from
from exporter.refresh.loop import RefreshLoop, Start
from exporter.refresh.vault import VaultRefresher, VaultState
from exporter.state import StateKeeper, StoredVault
from exporter.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.backup.model import Vault
    from exporter.clock import Clock
    from exporter.config import Config
    from exporter.metrics.selfmetrics import SelfMetrics
    from exporter.metrics.store import PageStore

log = logging.getLogger(__name__)


class Collector:
    """The collector loop over the configured vaults.

    Args:
        config: What to read, and how.
        store: Where snapshots go.
        metrics: The exporter's own.
        clock: What time it is.
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
        clock: Clock,
        previous: Collector | None = None,
        start: Start = start_thread,
    ) -> None:
        azure = config.azure
        cloud = cloud_of(azure)
        self._stop = threading.Event()
        self._session = ArmSession(
            base_url=cloud.resource_manager,
            auth=BearerAuth(
                make_credential(azure.credential, cloud), cloud.scope, timeout=azure.timeout
            ),
            timeout=azure.timeout,
            max_concurrency=azure.max_concurrency,
            clock=clock,
            metrics=metrics,
            stop=self._stop,
        )
        api = BackupJobsApi(self._session, azure.api_versions.backup_jobs, metrics)
        vaults = [entry.vault() for entry in config.vaults]
        settings = self.settings = config.settings()
        self.config = config
        self._clock = clock
        self.keeper = _keeper(config, previous)
        stored = _stored(vaults, previous, self.keeper)
        # All that can fail is behind us: what the previous one knows is taken over.
        if previous:
            previous.stop()
        self._was_ready = previous.ready if previous else False
        self.states = _states(vaults, config, previous, stored, clock)
        self.budgets: dict[tuple[str, str], ReadBudget] = _budgets(config, vaults, previous)
        metrics.reads_remaining.clear()
        gates = {
            key: BudgetGate(
                budget,
                vaults=[vault for vault in vaults if _shares(vault) == key],
                interval=config.refresh.interval,
                clock=clock,
                metrics=metrics,
            )
            for key, budget in self.budgets.items()
        }
        publish = store.show(vaults)
        refreshers = [
            VaultRefresher(
                vault,
                api=api,
                gate=gates[_shares(vault)],
                settings=settings,
                keep_stale=config.refresh.keep_stale,
                clock=clock,
                publish=publish,
                keep=self._keep,
                detail_threads=max(1, azure.max_concurrency // 2),
                state=self.states[vault.id],
            )
            for vault in vaults
        ]
        self._loop = RefreshLoop(
            refreshers,
            clock=clock,
            max_concurrency=azure.max_concurrency,
            stop=self._stop,
            start=start,
        )
        for refresher in refreshers:
            refresher.publish()
            if previous:
                self._keep(refresher.vault, refresher.state)

    @property
    def ready(self) -> bool:
        """Whether the first refresh of every vault has ended, well or badly; it stays so."""
        return self._was_ready or self._loop.ready

    @property
    def all_up(self) -> bool:
        """Whether the last refresh read every vault."""
        return all(state.up for state in self.states.values())

    @property
    def stopped(self) -> bool:
        """Whether it was stopped: its data are not refreshed any more."""
        return self._stop.is_set()

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
        """Refresh every vault one time, here and now."""
        self._loop.run_once()
        self._flush()

    def stop(self) -> None:
        """End refreshing. Reads under way are not waited for."""
        self._stop.set()
        self._loop.wake()
        self._session.close()
        self._flush()

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


def _shares(vault: Vault) -> tuple[str, str]:
    """Vaults of one subscription and region share a read budget (FACTS 10)."""
    return vault.subscription_id, vault.location


def _keeper(config: Config, previous: Collector | None) -> StateKeeper | None:
    """The keeper of the state file; a new one after a reload if the old file cannot be used."""
    if config.state.path is None:
        return None
    path = Path(config.state.path)
    known = previous.keeper if previous else None
    return known if known and known.path == path and known.usable else StateKeeper(path)


def _stored(
    vaults: list[Vault], previous: Collector | None, keeper: StateKeeper | None
) -> dict[str, StoredVault]:
    """What the state file says of vaults that the previous collector does not know."""
    known = previous.states if previous else {}
    unknown = [vault.id for vault in vaults if vault.id not in known]
    return keeper.load(unknown) if keeper and unknown else {}


def _states(
    vaults: list[Vault],
    config: Config,
    previous: Collector | None,
    stored: dict[str, StoredVault],
    clock: Clock,
) -> dict[str, VaultState]:
    """What is known of each vault: what the previous collector knew, else what the file says."""
    known = previous.states if previous else {}
    return {
        vault.id: _state(known[vault.id], config, previous, clock)
        if previous and vault.id in known
        else _restored(stored.get(vault.id), clock)
        for vault in vaults
    }


def _restored(stored: StoredVault | None, clock: Clock) -> VaultState:
    """What was known when the file was written; the page shows how old that is."""
    if stored is None:
        return VaultState()
    state = VaultState(history=stored.history)
    age = (clock.now() - stored.read_at).total_seconds()
    # After a clock was set back it would look fresher than it is.
    if age >= 0:
        state.refreshed_at, state.data_since = stored.read_at, clock.monotonic() - age
    return state


def _state(known: VaultState, config: Config, previous: Collector, clock: Clock) -> VaultState:
    """What was known of the vault, as far as the new configuration leaves it standing."""
    state = known.copy()
    if previous.settings.lookback < config.settings().lookback:
        state.history = replace(state.history, full_read_at=None)
        state.due = float("-inf")
    if state.up and previous.config.azure == config.azure:
        next_at_latest = clock.monotonic() + config.refresh.interval.total_seconds()
        state.due = min(state.due, next_at_latest)
    else:
        state.due = float("-inf")
    return state


def _budgets(
    config: Config, vaults: list[Vault], previous: Collector | None
) -> dict[tuple[str, str], ReadBudget]:
    """The budgets of the vaults; a known one remembers what it has spent and learnt."""
    configured = config.azure.read_budget
    requests, per_seconds = configured.requests, configured.per.total_seconds()
    budgets = {}
    for key in map(_shares, vaults):
        known = previous.budgets.get(key) if previous else None
        budgets[key] = known or ReadBudget(requests, per_seconds)
        if known and previous and previous.config.azure.read_budget != configured:
            known.configure(requests, per_seconds)
    return budgets
