"""Resource Graph: one query for all vaults and jobs (F§15)."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from exporter.simulator import ManualClock, Simulator, demo_fleet, sized_fleet
from exporter.simulator.kusto import COLUMNS

from .client import ANCHOR, Client, Job
from .test_kusto import ENDING, VAULTS
from .test_simulator import a_job

SPARE = "77777777-0000-4000-8000-000000000000"
Row = dict[str, Any]


def jobs_query(
    started: datetime = ANCHOR - timedelta(days=20), ended: datetime | None = None
) -> str:
    return (
        "RecoveryServicesResources"
        " | where type =~ 'microsoft.recoveryservices/vaults/backupjobs'"
        f" | where todatetime(properties.startTime) >= datetime({started:%Y-%m-%dT%H:%M:%SZ})"
        f" or todatetime(properties.endTime) >= datetime({ended or started:%Y-%m-%dT%H:%M:%SZ})"
        " or properties.status in~ ('InProgress', 'Cancelling')"
    )


def rows(client: Client, query: str, **request: Any) -> list[Row]:
    """Those of all pages."""
    options = request.pop("options", {})
    found: list[Row] = []
    while True:
        answer = client.graph(query, options=options, **request)
        answer.raise_for_status()
        page = answer.json()
        found += page["data"]
        if "$skipToken" not in page:
            assert page["totalRecords"] == len(found)
            return found
        options = options | {"$skipToken": page["$skipToken"]}


def ids(found: list[Row]) -> list[str]:
    return [row["id"] for row in found]


@pytest.fixture
def simulator(clock: ManualClock) -> Iterator[Simulator]:
    """Five vaults in two subscriptions, 43 jobs of which 3 run, and no quota."""
    fleet = sized_fleet(5, 43, subscriptions=2, running=3, anchor=ANCHOR)
    with Simulator(fleet=fleet, clock=clock, graph_quota=None) as simulator:
        yield simulator


def listed_jobs(client: Client, simulator: Simulator) -> list[Job]:
    return [job for vault_id in simulator.vault_ids for job in client.jobs(vault_id)]


def test_vaults(client: Client, simulator: Simulator) -> None:
    query = f"{VAULTS} | project id, name, type, location, tags, sku, properties | order by id asc"
    answer = client.graph(query).json()

    assert answer.pop("data") == rows(client, query)
    assert answer == {"totalRecords": 5, "count": 5, "facets": [], "resultTruncated": "false"}
    row = rows(client, query)[0]
    vault = client.get(simulator.vault_ids[0]).json()
    assert row == {
        "id": vault["id"],
        "name": vault["name"],
        "type": "microsoft.recoveryservices/vaults",
        "location": vault["location"],
        "tags": vault["tags"],
        "sku": vault["sku"],
        "properties": vault["properties"],
    }


def test_jobs_are_those_of_all_lists(client: Client, simulator: Simulator) -> None:
    listed = listed_jobs(client, simulator)

    found = rows(client, jobs_query() + ENDING)

    assert ids(found) == sorted(job["id"] for job in listed)
    properties = {job["name"]: job["properties"] for job in listed}
    assert {row["name"]: row["properties"] for row in found} == properties
    assert {row["type"] for row in found} == {"microsoft.recoveryservices/vaults/backupjobs"}


def test_a_row_has_all_columns_unless_told_otherwise(client: Client) -> None:
    """The resource group is in lower case, ids are not."""
    row = rows(client, jobs_query())[0]

    assert list(row) == list(COLUMNS)
    assert (row["sku"], row["tags"], row["kind"]) == (None, None, "")


def test_jobs_that_started_or_ended_since_an_instant_or_run(clock: ManualClock) -> None:
    fleet = demo_fleet(anchor=ANCHOR)
    with (
        Simulator(fleet=fleet, clock=clock, graph_quota=None) as simulator,
        Client(simulator) as client,
    ):
        clock.advance(timedelta(minutes=100))
        listed = listed_jobs(client, simulator)
        for minutes in (1, 50, 150, 3000):
            start = clock() - timedelta(minutes=minutes)
            end = clock() - timedelta(minutes=minutes / 3)
            expected = {
                job["name"]
                for job in listed
                if datetime.fromisoformat(job["properties"]["startTime"]) >= start
                or datetime.fromisoformat(job["properties"].get("endTime", "9999-01-01T00Z")) >= end
            }
            found = {row["name"] for row in rows(client, jobs_query(start, end))}
            assert found == expected
            assert len(found) > 3


def test_jobs_are_known_for_fourteen_days(client: Client, clock: ManualClock) -> None:
    clock.advance(timedelta(days=10))
    oldest = clock() - timedelta(days=14)
    starts = [row["properties"]["startTime"] for row in rows(client, jobs_query())]

    assert min(starts) >= f"{oldest:%Y-%m-%dT%H:%M:%S}"
    assert len(starts) > 43


@pytest.mark.parametrize("top", [1, 7, 43, 1000])
def test_pages_hold_every_row_once(client: Client, top: int) -> None:
    found = rows(client, jobs_query() + ENDING, options={"$top": top})

    assert ids(found) == ids(rows(client, jobs_query()))


def test_vaults_come_in_pages_too(client: Client, simulator: Simulator) -> None:
    assert ids(rows(client, VAULTS, options={"$top": 2})) == sorted(simulator.vault_ids)


def test_names_that_begin_alike_are_in_order(client: Client, simulator: Simulator) -> None:
    for name in ("vault", "vault-1", "vault1"):
        vault = sized_fleet(1, 9, anchor=ANCHOR).vaults[0]
        simulator.put_vault(replace(vault, name=name, resource_group="same"))

    found = ids(rows(client, jobs_query(), options={"$top": 4}))

    assert found == sorted(found)
    assert len(set(found)) == 43 + 27


def test_later_pages_show_the_instant_of_the_first(
    client: Client, simulator: Simulator, clock: ManualClock
) -> None:
    whole = rows(client, jobs_query())
    first = client.graph(jobs_query(), options={"$top": 20}).json()
    clock.advance(timedelta(hours=12))
    simulator.put_job(simulator.vault_ids[-1], a_job())
    simulator.remove_vault(simulator.vault_ids[3])

    options = {"$top": 1000, "$skipToken": first["$skipToken"]}
    second = client.graph(jobs_query(), options=options).json()

    assert first["data"] + second["data"] == whole
    assert second["totalRecords"] == 43
    assert "$skipToken" not in second


def test_without_ids_there_is_no_next_page(client: Client) -> None:
    """Then, and only then, the result is truncated; the word is a text."""
    answer = client.graph(f"{jobs_query()} | project name", options={"$top": 2}).json()

    assert (answer["resultTruncated"], answer["count"]) == ("true", 2)
    assert "$skipToken" not in answer
    assert list(answer["data"][0]) == ["name"]


def test_the_scope_is_subscriptions_or_management_groups(
    client: Client, simulator: Simulator
) -> None:
    subscription = simulator.vault_ids[1].split("/")[2]

    assert len(rows(client, VAULTS, subscriptions=[subscription.upper()])) == 2
    assert len(rows(client, VAULTS, subscriptions=[subscription, SPARE])) == 2
    assert len(rows(client, VAULTS, managementGroups=["MG-sized"])) == 5
    assert len(rows(client, VAULTS, managementGroups=[], subscriptions=[])) == 5
    assert len(rows(client, jobs_query(), subscriptions=[subscription])) == 9 + 8


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"subscriptions": [SPARE]}, 403, "AccessDenied"),
        ({"managementGroups": ["none"]}, 403, "AccessDenied"),
        ({"managementGroups": ["mg-sized"], "subscriptions": [SPARE]}, 400, "InvalidQueryScope"),
        ({"subscriptions": [f"{n}" for n in range(1001)]}, 400, "TooManySubscriptions"),
        ({"subscriptions": "all"}, 400, "InvalidRequestBody"),
        ({"options": {"$top": 1001}}, 400, "InvalidOptions"),
        ({"options": {"$top": 0}}, 400, "InvalidOptions"),
        ({"options": {"resultFormat": "table"}}, 400, "InvalidOptions"),
        ({"options": {"$skipToken": "abc"}}, 400, "InvalidSkipToken"),
        ({"options": {"$skipToken": "e30="}}, 400, "InvalidSkipToken"),
        ({"query": "Resources | limit 3"}, 400, "InvalidQuery"),
    ],
)
def test_errors_have_details(
    client: Client, request_: dict[str, Any], status: int, code: str
) -> None:
    answer = client.graph(**{"query": VAULTS, **request_})

    error = answer.json()["error"]
    assert (answer.status_code, error["details"][0]["code"]) == (status, code)
    assert error["code"] == {400: "BadRequest", 403: "AccessDenied"}[status]
    assert "correlationId = " in error["message"]


def test_a_token_is_of_one_query(client: Client) -> None:
    token = client.graph(VAULTS, options={"$top": 2}).json()["$skipToken"]

    answer = client.graph(jobs_query(), options={"$skipToken": token})

    assert answer.json()["error"]["details"][0]["code"] == "InvalidSkipToken"


def test_it_must_be_posted_as_json(client: Client) -> None:
    path = "/providers/Microsoft.ResourceGraph/resources"

    assert client.get(path).status_code == 405
    assert client.graph("").status_code == 400


def test_requests_are_recorded_with_their_body(client: Client, simulator: Simulator) -> None:
    simulator.clear_requests()
    client.graph(VAULTS, options={"$top": 3})
    client.page()

    graph, listed = simulator.requests
    assert (graph.api, graph.method, graph.status) == ("graph", "POST", 200)
    assert json.loads(graph.body) == {"query": VAULTS, "options": {"$top": 3}}
    assert listed.body == ""


def test_put_jobs_are_found_too(client: Client, simulator: Simulator) -> None:
    vault_id = simulator.vault_ids[0]
    existing = client.jobs()[0]
    simulator.put_job(vault_id, a_job(existing["name"]))
    long_ago = "2025-01-01T00:00:00Z"
    simulator.put_job(vault_id, a_job("running", startTime=long_ago))
    simulator.put_job(vault_id, a_job("old", startTime=long_ago, status="Failed"))
    simulator.put_job(vault_id, a_job("odd", startTime="yesterday", status="Failed"))
    simulator.put_job(vault_id, {"name": "bare"})

    found = {row["name"]: row for row in rows(client, jobs_query())}

    assert len(found) == 43 + 1
    assert found[existing["name"]]["properties"]["jobType"] == "AzureStorageJobV2"
    running = found["running"]
    assert running["id"] == f"{vault_id}/backupJobs/running"
    assert "extendedInfo" not in running["properties"]


def test_it_may_lag(clock: ManualClock) -> None:
    fleet = sized_fleet(2, 16, running=2, anchor=ANCHOR)
    lag = timedelta(minutes=5)
    with (
        Simulator(fleet=fleet, clock=clock, graph_lag=lag) as simulator,
        Client(simulator) as client,
    ):
        assert len(rows(client, jobs_query())) == 14

        simulator.remove_vault(fleet.vaults[0].id)
        simulator.put_job(fleet.vaults[1].id, a_job())
        clock.advance(lag - timedelta(seconds=1))
        assert len(rows(client, VAULTS)) == 2
        clock.advance(timedelta(seconds=1))
        assert len(rows(client, VAULTS)) == 1
        found = rows(client, jobs_query())

    assert len(found) == 8 + 1
    assert "aaaa" in {row["name"] for row in found}
    assert {row["properties"]["status"] for row in found} == {"Completed", "InProgress"}
