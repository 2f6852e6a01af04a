"""Resource Graph at the HTTP border: paging, quota, and answers that are only a part."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import responses

from exporter.azure.query_quota import QueryQuota
from exporter.azure.resource_graph import ResourceGraphApi
from exporter.errors import ArmError, ErrorKind, NotNowError
from tests.azure.sessions import BASE, LATER, Edge
from tests.steering import SteeredClock

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = f"{BASE}/providers/Microsoft.ResourceGraph/resources"
SCOPE = "/providers/Microsoft.Management/managementGroups/mg"
VAULT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v"
SINCE = datetime(2026, 3, 9, 0, 0, 59, 999999, tzinfo=UTC)


class Graph:
    def __init__(self) -> None:
        self.edge = Edge()
        self.clock = SteeredClock()
        self.api = ResourceGraphApi(
            self.edge.session,
            "2021-03-01",
            self.edge.metrics,
            clock=self.clock,
            stop=self.edge.stop,
        )

    def jobs(self, give_up_at: float = LATER) -> dict[str, list[str]]:
        found = self.api.jobs(SCOPE, SINCE, give_up_at=give_up_at)
        return {vault_id: [job.job_id for job in jobs] for vault_id, jobs in found.jobs.items()}


@pytest.fixture
def graph() -> Graph:
    return Graph()


@pytest.fixture
def arm() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def a_row(name: str, vault: str = VAULT) -> dict[str, Any]:
    return {
        "id": f"{vault}/backupJobs/{name}",
        "name": name,
        "type": "microsoft.recoveryservices/vaults/backupjobs",
        "properties": {"status": "Completed", "operation": "Backup", "extendedInfo": None},
    }


def a_page(*rows: object, token: str | None = None, truncated: object = "false") -> dict[str, Any]:
    page: dict[str, Any] = {
        "totalRecords": 2,
        "count": len(rows),
        "data": list(rows),
        "facets": [],
        "resultTruncated": truncated,
    }
    return page if token is None else {**page, "$skipToken": token}


def sent(mock: responses.RequestsMock, call: int) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(mock.calls[call].request.body or "")
    return body


def test_pages_are_followed_by_their_token(graph: Graph, arm: responses.RequestsMock) -> None:
    arm.post(URL, json=a_page(a_row("j1"), token="t1", truncated="true"))
    arm.post(URL, json=a_page(a_row("j2", VAULT.upper())))

    assert graph.jobs() == {VAULT.lower(): ["j1", "j2"]}

    first, second = sent(arm, 0), sent(arm, 1)
    assert first["managementGroups"] == ["mg"]
    assert "datetime(2026-03-09T00:00:59Z)" in first["query"]
    assert first["options"]["$top"] == 1000
    assert second["options"]["$skipToken"] == "t1"


@pytest.mark.parametrize(
    "body",
    [
        a_page(a_row("j1"), truncated="true"),
        a_page(a_row("j1"), truncated=True),
        {"data": {"rows": []}},
        {"error": {"code": "x"}},
        [],
        {**a_page(), "$skipToken": 5},
    ],
)
def test_a_part_is_never_taken_for_the_whole(
    graph: Graph, arm: responses.RequestsMock, body: object
) -> None:
    arm.post(URL, json=body)

    with pytest.raises(ArmError) as caught:
        graph.jobs()

    assert caught.value.kind is ErrorKind.PAYLOAD


def test_a_token_that_comes_again_ends_the_query(graph: Graph, arm: responses.RequestsMock) -> None:
    arm.post(URL, json=a_page(a_row("j1"), token="t1"))

    with pytest.raises(ArmError, match="does not end"):
        graph.jobs()

    assert len(arm.calls) == 2


def test_more_subscriptions_than_are_looked_into_is_a_fault(
    graph: Graph, arm: responses.RequestsMock
) -> None:
    """Resource Graph says so in a header only, and answers for the first 10,000."""
    arm.post(URL, json=a_page(), headers={"x-ms-tenant-subscription-limit-hit": "true"})

    with pytest.raises(ArmError, match="10,000"):
        graph.jobs()


def test_rows_that_are_no_jobs_are_left_out_and_counted(
    graph: Graph, arm: responses.RequestsMock
) -> None:
    foreign = "/subscriptions/s/providers/Microsoft.RecoveryServices/locations/l"
    arm.post(URL, json=a_page(5, {}, a_row("j1", foreign), a_row("j2")))

    assert graph.jobs() == {VAULT.lower(): ["j2"]}

    registry = graph.edge.metrics.registry
    counted = registry.get_sample_value(
        "azure_backup_exporter_payload_errors_total", {"api": "resource_graph", "field": "job"}
    )
    assert counted == 3


def test_a_spent_quota_is_waited_for_as_the_answer_says(
    graph: Graph, arm: responses.RequestsMock
) -> None:
    headers = {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:04"}
    arm.post(URL, json=a_page(a_row("j1"), token="t1"), headers=headers)
    arm.post(URL, json=a_page(a_row("j2")))
    began = graph.clock.monotonic()

    graph.jobs()

    assert graph.clock.monotonic() - began == 4


def test_a_wait_longer_than_there_is_time_is_a_429(
    graph: Graph, arm: responses.RequestsMock
) -> None:
    arm.post(URL, status=429, headers={"Retry-After": "600"})

    with pytest.raises(ArmError) as caught:
        graph.jobs(give_up_at=graph.clock.monotonic() + 60)

    assert caught.value.kind is ErrorKind.THROTTLED
    assert len(arm.calls) == 1


def test_stopping_ends_the_wait(graph: Graph, arm: responses.RequestsMock) -> None:
    headers = {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:04"}

    def stop(_: object) -> tuple[int, dict[str, str], str]:
        graph.edge.stop.set()
        return 200, headers, json.dumps(a_page(a_row("j1"), token="t1"))

    arm.add_callback("POST", URL, stop)

    with pytest.raises(NotNowError):
        graph.jobs()


def test_a_quota_is_counted_down_between_answers() -> None:
    quota = QueryQuota()
    assert quota.take(0) == 0
    quota.answered(told(2), 0)

    assert [quota.take(1), quota.take(1), quota.take(1)] == [0, 0, 4]
    assert quota.take(5) == 0


def test_of_answers_that_cross_the_lower_number_counts() -> None:
    quota = QueryQuota()
    quota.answered(told(3), 0)
    quota.answered(told(9), 0)

    assert [quota.take(0) for _ in range(4)] == [0, 0, 0, 5]


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-ms-user-quota-remaining": "0"}, {"x-ms-user-quota-remaining": "many"}],
)
def test_headers_that_say_nothing_change_nothing(headers: dict[str, str]) -> None:
    quota = QueryQuota()
    quota.answered(headers, 0)

    assert quota.take(0) == 0


def told(remaining: int) -> dict[str, str]:
    return {
        "x-ms-user-quota-remaining": str(remaining),
        "x-ms-user-quota-resets-after": "00:00:05",
    }


def test_threads_never_take_more_than_there_is() -> None:
    quota = QueryQuota()
    quota.answered(told(50), 0)
    taken: list[float] = []
    threads = [
        threading.Thread(target=lambda: taken.extend(quota.take(1) for _ in range(20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert taken.count(0) == 50


def test_a_429_stops_all_queries_for_a_while() -> None:
    quota = QueryQuota()
    quota.throttled(0, timedelta(seconds=7).total_seconds())

    assert [quota.take(6), quota.take(7)] == [1, 0]
