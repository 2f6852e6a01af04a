"""The read limit (F§10)."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest

from exporter.simulator import ManualClock, RateLimit, Simulator, sized_fleet

from .client import ANCHOR, Client

HEADER = "x-ms-ratelimit-remaining-subscription-resource-requests"


@pytest.fixture
def simulator(clock: ManualClock) -> Iterator[Simulator]:
    """Four vaults: two in each of two locations."""
    fleet = sized_fleet(4, 8, locations=2, anchor=ANCHOR)
    limit = RateLimit(4, timedelta(hours=1))
    with Simulator(fleet=fleet, clock=clock, rate_limit=limit) as simulator:
        yield simulator


def test_list_and_detail_share_one_counter(client: Client) -> None:
    answer = client.page()
    assert answer.headers[HEADER] == "3"

    answer = client.get(answer.json()["value"][0]["id"])

    assert answer.headers[HEADER] == "2"


def test_it_counts_by_subscription_and_location(simulator: Simulator, client: Client) -> None:
    remaining = [client.page(vault_id).headers[HEADER] for vault_id in simulator.vault_ids]

    assert remaining == ["3", "3", "2", "2"]


def test_beyond_it_is_azures_429(client: Client, clock: ManualClock) -> None:
    for _ in range(4):
        client.page().raise_for_status()
        clock.advance(timedelta(minutes=1))

    answer = client.page()

    assert answer.status_code == 429
    assert answer.json() == {
        "error": {
            "code": "ResourceRequestsThrottled",
            "message": (
                "Number of requests for action 'Microsoft.RecoveryServices/vaults/backupJobs/read'"
                " exceeded the limit of '4' for time interval '01:00:00'."
                " Please try again after '3360' seconds."
            ),
        }
    }
    assert answer.headers["Retry-After"] == "3360"
    assert answer.headers["x-ms-failure-cause"] == "gateway"
    assert answer.headers[HEADER] == "0"


def test_after_the_wait_the_counter_is_full_again(client: Client, clock: ManualClock) -> None:
    for _ in range(5):
        answer = client.page()

    clock.advance(timedelta(seconds=int(answer.headers["Retry-After"]) - 1))
    assert client.page().status_code == 429

    clock.advance(timedelta(seconds=1))
    assert client.page().headers[HEADER] == "3"


def test_vault_requests_are_not_counted(simulator: Simulator, client: Client) -> None:
    for _ in range(6):
        answer = client.get(simulator.vault_ids[0])

    assert answer.status_code == 200
    assert HEADER not in answer.headers


def test_the_limit_may_change(simulator: Simulator, client: Client) -> None:
    for _ in range(5):
        client.page()

    simulator.rate_limit = RateLimit(2)
    assert client.page().headers[HEADER] == "1"
    assert simulator.rate_limit == RateLimit(2)

    simulator.rate_limit = None
    answers = [client.page() for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any(HEADER in answer.headers for answer in answers)


def test_the_header_may_waver(simulator: Simulator, client: Client) -> None:
    """It is a hint only: not monotonic, and it reaches -1 on a 200."""
    simulator.rate_limit = RateLimit(40, wavering=True)

    remaining = [int(client.page().headers[HEADER]) for _ in range(40)]

    assert any(later > earlier for earlier, later in pairwise(remaining))
    assert min(remaining) == -1
