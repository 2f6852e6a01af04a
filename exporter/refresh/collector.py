"""Everything that reads Azure for one configuration; a reload makes a new one."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.azure.backup_jobs import BackupJobsApi
from exporter.azure.budget import ReadBudget
from exporter.azure.clouds import cloud_of
from exporter.azure.credentials import BearerAuth, make_credential
from exporter.azure.gate import BudgetGate
from exporter.azure.session import ArmSession
from exporter.backup.history import rejudge
from exporter.refresh.loop import RefreshLoop
from exporter.refresh.vault import VaultRefresher, VaultState

if TYPE_CHECKING:
    from exporter.backup.model import Vault
    from exporter.clock import Clock
    from exporter.config import Config
    from exporter.metrics.selfmetrics import SelfMetrics
    from exporter.metrics.store import PageStore


class Collector:
    """The collector loop over the configured vaults.

    Args:
        config: What to read, and how.
        store: Where snapshots go.
        metrics: The exporter's own.
        clock: What time it is.
        previous: The collector that this one replaces and stops; what it knew is kept.

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
    ) -> None:
        azure = config.azure
        cloud = cloud_of(azure)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)
        self._session = ArmSession(
            base_url=cloud.resource_manager,
            auth=BearerAuth(make_credential(azure.credential, cloud), cloud.scope),
            timeout=azure.timeout,
            max_concurrency=azure.max_concurrency,
            clock=clock,
            metrics=metrics,
            stop=self._stop,
        )
        # From here on nothing can fail: what the previous one knows is taken over.
        if previous:
            previous.stop()
        self._was_ready = previous.ready if previous else False
        api = BackupJobsApi(self._session, azure.api_versions.backup_jobs, metrics)
        vaults = [entry.vault() for entry in config.vaults]
        settings = self.settings = config.settings()
        self.config = config
        self.states = {vault.id: _state(vault, config, previous, clock) for vault in vaults}
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
                detail_threads=max(1, azure.max_concurrency // 2),
                state=self.states[vault.id],
            )
            for vault in vaults
        ]
        self._loop = RefreshLoop(
            refreshers, clock=clock, max_concurrency=azure.max_concurrency, stop=self._stop
        )
        for refresher in refreshers:
            refresher.publish()

    @property
    def ready(self) -> bool:
        """Whether the first refresh of every vault has ended, well or badly; it stays so."""
        return self._was_ready or self._loop.ready

    @property
    def all_up(self) -> bool:
        """Whether the last refresh read every vault."""
        return all(state.up for state in self.states.values())

    def start(self) -> None:
        """Start refreshing in the background."""
        self._thread.start()

    def run_once(self) -> None:
        """Refresh every vault one time, here and now."""
        self._loop.run_once()

    def stop(self) -> None:
        """End refreshing. Reads under way are not waited for."""
        self._stop.set()
        self._loop.wake()
        self._session.close()

    def _run(self) -> None:
        self._loop.run()


def _shares(vault: Vault) -> tuple[str, str]:
    """Vaults of one subscription and region share a read budget (FACTS 10)."""
    return vault.subscription_id, vault.location


def _state(vault: Vault, config: Config, previous: Collector | None, clock: Clock) -> VaultState:
    """What was known of the vault, as far as the new configuration leaves it standing."""
    known = previous.states.get(vault.id) if previous else None
    if known is None or previous is None:
        return VaultState()
    state, settings = known.copy(), config.settings()
    if previous.settings.success_statuses != settings.success_statuses:
        state.history = rejudge(state.history, settings)
    if previous.settings.lookback < settings.lookback:
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
