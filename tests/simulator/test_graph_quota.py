"""The quota of Resource Graph, and faults injected into it (F§10)."""

from datetime import timedelta
from itertools import pairwise

from exporter.simulator import (
    EmptyList,
    HttpError,
    MalformedJobs,
    ManualClock,
    RateLimit,
    Simulator,
    Throttled,
)

from .client import Client
from .test_kusto import VAULTS

REMAINING = "x-ms-user-quota-remaining"
RESETS_AFTER = "x-ms-user-quota-resets-after"


def test_fifteen_queries_in_five_seconds(client: Client, clock: ManualClock) -> None:
    answers = [client.graph(VAULTS) for _ in range(15)]

    assert [answer.headers[REMAINING] for answer in answers] == [str(n) for n in range(14, -1, -1)]
    assert {answer.headers[RESETS_AFTER] for answer in answers} == {"00:00:05"}

    clock.advance(timedelta(seconds=1.5))
    refused = client.graph(VAULTS)
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "4"
    assert refused.headers[RESETS_AFTER] == "00:00:04"
    assert refused.headers[REMAINING] == "0"
    error = refused.json()["error"]
    assert (error["code"], error["details"][0]["code"]) == ("RateLimiting", "RateLimiting")

    clock.advance(timedelta(seconds=3.5))
    assert client.graph(VAULTS).headers[REMAINING] == "14"


def test_bad_queries_count_and_other_apis_do_not(client: Client) -> None:
    client.graph("nonsense")
    client.page()

    assert client.graph(VAULTS).headers[REMAINING] == "13"


def test_the_quota_may_change(simulator: Simulator, client: Client) -> None:
    assert simulator.graph_quota == RateLimit(15, timedelta(seconds=5))

    simulator.graph_quota = RateLimit(1, timedelta(seconds=9))
    assert client.graph(VAULTS).headers[RESETS_AFTER] == "00:00:09"
    assert client.graph(VAULTS).status_code == 429

    simulator.graph_quota = None
    answers = [client.graph(VAULTS) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any(REMAINING in answer.headers for answer in answers)


def test_injected_throttling_has_the_shape_of_resource_graph(
    simulator: Simulator, client: Client
) -> None:
    simulator.inject(Throttled(timedelta(seconds=7)), api="graph", times=1)
    told = client.graph(VAULTS)
    simulator.inject(Throttled(timedelta(seconds=7), told="message"), api="graph", times=1)
    untold = client.graph(VAULTS)

    assert told.json()["error"]["code"] == untold.json()["error"]["code"] == "RateLimiting"
    assert told.headers["Retry-After"] == "7"
    assert "Retry-After" not in untold.headers
    assert untold.headers[RESETS_AFTER] == "00:00:07"


def test_other_faults(simulator: Simulator, client: Client) -> None:
    simulator.inject(HttpError("forbidden"), api="graph", times=1)
    assert client.graph(VAULTS).json()["error"]["code"] == "AccessDenied"

    simulator.inject(MalformedJobs(["bad"]), api="graph", times=1)
    assert [type(row) for row in client.graph(VAULTS).json()["data"]] == [str, dict]

    simulator.inject(EmptyList(), api="graph", times=1)
    empty = client.graph(VAULTS).json()
    assert (empty["totalRecords"], empty["data"]) == (0, [])
    assert client.page().status_code == 200
    assert all(a.status == b.status for a, b in pairwise(simulator.requests[-2:]))
