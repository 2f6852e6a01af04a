"""What a collector takes over: from the one before it, or from the state file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.refresh.vault import VaultState

if TYPE_CHECKING:
    from exporter.azure.budget import ReadBudget
    from exporter.clock import Clock
    from exporter.config import Config
    from exporter.refresh.collector import Collector
    from exporter.refresh.estate import SharedBy
    from exporter.state import StoredVault


def restored(stored: StoredVault | None, clock: Clock) -> VaultState:
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


def inherited(config: Config, previous: Collector, clock: Clock) -> dict[str, VaultState]:
    """What the previous collector knew of vaults, by id."""
    return {k: _state(known, config, previous, clock) for k, known in previous.known.items()}


def budgets(config: Config, previous: Collector) -> dict[SharedBy, ReadBudget]:
    """The budgets known so far; what was spent is remembered, what was learnt unless configured."""
    configured = config.azure.read_budget
    if previous.config.azure.read_budget != configured:
        for budget in previous.budgets.values():
            budget.configure(configured.requests, configured.per.total_seconds())
    return dict(previous.budgets)
