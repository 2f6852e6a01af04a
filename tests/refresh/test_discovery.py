"""Vaults that are found by themselves, against the simulator."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import pytest

from exporter.simulator import EmptyList, HttpError, Stall, sized_fleet
from exporter.simulator.inventory import Vault
from tests.builders import NOW
from tests.steering import Steered, steered

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBSCRIPTION = "00000000-0000-4000-8000-000000000000"
BY_ARM = f"[{{subscription_id: {SUBSCRIPTION}}}]"
BY_GRAPH = f"[{{subscription_id: {SUBSCRIPTION}, source: resource_graph}}]"
BY_GROUP = "[{management_group: MG-Sized}]"
SCOPE = f"/subscriptions/{SUBSCRIPTION}"

NEW = Vault(
    subscription_id=SUBSCRIPTION, resource_group="rg-new", name="new", location="westeurope"
)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steered]:
    """Three vaults with eight jobs each."""
    fleet = sized_fleet(vaults=3, jobs=24, anchor=NOW)
    with steered(monkeypatch, fleet, page_size=1000, vaults_page_size=2) as stage:
        yield stage


def vaults(stage: Steered) -> int:
    return len(stage.values("vault_up"))


def found(stage: Steered, source: str = "arm") -> float | None:
    return stage.own("discovery_vaults", scope=SCOPE, source=source)


def up(stage: Steered, source: str = "arm") -> float | None:
    return stage.own("discovery_up", scope=SCOPE, source=source)


def errors(stage: Steered, kind: str) -> float | None:
    return stage.own("discovery_errors_total", scope=SCOPE, source="arm", kind=kind)


@pytest.mark.parametrize("discovery", [BY_ARM, BY_GRAPH, BY_GROUP])
def test_vaults_are_found_and_read_in_one_go(stage: Steered, discovery: str) -> None:
    stage.configure(vaults="[]", discovery=discovery)
    assert vaults(stage) == 0

    stage.refresh()

    assert stage.values("vault_up") == [1, 1, 1]
    assert len(stage.values("last_job_status", status="Completed")) == 3


def test_discovery_says_when_and_how_many_it_has_found(stage: Steered) -> None:
    stage.configure(vaults="[]", discovery=BY_ARM)
    assert found(stage) is None
    assert errors(stage, "forbidden") == 0

    stage.refresh()

    assert (found(stage), up(stage)) == (3, 1)
    at = stage.own("discovery_last_success_timestamp_seconds", scope=SCOPE, source="arm")
    assert at == NOW.timestamp()


def test_a_vault_that_appears_needs_no_restart(stage: Steered) -> None:
    stage.configure(vaults="[]", discovery=BY_ARM)
    stage.refresh()

    stage.simulator.put_vault(NEW)
    stage.refresh()

    assert stage.values("vault_up", vault="new") == [1]
    assert found(stage) == 4


@pytest.mark.parametrize("discovery", [BY_ARM, BY_GRAPH, BY_GROUP])
def test_a_vault_that_is_deleted_leaves_the_page(stage: Steered, discovery: str) -> None:
    stage.configure(vaults="[]", discovery=discovery)
    stage.refresh()
    [first, *_] = stage.simulator.vault_ids

    stage.simulator.remove_vault(first)
    stage.refresh()

    assert stage.values("vault_up") == [1, 1]
    assert stage.values("last_job_status", vault="vault-0000") == []


@pytest.mark.parametrize("kind", ["forbidden", "internal", "unauthorized"])
def test_a_search_that_fails_is_no_estate_without_vaults(
    stage: Steered, kind: Literal["forbidden", "internal", "unauthorized"]
) -> None:
    stage.configure(vaults="[]", discovery=BY_ARM)
    stage.refresh()

    fault = stage.simulator.inject(HttpError(kind), api="vaults")
    stage.refresh()

    assert stage.values("vault_up") == [1, 1, 1]
    assert (up(stage), found(stage)) == (0, 3)
    fault.clear()
    stage.refresh()
    assert up(stage) == 1


def test_a_first_search_that_fails_says_nothing_of_numbers(stage: Steered) -> None:
    stage.simulator.inject(HttpError("forbidden"), api="vaults")
    collector = stage.configure(vaults="[]", discovery=BY_ARM)

    stage.refresh()

    assert (up(stage), found(stage)) == (0, None)
    assert errors(stage, "forbidden") == 1
    assert collector.ready
    assert not collector.all_up


def test_a_failed_search_tells_what_to_do_and_only_once(
    stage: Steered, caplog: pytest.LogCaptureFixture
) -> None:
    stage.simulator.inject(HttpError("forbidden"), api="vaults")
    stage.configure(vaults="[]", discovery=BY_ARM)

    with caplog.at_level(logging.WARNING):
        stage.refresh()
        stage.refresh()

    [record] = [record for record in caplog.records if "discovery" in record.getMessage()]
    assert f"assign the role Backup Reader on {SCOPE}" in record.getMessage()
    assert UUID(vars(record)["request_id"])


def test_an_empty_list_drops_no_vault_that_exists(stage: Steered) -> None:
    """Lists have been seen empty; Resource Graph is silent about what a role no longer shows."""
    stage.configure(vaults="[]", discovery=BY_ARM)
    stage.refresh()

    stage.simulator.inject(EmptyList(), api="vaults", times=2)
    stage.refresh()
    stage.refresh()
    assert stage.values("vault_up") == [1, 1, 1]
    stage.refresh()
    assert (stage.values("vault_up"), found(stage)) == ([1, 1, 1], 3)


def test_a_vault_that_cannot_be_asked_for_stays(stage: Steered) -> None:
    stage.configure(vaults="[]", discovery=BY_ARM)
    stage.refresh()
    stage.simulator.inject(EmptyList(), api="vaults")
    stage.simulator.inject(HttpError("forbidden"), api="vault")

    for _ in range(5):
        stage.refresh()

    assert stage.values("vault_up") == [1, 1, 1]


def test_a_vault_out_of_the_scope_is_dropped_though_it_exists(stage: Steered) -> None:
    """A subscription can leave a management group."""
    stage.configure(vaults="[]", discovery=BY_ARM)
    stage.refresh()
    stage.simulator.inject(EmptyList(), api="vaults")

    stage.refresh()
    stage.refresh()
    assert vaults(stage) == 3
    stage.refresh()

    assert vaults(stage) == 0


def test_what_is_not_wanted_any_more_goes_with_a_reload(stage: Steered) -> None:
    stage.configure(vaults="[]", discovery=BY_ARM)
    stage.refresh()

    stage.configure(
        vaults="[]",
        discovery=f"[{{subscription_id: {SUBSCRIPTION}, exclude: {{name: '.*-0001'}}}}]",
    )
    stage.refresh()

    assert stage.values("vault_up", vault="vault-0001") == []
    assert stage.values("vault_up") == [1, 1]


def test_a_reload_keeps_what_was_found_on_the_page(stage: Steered) -> None:
    stage.configure(vaults="[]", discovery=BY_ARM)
    stage.refresh()
    shown = stage.page

    collector = stage.configure(vaults="[]", discovery=BY_ARM)

    assert stage.page == shown
    assert collector.ready


def test_a_scope_that_was_wrong_for_a_while_costs_nothing_known(stage: Steered) -> None:
    stage.configure(vaults="[]", discovery=BY_ARM)
    stage.refresh()
    wrong = stage.simulator.inject(HttpError("forbidden"), api="graph")
    stage.configure(vaults="[]", discovery=BY_GROUP)
    stage.refresh()
    assert vaults(stage) == 0
    wrong.clear()

    stage.configure(vaults="[]", discovery=BY_ARM)
    reads = stage.refresh()

    assert vaults(stage) == 3
    assert "detail" not in {api for api, _, _ in reads}


def test_a_vault_that_is_configured_too_is_read_once_as_it_is_named(stage: Steered) -> None:
    first = stage.simulator.vault_ids[0].replace("rg-0000", "RG-0000")
    stage.configure(vaults=f"[{{id: {first}}}]", discovery=BY_ARM)

    lists = [vault for api, vault, _ in stage.refresh() if api == "list"]

    assert len(lists) == len(set(lists)) == 3
    assert stage.values("vault_info", resource_group="RG-0000", location="westeurope") == [1]


@pytest.mark.parametrize("named", [False, True], ids=["discovered", "named, too"])
def test_lateness_by_tag_holds_and_changes_with_a_reload(stage: Steered, named: bool) -> None:
    """The tag need not be among metrics.vault_tags."""
    [first, *_] = sized_fleet(vaults=1).vaults
    stage.simulator.put_vault(replace(first, tags={"Tier": "gold"}))
    entries = f"[{{id: {stage.simulator.vault_ids[0]}}}]" if named else "[]"

    def hours(vault: str) -> dict[str, float]:
        family = "last_success_age_limit_seconds"
        found = {s: stage.values(family, vault=vault, severity=s) for s in ("warning", "critical")}
        return {severity: max(values) / 3600 for severity, values in found.items() if values}

    gold = "[{vaults: {tags: {tier: gold}}, warning: 1h, critical: never}]"
    stage.configure(vaults=entries, discovery=BY_ARM, lateness=gold)
    stage.refresh()
    assert hours("vault-0000") == {"warning": 1}
    assert hours("vault-0001") == {"warning": 30, "critical": 54}

    stage.configure(vaults=entries, discovery=BY_ARM)
    assert hours("vault-0000") == {"warning": 30, "critical": 54}, "before anything is read"


def test_the_info_of_a_vault_has_allow_listed_tags_only(stage: Steered) -> None:
    stage.simulator.put_vault(
        Vault(
            subscription_id=SUBSCRIPTION,
            resource_group="rg-new",
            name="new",
            location="uksouth",
            redundancy="ZoneRedundant",
            tags={"Cost-Centre": 'a"b', "secret": "x"},
        )
    )
    stage.configure(
        vaults="[]", discovery=BY_ARM, metrics="{vault_tags: [cost-centre, environment]}"
    )

    stage.refresh()

    [line] = [
        line
        for line in stage.page.splitlines()
        if line.startswith("azure_backup_vault_info{") and 'vault="new"' in line
    ]
    assert 'location="uksouth",sku="RS0",redundancy="ZoneRedundant"' in line
    assert 'tag_cost_centre="a\\"b"' in line
    assert "secret" not in line


def test_without_discovery_the_info_is_what_the_configuration_says(stage: Steered) -> None:
    stage.refresh()

    assert len(stage.values("vault_info", location="", sku="", redundancy="")) == 3


def test_a_search_that_hangs_holds_up_no_vault(stage: Steered) -> None:
    """The vaults known by then are read on, and the search is given up."""
    stage.configure(vaults="[]", discovery=BY_ARM)
    stage.refresh()
    fault = stage.simulator.inject(Stall(), api="vaults")
    stage.configure(
        vaults="[]",
        discovery=BY_ARM,
        azure=stage.azure(timeout="300ms"),
        refresh="{discovery_interval: 1s}",
    )

    stage.refresh()

    assert stage.values("vault_up") == [1, 1, 1]
    assert up(stage) == 0
    fault.clear()


def test_names_that_change_their_case_make_no_new_series(stage: Steered) -> None:
    """Resource Manager spells resource groups as whoever asks, now so and now so (FACTS 4)."""
    stage.configure(vaults="[]", discovery=BY_ARM)
    stage.refresh()
    labels = {line.partition("}")[0] for line in stage.page.splitlines() if "vault_up" in line}
    [first, *_] = stage.simulator.vault_ids
    stage.simulator.remove_vault(first)
    stage.simulator.put_vault(
        Vault(
            subscription_id=SUBSCRIPTION,
            resource_group="RG-0000",
            name="VAULT-0000",
            location="westeurope",
        )
    )

    stage.refresh()

    assert labels == {
        line.partition("}")[0] for line in stage.page.splitlines() if "vault_up" in line
    }


def test_a_reload_from_named_to_found_vaults_reads_no_detail_again(stage: Steered) -> None:
    stage.refresh()

    stage.configure(vaults="[]", discovery=BY_ARM)
    reads = [api for api, _, _ in stage.refresh()]

    assert reads.count("detail") == 0
    assert stage.values("vault_up") == [1, 1, 1]
