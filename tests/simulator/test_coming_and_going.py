"""Vaults that appear and go away while the simulator runs, and pages of vault lists."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest

from exporter.simulator import ManualClock, Simulator, Vault, demo_fleet, sized_fleet
from exporter.simulator.past import Remembering

from .client import ANCHOR, Client, Job, names, values
from .test_simulator import a_job

VAULTS = "providers/Microsoft.RecoveryServices/vaults"
SPARE = "77777777-0000-4000-8000-000000000000"


def a_vault(name: str = "late", subscription: str = SPARE, jobs: int = 9) -> Vault:
    vault = sized_fleet(1, jobs, anchor=ANCHOR).vaults[0]
    return replace(vault, name=name, subscription_id=subscription)


def listed(client: Client, subscription: str) -> list[Job]:
    page = client.get(f"/subscriptions/{subscription}/{VAULTS}").json()
    found: list[Job] = page["value"]
    while "nextLink" in page:
        page = client.get(page["nextLink"]).json()
        found += page["value"]
    return found


def test_a_put_vault_comes_with_its_jobs(simulator: Simulator, client: Client) -> None:
    vault = a_vault()
    assert client.get(f"/subscriptions/{SPARE}/{VAULTS}").status_code == 404

    simulator.put_vault(vault)

    assert simulator.vault_ids[-1] == vault.id
    assert names(listed(client, SPARE)) == ["late"]
    jobs = client.jobs(vault.id)
    assert len(jobs) == 9
    assert client.detail(jobs[0])["name"] == jobs[0]["name"]


def test_a_put_vault_replaces_the_one_of_its_id(simulator: Simulator, client: Client) -> None:
    simulator.put_vault(a_vault())
    simulator.put_vault(replace(a_vault(), tags={"team": "web"}, items=()))

    assert [vault["tags"] for vault in listed(client, SPARE)] == [{"team": "web"}]
    assert client.jobs(a_vault().id) == []


def test_a_gone_vault_is_as_an_unknown_one(simulator: Simulator, client: Client) -> None:
    vault_id = simulator.vault_ids[0]
    job = client.jobs()[0]
    subscription = vault_id.split("/")[2]

    simulator.remove_vault(vault_id.upper())

    for path in (vault_id, f"{vault_id}/backupJobs", job["id"]):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")
    for path in (f"/subscriptions/{subscription}/{VAULTS}", vault_id.rpartition("/")[0]):
        assert client.get(path).json() == {"value": []}
    with pytest.raises(KeyError):
        simulator.remove_vault(vault_id)


def test_jobs_that_were_put_into_a_vault_go_with_it(simulator: Simulator, client: Client) -> None:
    vault = a_vault()
    simulator.put_vault(vault)
    simulator.put_job(vault.id, a_job())
    simulator.remove_vault(vault.id)
    simulator.put_vault(vault)

    assert len(client.jobs(vault.id)) == 9


def test_a_subscription_without_vaults_has_an_empty_list() -> None:
    fleet = sized_fleet(1, 1, subscriptions=2, anchor=ANCHOR)
    empty = fleet.management_groups["mg-sized"][1]

    with Simulator(fleet=fleet) as simulator, Client(simulator) as client:
        assert client.get(f"/subscriptions/{empty}/{VAULTS}").json() == {"value": []}
        unknown = client.get(f"/subscriptions/{SPARE}/{VAULTS}")

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "SubscriptionNotFound")


def test_pages_of_vaults_are_as_large_as_told() -> None:
    fleet = sized_fleet(7, 0)
    with Simulator(fleet=fleet, vaults_page_size=3) as simulator, Client(simulator) as client:
        subscription = fleet.vaults[0].subscription_id
        page = client.get(f"/subscriptions/{subscription}/{VAULTS}").json()
        found = listed(client, subscription)

    assert len(page["value"]) == 3
    assert quote("$skiptoken=", safe="=") in page["nextLink"]
    assert [vault["id"] for vault in found] == [vault.id for vault in fleet.vaults]


def test_a_vault_that_goes_between_two_pages_hides_no_other() -> None:
    fleet = sized_fleet(4, 0)
    with Simulator(fleet=fleet, vaults_page_size=2) as simulator, Client(simulator) as client:
        path = fleet.vaults[0].id.partition("/resourceGroups")[0]
        page = client.get(f"{path}/{VAULTS}").json()
        simulator.remove_vault(fleet.vaults[0].id)
        rest = values(client.get(page["nextLink"]))

    assert names(rest) == [vault.name for vault in fleet.vaults[2:]]


def test_the_demo_has_vaults_to_take_away(clock: ManualClock) -> None:
    fleet = demo_fleet(anchor=ANCHOR)
    with Simulator(fleet=fleet, clock=clock) as simulator, Client(simulator) as client:
        simulator.remove_vault(fleet.vaults[1].id)
        found = listed(client, fleet.vaults[1].subscription_id)

    assert names(found) == ["rsv-prod-weu"]


def test_what_was_is_remembered_for_the_span_and_an_hour() -> None:
    hour = round(timedelta(hours=1).total_seconds() * 10_000_000)
    things = Remembering({"a": 1}, span=10)
    things.put("b", 2, 100)
    things.put("a", 3, 200)
    things.remove("b", 300)

    assert [things.at(instant) for instant in (99, 100, 200, 300, 10**20)] == [
        {"a": 1},
        {"a": 1, "b": 2},
        {"a": 3, "b": 2},
        {"a": 3},
        {"a": 3},
    ]
    things.put("c", 4, 300 + hour + 11)
    assert things.at(0) == things.at(299) == {"a": 3}
    with pytest.raises(KeyError):
        things.remove("b", 400)
