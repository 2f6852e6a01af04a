"""What a collector takes over from the one before it, as far as the new settings leave it so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.refresh.readings.vault_search import selected
from exporter.refresh.readings.vault_state import with_wanted
from exporter.refresh.records import NEVER, SearchRecord, VaultRecord, search_of
from exporter.refresh.waiting import counted, merged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from exporter.azure.budget import ReadBudget
    from exporter.backup.details import DetailPolicy
    from exporter.backup.model import Vault
    from exporter.config import Config
    from exporter.config.estate import DiscoveryEntry
    from exporter.refresh.records import BudgetKey, Moment, Record


def _vault(
    record: VaultRecord, old: Config, new: Config, policy: DetailPolicy, now: Moment
) -> VaultRecord:
    """A vault under other settings; pages that were read stay, unless others are to be read."""
    record = merged(record)
    longer = old.settings().lookback < new.settings().lookback
    if longer:
        record = replace(record, history=replace(record.history, full_read_at=None), listing=None)
    if old.azure != new.azure:
        record = replace(record, listing=None)
    latest = now.monotonic + new.refresh.interval.total_seconds()
    at_once = longer or not record.up or old.azure != new.azure
    turns = {
        name: replace(turn, due=NEVER if at_once else min(turn.due, latest), attempts=0)
        for name, turn in record.turns.items()
    }
    record = replace(record, turns=turns)
    if not record.up:
        return record
    wanted = policy(record.history, now.wall, new.settings())
    return counted(replace(record, details=with_wanted(record.details, wanted)))


def vaults_known(
    known: Mapping[str, Record], old: Config, new: Config, policy: DetailPolicy, now: Moment
) -> dict[str, Record]:
    """The vaults of a collector under other settings, by id."""
    return {
        subject: _vault(one, old, new, policy, now)
        for subject, one in known.items()
        if isinstance(one, VaultRecord)
    }


def searches_known(
    config: Config, known: Collection[Record], noted: Mapping[str, tuple[Vault, ...]]
) -> dict[str, Record]:
    """The searches of a configuration by subject, with what has been found before.

    Args:
        config: Where to look.
        known: What this process knows.
        noted: By scope, what the state file says.
    """
    return {
        search_of(entry.scope, number): _search(entry, known, noted, config.vault_tags)
        for number, entry in enumerate(config.discovery)
    }


def _search(
    entry: DiscoveryEntry,
    known: Iterable[Record],
    noted: Mapping[str, tuple[Vault, ...]],
    tags: Iterable[str],
) -> SearchRecord:
    for one in known:
        if isinstance(one, SearchRecord) and one.entry.scope == entry.scope and one.found:
            return SearchRecord(
                entry=entry,
                found=one.found,
                vaults=selected(entry, one.found, tags),
                unseen=one.unseen,
            )
    if vaults := noted.get(entry.scope):
        found = {vault.id: vault for vault in vaults}
        return SearchRecord(entry=entry, found=found, vaults=selected(entry, found, tags))
    return SearchRecord(entry=entry)


def budgets_known(
    budgets: dict[BudgetKey, ReadBudget], old: Config, new: Config
) -> dict[BudgetKey, ReadBudget]:
    """The budgets known so far; what was spent is remembered, what was learnt unless configured."""
    configured = new.azure.read_budget
    for budget in budgets.values():
        if old.azure.read_budget != configured:
            budget.configure(configured.requests, configured.per.total_seconds())
        budget.doubt()
    return budgets
