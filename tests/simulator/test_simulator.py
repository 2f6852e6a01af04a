"""Routes, records, put jobs, and the simulator as a program."""

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests

from exporter.simulator import ManualClock, Simulator, sized_fleet

from .client import ANCHOR, API_VERSION, TIMEOUT, Client, names

VAULTS = "providers/Microsoft.RecoveryServices/vaults"


def a_job(name: str = "aaaa", **properties: object) -> dict[str, Any]:
    return {
        "id": f"/x/{name}",
        "name": name,
        "properties": {
            "jobType": "AzureStorageJobV2",
            "status": "InProgress",
            "operation": "Backup",
            "backupManagementType": "AzureStorage",
            "startTime": "2026-03-01T11:00:00.1234567Z",
            "extendedInfo": {"tasksList": []},
            **properties,
        },
    }


def test_paths_compare_without_case(simulator: Simulator, client: Client) -> None:
    vault_id = simulator.vault_ids[0]
    job = client.jobs()[0]

    for change in (str.lower, str.upper):
        assert client.jobs(change(vault_id)) == client.jobs()
        assert client.detail({"id": change(job["id"])})["name"] == job["name"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/", 404, "InvalidResourceType"),
        ("{vault}/backupPolicies", 404, "InvalidResourceType"),
        ("{vault}x", 404, "ResourceNotFound"),
        ("{vault}x/backupJobs", 404, "ResourceNotFound"),
        ("{vault}/backupJobs/aaaa", 404, "ResourceNotFound"),
        (f"/subscriptions/none/{VAULTS}", 404, "SubscriptionNotFound"),
        ("{group}x/" + VAULTS, 404, "ResourceGroupNotFound"),
    ],
)
def test_what_is_not_there_is_a_404(
    simulator: Simulator, client: Client, path: str, status: int, code: str
) -> None:
    vault = simulator.vault_ids[0]

    answer = client.get(path.format(vault=vault, group=vault.partition("/providers")[0]))

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("api_version", "code"),
    [("", "MissingApiVersionParameter"), ("latest", "InvalidApiVersionParameter")],
)
def test_an_api_version_is_needed(
    simulator: Simulator, client: Client, api_version: str, code: str
) -> None:
    answer = client.get(f"{simulator.vault_ids[0]}/backupJobs", {"api-version": api_version})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize("method", ["POST", "DELETE", "HEAD"])
def test_other_methods_are_refused(simulator: Simulator, method: str) -> None:
    answer = requests.request(method, simulator.url + simulator.vault_ids[0], timeout=TIMEOUT)

    assert answer.status_code == 405


def test_vaults_are_listed_by_subscription_and_group() -> None:
    fleet = sized_fleet(450, 450, subscriptions=2, anchor=ANCHOR)
    with Simulator(fleet=fleet) as simulator, Client(simulator) as client:
        subscription = simulator.vault_ids[0].split("/resourceGroups")[0]
        first = client.get(f"{subscription}/{VAULTS}").json()
        second = client.get(first["nextLink"]).json()
        group = client.get(simulator.vault_ids[0].rpartition("/")[0]).json()
        vault = client.get(simulator.vault_ids[0]).json()

    assert (len(first["value"]), len(second["value"])) == (200, 25)
    assert "nextLink" not in second
    found = [listed["id"] for listed in first["value"] + second["value"]]
    assert found == simulator.vault_ids[::2]
    assert group["value"] == [vault]
    assert vault["location"] == "westeurope"


def test_requests_are_recorded(simulator: Simulator, client: Client, clock: ManualClock) -> None:
    vault_id = simulator.vault_ids[0]
    simulator.clear_requests()

    job = client.jobs(vault_id.lower(), "status eq 'Completed'")[0]
    clock.advance(timedelta(seconds=1))
    client.detail(job)
    client.get(f"{vault_id}x")

    listed, detail, unknown = simulator.requests
    assert (listed.api, listed.vault, listed.status) == ("list", vault_id, 200)
    assert listed.query == {"api-version": API_VERSION, "$filter": "status eq 'Completed'"}
    assert (detail.api, detail.vault, detail.job_id) == ("detail", vault_id, job["name"])
    assert detail.at - listed.at == timedelta(seconds=1)
    assert (unknown.api, unknown.vault, unknown.status) == ("vault", "", 404)


def test_a_put_job_is_served_as_it_is(simulator: Simulator, client: Client) -> None:
    put = a_job()
    simulator.put_job(simulator.vault_ids[0], put)

    jobs = client.jobs()

    assert len(jobs) == 11
    listed = next(job for job in jobs if job["name"] == "aaaa")
    assert client.get(f"{simulator.vault_ids[0]}/backupJobs/AAAA").json() == put
    del put["properties"]["extendedInfo"]
    assert listed == put


