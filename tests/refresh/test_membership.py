"""Whose budget it is: vaults of other shards, and regions that are not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from exporter.config import parse_config
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.refresh.budgets import Budgets
from exporter.refresh.membership import Membership
from exporter.refresh.records import Moment, VaultRecord
from tests.builders import a_vault

NOW = Moment(datetime(2026, 3, 10, tzinfo=UTC), 0.0)
VAULTS = [a_vault(name=f"vault-{number}", location="") for number in range(4)]


class Half:
    """One of two shards."""

    def reads(self, vault_id: str) -> bool:
        return vault_id[-1] in "01"


def test_a_shard_spends_its_part_also_where_only_its_own_regions_are_known() -> None:
    """The vaults of the other may be of any region; its reads come out of the same budgets."""
    entries = "".join(f"\n  - id: {vault.path}" for vault in VAULTS)
    text = f"azure: {{read_budget: {{requests: 100, per: 1h}}}}\nvaults: {entries}"
    config = parse_config(text, {}, source="test")
    budgets = Budgets(config, SelfMetrics(), lambda: 0.0, {})
    membership = Membership(config, Half(), None, budgets)
    key = VAULTS[0].subscription_id, ""

    records = membership.arrange({}, {}, NOW, recall=True)
    assert len(records) == 2
    assert budgets.known[key].quota == 50

    located = {
        vault_id: replace(record, region="westeurope")
        for vault_id, record in records.items()
        if isinstance(record, VaultRecord)
    }
    membership.arrange({}, located, NOW, recall=False)
    assert budgets.known[key[0], "westeurope"].quota == 50
