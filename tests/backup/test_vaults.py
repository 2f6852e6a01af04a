"""Vaults as Azure lists them, and which of them are wanted."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.backup.graph_rows import parse_job_rows, parse_row_page
from exporter.backup.shard import Shard
from exporter.backup.vaults import (
    Selection,
    VaultFilter,
    parse_vault_page,
    parse_vaults,
    tag_label,
    vault_id_of_job,
)
from exporter.errors import PayloadError
from tests.builders import a_vault
from tests.payloads import ODD_JSON

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = VaultFilter()
NOTHING = VaultFilter()


def a_document(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": "/subscriptions/AAAA/resourceGroups/rg-a"
        "/providers/microsoft.recoveryservices/Vaults/v",
        "name": "v",
        "type": "microsoft.recoveryservices/vaults",
        "location": "WestEurope",
        "sku": {"name": "RS0", "tier": "Standard"},
        "tags": {"team": "storage", "environment": "production"},
        "properties": {
            "redundancySettings": {"standardTierStorageRedundancy": "GeoRedundant"},
        },
    }
    return {**document, **changes}


def selected(include: VaultFilter = EVERYTHING, exclude: VaultFilter = NOTHING) -> list[str]:
    vaults = [
        a_vault(name="prod-1", location="westeurope", tags=(("Env", "prod"), ("team", "a"))),
        a_vault(name="prod-2", location="eastus", tags=(("env", "prod"),)),
        a_vault(name="test-1", resource_group="RG-Test", tags=(("env", "test"),)),
    ]
    return [vault.name for vault in Selection(include=include, exclude=exclude).of(vaults)]


def test_a_vault_has_what_azure_tells_of_it() -> None:
    problems: Counter[str] = Counter()

    [vault] = parse_vaults([a_document()], problems)

    assert vault.key == ("aaaa", "rg-a", "RecoveryServices", "v")
    assert vault.location == "westeurope"
    assert (vault.sku, vault.redundancy) == ("RS0", "GeoRedundant")
    assert vault.tags == (("environment", "production"), ("team", "storage"))
    assert not problems


@pytest.mark.parametrize(
    "document",
    [
        a_document(tags=None, sku=None, properties=None),
        {"id": a_document()["id"]},
        a_document(tags=[], sku="RS0", properties={"redundancySettings": 5}),
    ],
)
def test_what_a_vault_lacks_is_empty(document: dict[str, Any]) -> None:
    """Tags, identity and sku are null or absent in many answers (FACTS 13)."""
    [vault] = parse_vaults([document], Counter())

    assert (vault.sku, vault.redundancy, vault.tags) == ("", "", ())


def test_what_is_no_vault_is_left_out_and_counted() -> None:
    problems: Counter[str] = Counter()

    vaults = parse_vaults([5, {}, a_document(id="/subscriptions/x"), a_document()], problems)

    assert len(vaults) == 1
    assert problems["vault"] == 3


def test_a_page_of_2015_spells_its_list_with_a_capital() -> None:
    assert len(parse_vault_page({"Value": [a_document()]}).vaults) == 1


@pytest.mark.parametrize("body", [None, [], {}, {"value": {}}, {"value": [], "nextLink": 5}])
def test_a_body_that_is_no_list_is_not_an_empty_one(body: object) -> None:
    with pytest.raises(PayloadError):
        parse_vault_page(body)


@pytest.mark.parametrize(
    ("resource_id", "vault_id"),
    [
        (
            "/Subscriptions/S/resourceGroups/G/providers/Microsoft.RecoveryServices/vaults/V"
            "/backupJobs/j",
            "/subscriptions/s/resourcegroups/g/providers/microsoft.recoveryservices/vaults/v",
        ),
        ("/subscriptions/s/providers/Microsoft.RecoveryServices/locations/l/backupJobs/j", ""),
        (None, ""),
        (5, ""),
    ],
)
def test_the_vault_of_a_job_is_in_its_id(resource_id: object, vault_id: str) -> None:
    assert vault_id_of_job({"id": resource_id}) == vault_id
    assert vault_id_of_job([resource_id]) == ""


def test_without_filters_every_vault_is_wanted() -> None:
    assert selected() == ["prod-1", "prod-2", "test-1"]


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"name": re.compile("PROD-.*", re.IGNORECASE)}, ["prod-1", "prod-2"]),
        ({"name": re.compile("prod")}, []),
        ({"resource_groups": frozenset({"rg-test"})}, ["test-1"]),
        ({"locations": frozenset({"eastus", "westeurope"})}, ["prod-1", "prod-2"]),
        ({"tags": {"env": "prod"}}, ["prod-1", "prod-2"]),
        ({"tags": {"env": "prod", "team": "a"}}, ["prod-1"]),
        ({"tags": {"env": "prod"}, "locations": frozenset({"eastus"})}, ["prod-2"]),
    ],
)
def test_a_wanted_vault_meets_every_condition_of_include(
    filters: dict[str, Any], wanted: list[str]
) -> None:
    assert selected(include=VaultFilter(**filters)) == wanted


def test_one_condition_of_exclude_is_enough_to_leave_a_vault_out() -> None:
    exclude = VaultFilter(locations=frozenset({"eastus"}), tags={"env": "test"})

    assert selected(exclude=exclude) == ["prod-1"]


def test_only_tags_on_the_list_become_labels() -> None:
    """Anybody may tag a vault; each value makes new series."""
    selection = Selection(include=EVERYTHING, exclude=NOTHING, tags=frozenset({"env"}))

    [vault] = selection.of([a_vault(tags=(("Env", "prod"), ("cost-centre", "7")))])

    assert vault.tags == (("Env", "prod"),)


@given(st.text(min_size=1))
def test_any_tag_name_makes_a_label_that_prometheus_takes(name: str) -> None:
    assert re.fullmatch("tag_[a-z0-9_]+", tag_label(name))


@given(st.integers(1, 9), st.text())
def test_every_vault_is_in_exactly_one_shard(total: int, vault_id: str) -> None:
    assert sum(Shard(index, total).reads(vault_id) for index in range(total)) == 1


def test_few_vaults_move_when_a_shard_is_added() -> None:
    """One in five, those of the new shard; a plain modulo would move four in five."""
    ids = [f"/subscriptions/s/resourcegroups/g/vaults/v{number}" for number in range(2000)]

    def shard_of(vault_id: str, total: int) -> int:
        return next(i for i in range(total) if Shard(i, total).reads(vault_id))

    moved = [one for one in ids if shard_of(one, 4) != shard_of(one, 5)]

    assert all(shard_of(one, 5) == 4 for one in moved)
    assert 0.16 < len(moved) / len(ids) < 0.24
    sizes = Counter(shard_of(one, 4) for one in ids)
    assert max(sizes.values()) < 1.15 * min(sizes.values())


def test_the_split_stays_the_same_between_versions() -> None:
    """Shards of two versions run side by side during an upgrade."""
    ids = [f"vault-{number}" for number in range(12)]

    shards = [next(i for i in range(3) if Shard(i, 3).reads(one)) for one in ids]

    assert shards == [1, 1, 0, 0, 0, 2, 0, 1, 1, 1, 0, 1]


def test_every_recorded_vault_list_is_read(shared: Path) -> None:
    files = sorted(shared.glob("recorded/vault-lists/**/*.json"))
    assert files
    vaults = 0
    for file in files:
        body = json.loads(file.read_text())["body"]
        page = parse_vault_page(body)
        assert len(page.vaults) == len(body.get("value") or body.get("Value") or [])
        assert page.next_link == body.get("nextLink")
        assert not page.problems
        vaults += len(page.vaults)
    assert vaults > 200


def test_every_recorded_answer_of_resource_graph_is_read(shared: Path) -> None:
    files = sorted(shared.glob("recorded/resource-graph/*.json"))
    assert files
    for file in files:
        body = json.loads(file.read_text())["body"]
        page = parse_row_page(body)
        assert len(page.rows) == body["count"]
        # They are of Backup vaults: none of them is a job of a vault that is read here.
        assert {job for _, job in parse_job_rows(page.rows, Counter())} <= {None}


@given(ODD_JSON)
def test_whatever_json_comes_it_is_read_or_refused(body: object) -> None:
    for parse in (parse_vault_page, parse_row_page):
        with suppress(PayloadError):
            parse(body)
    rows = body if isinstance(body, list) else [body]
    parse_vaults(rows, Counter())
    list(parse_job_rows(rows, Counter()))
