"""Vaults as Resource Manager writes them (F§13)."""

from collections import Counter
from typing import Any

import pytest

from exporter.simulator import Vault, demo_fleet, sized_fleet
from exporter.simulator.vault_json import vault_document

from .client import ANCHOR, API_VERSION


def a_document(api_version: str = API_VERSION, **more: Any) -> dict[str, Any]:
    vault = Vault(subscription_id="s", resource_group="g", name="v", location="westeurope", **more)
    return vault_document(vault, api_version)


def test_tags_are_there_as_they_were_given() -> None:
    assert a_document(tags={"environment": "test"})["tags"] == {"environment": "test"}


def test_without_tags_it_is_null_or_absent() -> None:
    documents = [vault_document(vault, API_VERSION) for vault in sized_fleet(200, 0).vaults]
    found = Counter(repr(document.get("tags", "absent")) for document in documents)

    assert found["None"] > 0
    assert found["'absent'"] > 0
    assert found["{}"] == 0


@pytest.mark.parametrize(
    ("sku", "expected"),
    [("RS0", {"name": "RS0", "tier": "Standard"}), ("Standard", {"name": "Standard"})],
)
def test_only_rs0_has_a_tier(sku: str, expected: dict[str, str]) -> None:
    assert a_document(sku=sku)["sku"] == expected


def test_redundancy_is_told_by_newer_api_versions_only() -> None:
    vault: dict[str, Any] = {"redundancy": "ZoneRedundant", "cross_region_restore": True}

    assert a_document(**vault)["properties"]["redundancySettings"] == {
        "standardTierStorageRedundancy": "ZoneRedundant",
        "crossRegionRestore": "Enabled",
    }
    assert "redundancySettings" not in a_document("2021-03-01", **vault)["properties"]


def test_the_type_is_spelt_in_several_ways_but_the_same_for_a_vault() -> None:
    vaults = sized_fleet(50, 0).vaults
    types = [vault_document(vault, API_VERSION)["type"] for vault in vaults]

    assert len(set(types)) == 4
    assert {text.lower() for text in types} == {"microsoft.recoveryservices/vaults"}
    assert types == [vault_document(vault, API_VERSION)["type"] for vault in vaults]


def test_sized_vaults_differ() -> None:
    vaults = sized_fleet(40, 0, subscriptions=3).vaults

    assert len({(vault.tags.get("environment"), vault.tags.get("team")) for vault in vaults}) > 10
    assert {vault.redundancy for vault in vaults} == {
        "GeoRedundant",
        "LocallyRedundant",
        "ZoneRedundant",
    }
    assert {vault.sku for vault in vaults} == {"RS0", "Standard"}
    assert len({hash(vault) for vault in vaults}) == 40


def test_fleets_have_one_management_group() -> None:
    sized, demo = sized_fleet(1, 0, subscriptions=3), demo_fleet(anchor=ANCHOR)

    assert [len(group) for group in sized.management_groups.values()] == [3]
    assert list(sized.management_groups) == ["mg-sized"]
    assert set(demo.management_groups["mg-demo"]) == {v.subscription_id for v in demo.vaults}
    assert demo.vaults[0].tags["environment"] == "production"
