"""Which vaults are read now: records for those that appear, budgets for those that share them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from exporter.errors import ErrorKind
from exporter.refresh.readings.stored import recalled
from exporter.refresh.records import SearchRecord, VaultRecord
from exporter.refresh.roster import roster, scope_records, vault_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.backup.model import Vault
    from exporter.backup.shard import Choice
    from exporter.config import Config
    from exporter.refresh.budgets import Budgets
    from exporter.refresh.records import BudgetKey, Moment, Record
    from exporter.refresh.roster import Place
    from exporter.state import StateKeeper


class Membership:
    """Makes the records of all that is read.

    Args:
        config: Which vaults are configured.
        shard: Which of all vaults are ours.
        keeper: Of the state file; None without one.
        budgets: Told who shares them.

    Attributes:
        asleep: Vaults of the collector before this one that discovery has yet to find again. They
            are remembered until every search has found something.
    """

    def __init__(
        self, config: Config, shard: Choice, keeper: StateKeeper | None, budgets: Budgets
    ) -> None:
        self._configured = [entry.vault() for entry in config.vaults]
        self._interval = config.refresh.interval.total_seconds()
        self._shard = shard
        self._keeper = keeper
        self._budgets = budgets
        self.asleep: Mapping[str, Record] = {}

    def arrange(
        self,
        searches: Mapping[str, Record],
        records: Mapping[str, Record],
        now: Moment,
        *,
        recall: bool,
    ) -> dict[str, Record]:
        """The records of all that is read from now on, by subject.

        Args:
            searches: What they have found by now.
            records: What is known.
            now: The present.
            recall: Whether the state file is read here, of vaults that appear.
        """
        found = [one for one in searches.values() if isinstance(one, SearchRecord)]
        everywhere = roster(self._configured, found)
        places = [place for place in everywhere if self._shard.reads(place.vault.id)]
        known = {**self.asleep, **records}
        new = [place.vault.id for place in places if place.vault.id not in known]
        stored = self._keeper.load(new) if self._keeper and recall and new else {}

        def appeared(vault: Vault) -> VaultRecord:
            record = VaultRecord(vault=vault, appeared=now.monotonic)
            if recall or not self._keeper:
                return recalled(record, stored.get(vault.id), now)
            return record

        vaults = vault_records(places, known, appeared)
        scopes = scope_records(vaults, found, records, self._interval)
        self._share_budgets(everywhere, vaults)
        if all(search.vaults is not None for search in found):
            # Whose vault has not been found by now is not going to be.
            self.asleep = {}
        return {**searches, **scopes, **vaults}

    def _share_budgets(
        self, everywhere: Iterable[Place], vaults: Mapping[str, VaultRecord]
    ) -> None:
        """Have each budget shared by its vaults; other shards get the part of theirs."""
        in_all: Counter[BudgetKey] = Counter()
        unknown: Counter[str] = Counter()
        members: dict[BudgetKey, list[str]] = {}
        for vault, _ in everywhere:
            if record := vaults.get(vault.id):
                in_all[record.budget] += 1
                members.setdefault(record.budget, []).append(vault.id)
            elif vault.location:
                in_all[vault.subscription_id, vault.location] += 1
            else:
                unknown[vault.subscription_id] += 1
        # The region of another shard's vault is not asked for: it may be any.
        for key in members:
            in_all[key] += unknown[key[0]]
        throttled = {
            record.budget for record in vaults.values() if record.failed_kind is ErrorKind.THROTTLED
        }
        self._budgets.share(members, in_all, throttled)
