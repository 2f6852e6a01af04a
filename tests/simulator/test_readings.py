"""Successive answers of one address: operations, and jobs as they were recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.simulator import RateLimit, Simulator, sized_fleet
from exporter.simulator.readings import operation
from tests.simulator.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def azure() -> Iterator[Simulator]:
    with Simulator(fleet=sized_fleet(vaults=1, jobs=1)) as simulator:
        yield simulator


def test_each_read_finds_the_next_answer_and_the_last_one_stays(azure: Simulator) -> None:
    path = f"{azure.vault_ids[0]}/backupOperations/o"
    bodies = [None, operation("o", "InProgress"), operation("o", "Succeeded")]
    azure.put_readings(path, bodies, headers={"Retry-After": "60"})

    with Client(azure) as client:
        answers = [client.get(path.upper()) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [202, 200, 200, 200]
    assert answers[0].content == b""
    said = [answer.json()["status"] for answer in answers[1:]]
    assert said == ["InProgress", "Succeeded", "Succeeded"]
    assert {answer.headers["Retry-After"] for answer in answers} == {"60"}
    assert {one.api for one in azure.requests} == {"token", "operation"}


def test_an_operation_that_was_not_put_is_not_found(azure: Simulator) -> None:
    with Client(azure) as client:
        answer = client.get(f"{azure.vault_ids[0]}/backupJobs/j/operationsStatus/o")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "ResourceNotFound"


def test_readings_of_a_job_cost_reads_as_any_detail(azure: Simulator) -> None:
    path = f"{azure.vault_ids[0]}/backupJobs/j"
    azure.put_readings(path, [{"name": "j", "properties": {}}])
    azure.rate_limit = RateLimit(1)

    with Client(azure) as client:
        answers = [client.get(path).status_code for _ in range(2)]

    assert answers == [200, 429]
