"""Each fault, as a client sees it."""

import json
import threading
import time
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from exporter.simulator import (
    MALFORMED_JOBS,
    Delay,
    EmptyList,
    Fault,
    ForeignNextLink,
    HtmlPage,
    HttpError,
    LoopingNextLink,
    MalformedJobs,
    Reset,
    Simulator,
    Stall,
    Throttled,
    TruncatedJson,
    WrongContentType,
)
from exporter.simulator.arm_errors import ErrorKind

from .client import ANCHOR, Client, get_token, values

SHORT = 0.2


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("unauthorized", (401, "InvalidAuthenticationToken", "gateway")),
        ("forbidden", (403, "AuthorizationFailed", "gateway")),
        ("vault_not_found", (404, "ResourceNotFound", "gateway")),
        ("group_not_found", (404, "ResourceGroupNotFound", "gateway")),
        ("job_not_found", (404, "ResourceNotFound", "service")),
        ("not_registered", (409, "MissingSubscriptionRegistration", "gateway")),
        ("internal", (500, "RestApiInternalError", "service")),
        ("bad_gateway", (502, "InvalidGatewayHost", "gateway")),
        ("unavailable", (503, "ServerTimeout", "gateway")),
        ("gateway_timeout", (504, "GatewayTimeout", "service")),
    ],
)
def test_errors_have_azures_bodies(
    simulator: Simulator, client: Client, kind: ErrorKind, expected: tuple[int, str, str]
) -> None:
    simulator.inject(HttpError(kind))

    answer = client.page()

    cause = answer.headers["x-ms-failure-cause"]
    assert (answer.status_code, answer.json()["error"]["code"], cause) == expected


def test_errors_name_what_was_asked_for(simulator: Simulator, client: Client) -> None:
    vault_id = simulator.vault_ids[0]
    simulator.inject(HttpError("forbidden"), times=1)
    simulator.inject(HttpError("vault_not_found"), times=1)

    forbidden, not_found = client.page(), client.page()

    assert f"{vault_id}/backupJobs" in forbidden.json()["error"]["message"]
    assert vault_id.rpartition("/")[2] in not_found.json()["error"]["message"]


def test_the_old_shape_of_an_error(simulator: Simulator, client: Client) -> None:
    simulator.inject(HttpError("internal_old_shape"))

    answer = client.page()

    assert answer.status_code == 500
    assert answer.json()["ErrorCode"] == "CloudInternalError"
    assert "\r\n" in answer.json()["Message"]["Value"]


@pytest.mark.parametrize(
    ("told", "header"),
    [("seconds", "7"), ("date", "Sun, 01 Mar 2026 12:00:07 GMT"), ("message", None)],
)
def test_a_429_tells_the_wait_in_three_ways(
    simulator: Simulator, client: Client, told: Any, header: str | None
) -> None:
    simulator.inject(Throttled(timedelta(seconds=7), told=told))

    answer = client.page()

    assert answer.status_code == 429
    assert answer.headers.get("Retry-After") == header
    assert "after '7' seconds" in answer.json()["error"]["message"]
    if told == "date":
        assert parsedate_to_datetime(str(header)) == ANCHOR + timedelta(seconds=7)


@pytest.mark.parametrize("status", [500, 200])
def test_an_html_page_calls_itself_json(simulator: Simulator, client: Client, status: int) -> None:
    simulator.inject(HtmlPage(status))

    answer = client.page()

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_json_is_cut_off(simulator: Simulator, client: Client) -> None:
    simulator.inject(TruncatedJson())

    answer = client.page()

    assert answer.status_code == 200
    assert answer.text.startswith('{"value":[{')
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)


def test_the_content_type_is_wrong(simulator: Simulator, client: Client) -> None:
    simulator.inject(WrongContentType("application/octet-stream"))

    answer = client.page()

    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert len(answer.json()["value"]) == 10


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Stall(), requests.exceptions.ConnectionError),
        (Stall(after_headers=False), requests.exceptions.ReadTimeout),
    ],
)
def test_an_answer_stalls(
    simulator: Simulator, client: Client, fault: Fault, error: type[Exception]
) -> None:
    simulator.inject(fault, times=1)

    with pytest.raises(error, match="timed out"):
        client.page(timeout=SHORT)

    assert client.page().status_code == 200


def test_stalled_clients_are_counted_and_let_go_at_the_end(
    simulator: Simulator, client: Client
) -> None:
    simulator.inject(Stall(after_headers=False), times=1)
    failed = threading.Event()

    def wait() -> None:
        try:
            client.page()
        except requests.exceptions.ConnectionError:
            failed.set()

    thread = threading.Thread(target=wait)
    thread.start()
    deadline = time.monotonic() + 5
    while simulator.stalled == 0 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert simulator.stalled == 1

    started = time.monotonic()
    simulator.stop()

    assert time.monotonic() - started < 1
    thread.join(5)
    assert failed.is_set()