def test_a_put_job_stands_where_its_start_time_puts_it(
    simulator: Simulator, client: Client
) -> None:
    simulator.put_job(simulator.vault_ids[0], a_job("old", startTime="2020-01-01T00:00:00Z"))
    simulator.put_job(simulator.vault_ids[0], a_job("new"))
    simulator.put_job(simulator.vault_ids[0], a_job("odd", startTime="yesterday"))

    order = names(client.jobs())

    # What cannot be read sorts last, behind the oldest.
    assert (order[0], order[-2:]) == ("new", ["old", "odd"])


def test_put_jobs_are_filtered(simulator: Simulator, client: Client) -> None:
    vault_id = simulator.vault_ids[0]
    simulator.put_job(vault_id, a_job("old", startTime="2020-01-01T00:00:00"))
    simulator.put_job(vault_id, a_job("full", operation="Backup (Full)"))
    simulator.put_job(vault_id, {"name": "bare"})

    def found(text: str) -> set[str]:
        return set(names(client.jobs(job_filter=text))) & {"old", "full", "bare"}

    assert found("operation eq 'Backup' and status eq 'InProgress'") == {"old", "full", "bare"}
    assert found("status eq 'Failed'") == {"bare"}
    assert found("startTime eq '2026-01-01 12:00:00 AM'") == {"full", "bare"}
    assert found("endTime eq '2026-01-01 12:00:00 AM'") == {"old", "bare"}
    assert found("jobId eq 'full'") == {"full"}


def test_a_put_job_replaces_the_fleets(simulator: Simulator, client: Client) -> None:
    vault_id = simulator.vault_ids[0]
    original = client.jobs()[0]

    simulator.put_job(vault_id, a_job(original["name"]))
    assert len(client.jobs()) == 10
    assert client.detail(original)["properties"]["jobType"] == "AzureStorageJobV2"

    simulator.remove_job(vault_id, original["name"])
    assert client.jobs()[0] == original


def test_a_put_job_makes_its_vault(simulator: Simulator, client: Client) -> None:
    vault_id = f"/subscriptions/s/resourceGroups/g/{VAULTS}/v"

    simulator.put_job(vault_id, a_job())

    assert simulator.vault_ids[-1] == vault_id
    assert names(client.jobs(vault_id)) == ["aaaa"]
    assert client.get(vault_id).json()["name"] == "v"
    with pytest.raises(ValueError, match="not the id of a vault"):
        simulator.put_job("/subscriptions/s", a_job())


def test_what_the_caller_does_to_a_put_job_afterwards_is_not_served(
    simulator: Simulator, client: Client
) -> None:
    put = a_job()
    simulator.put_job(simulator.vault_ids[0], put)
    put["properties"]["status"] = "Failed"

    assert client.jobs(job_filter="jobId eq 'aaaa'")[0]["properties"]["status"] == "InProgress"


def test_latency_is_that_of_every_answer() -> None:
    latency = timedelta(milliseconds=50)
    with Simulator(fleet=sized_fleet(1, 1), latency=latency) as simulator, Client(simulator) as c:
        assert c.page().elapsed >= latency


def test_many_clients_at_once(simulator: Simulator) -> None:
    def read(_: int) -> int:
        with Client(simulator) as client:
            return len(client.jobs())

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(read, range(60))) == {10}


def test_a_large_fleet_starts_and_stops_without_making_its_jobs() -> None:
    for _ in range(3):
        with Simulator(fleet=sized_fleet(1000, 100_000)) as simulator:
            url = simulator.url
        simulator.stop()

        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=TIMEOUT)


def test_a_taken_port_is_refused(simulator: Simulator) -> None:
    port = int(simulator.url.rpartition(":")[2])

    with pytest.raises(OSError, match="in use"):
        Simulator(fleet=sized_fleet(1, 1), port=port)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_as_a_program_it_tells_its_address_and_ends_on_a_signal(stop: signal.Signals) -> None:
    command = [sys.executable, "-m", "exporter.simulator"]
    flags = [
        "--fleet=sized:2x20",
        "--subscriptions=2",
        "--locations=2",
        "--limit=1/1h",
        "--latency=1ms",
        "--seed=3",
    ]
    with subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, text=True) as program:  # noqa: S603 - our own program
        assert program.stdout is not None
        line = json.loads(program.stdout.readline())
        answer = requests.get(f"{line['url']}/", timeout=TIMEOUT)
        program.send_signal(stop)
        assert program.wait(5) == 0

    assert answer.status_code == 401
    assert line["environ"]["IDENTITY_ENDPOINT"].startswith(line["url"])


@pytest.mark.parametrize(
    "flag",
    [
        "--limit=150",
        "--limit=x/1h",
        "--latency=1",
        "--fleet=huge",
        "--locations=9",
        "--subscriptions=0",
    ],
)
def test_as_a_program_it_refuses_bad_flags(flag: str) -> None:
    command = [sys.executable, "-m", "exporter.simulator", flag]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - our own program

    assert ended.returncode != 0
    assert ended.stderr != ""
    assert "Traceback" not in ended.stderr