def test_a_connection_is_reset(simulator: Simulator, client: Client) -> None:
    simulator.inject(Reset(), times=1)

    with pytest.raises(requests.exceptions.ConnectionError, match="reset by peer"):
        client.page()

    assert client.page().status_code == 200
    assert [request.status for request in simulator.requests[-2:]] == [0, 200]


def test_an_answer_comes_late(simulator: Simulator, client: Client) -> None:
    simulator.inject(Delay(timedelta(seconds=SHORT)), times=1)

    slow, fast = client.page(), client.page()

    assert slow.elapsed.total_seconds() >= SHORT > fast.elapsed.total_seconds()
    assert values(slow) == values(fast)


def test_a_late_answer_does_not_hold_the_end_up(simulator: Simulator, client: Client) -> None:
    simulator.inject(Delay(timedelta(minutes=1)))
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.page(timeout=SHORT)

    started = time.monotonic()
    simulator.stop()

    assert time.monotonic() - started < 1


def test_malformed_jobs_stand_among_good_ones(simulator: Simulator, client: Client) -> None:
    good = client.jobs()
    simulator.inject(MalformedJobs())

    mixed: list[Any] = list(client.jobs())

    assert len(mixed) == len(good) + len(MALFORMED_JOBS)
    assert [job for job in mixed if job in good] == good
    assert (mixed[0], mixed[1], mixed[2]) == (None, good[0], "not a job")
    assert "NaN" in client.page().text


def test_more_malformed_jobs_than_good_ones(simulator: Simulator, client: Client) -> None:
    simulator.inject(MalformedJobs(jobs=[7] * 15))

    mixed: list[Any] = list(client.jobs())

    assert mixed[:2] == [7, mixed[1]]
    assert mixed.count(7) == 15
    assert len(mixed) == 25


def test_a_next_link_leads_back(simulator: Simulator, client: Client) -> None:
    simulator.inject(LoopingNextLink())

    first = client.page(job_filter="status eq 'Completed'")
    second = client.get(first.json()["nextLink"])

    assert first.json() == second.json()


def test_a_next_link_leads_astray(simulator: Simulator, client: Client) -> None:
    simulator.inject(ForeignNextLink("http://elsewhere.invalid/next"))

    assert client.page().json()["nextLink"] == "http://elsewhere.invalid/next"


def test_a_list_is_empty(simulator: Simulator, client: Client) -> None:
    simulator.inject(EmptyList())

    assert client.jobs() == []


def test_a_spoilt_list_that_is_none_stays_as_it_is(simulator: Simulator, client: Client) -> None:
    simulator.inject(EmptyList())

    assert client.page(job_filter="nonsense").status_code == 400


def test_faults_happen_so_many_times_and_in_order(simulator: Simulator, client: Client) -> None:
    simulator.inject(HttpError("unavailable"), times=2)
    last = simulator.inject(HttpError("internal"), times=1)

    assert [client.page().status_code for _ in range(4)] == [503, 503, 500, 200]
    assert last.hits == 1


def test_faults_end_when_cleared(simulator: Simulator, client: Client) -> None:
    one = simulator.inject(HttpError("unavailable"))
    simulator.inject(HttpError("internal"))

    statuses = [client.page().status_code]
    one.clear()
    statuses.append(client.page().status_code)
    simulator.clear_faults()
    statuses.append(client.page().status_code)

    assert statuses == [503, 500, 200]


def test_a_fault_befalls_one_api_only(simulator: Simulator, client: Client) -> None:
    simulator.inject(HttpError("unavailable"), api="detail")

    job = client.jobs()[0]

    assert client.get(job["id"]).status_code == 503


def test_a_fault_befalls_one_job_only(simulator: Simulator, client: Client) -> None:
    first, second = client.jobs()[:2]
    simulator.inject(HttpError("job_not_found"), job_id=first["name"].upper())

    assert client.get(first["id"]).status_code == 404
    assert client.get(second["id"]).status_code == 200


def test_a_fault_befalls_one_vault_only(simulator: Simulator, client: Client) -> None:
    other = f"{simulator.vault_ids[0]}-2"
    simulator.put_job(other, {"name": "1"})
    simulator.inject(HttpError("forbidden"), vault_id=other.upper())

    assert client.page(other).status_code == 403
    assert client.page().status_code == 200


def test_sign_in_fails_only_when_named(simulator: Simulator) -> None:
    simulator.inject(HttpError("unavailable"))
    assert get_token(simulator).status_code == 200

    simulator.inject(HttpError("unavailable"), api="token")
    assert get_token(simulator).status_code == 503
