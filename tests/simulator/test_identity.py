"""Sign-in, with the real credential library too."""

from datetime import timedelta

import pytest
import requests
from azure.identity import CredentialUnavailableError, ManagedIdentityCredential

from exporter.simulator import Simulator, sized_fleet

from .client import API_VERSION, TIMEOUT, Client, get_token

SCOPE = "https://management.azure.com/.default"


def list_with(simulator: Simulator, authorization: str | None) -> requests.Response:
    return requests.get(
        f"{simulator.url}{simulator.vault_ids[0]}/backupJobs",
        params={"api-version": API_VERSION},
        headers={"Authorization": authorization} if authorization else {},
        timeout=TIMEOUT,
    )


def test_the_managed_identity_of_the_real_library_signs_in(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in simulator.identity_environ.items():
        monkeypatch.setenv(name, value)

    with ManagedIdentityCredential() as credential:
        token = credential.get_token(SCOPE).token

    assert list_with(simulator, f"Bearer {token}").status_code == 200


def test_the_real_library_is_refused_with_a_wrong_header(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", simulator.identity_environ["IDENTITY_ENDPOINT"])
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")

    with ManagedIdentityCredential() as credential, pytest.raises(CredentialUnavailableError):
        credential.get_token(SCOPE)


@pytest.mark.parametrize("authorization", [None, "Bearer made-up", "Bearer ", "Basic eDp5"])
def test_without_a_token_of_ours_it_is_a_401(
    simulator: Simulator, authorization: str | None
) -> None:
    answer = list_with(simulator, authorization)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert answer.json()["error"]["code"] in ("AuthenticationFailed", "InvalidAuthenticationToken")


def test_a_token_expires() -> None:
    fleet = sized_fleet(1, 1)
    with Simulator(fleet=fleet, token_lifetime=timedelta()) as simulator:
        token = get_token(simulator).json()

        answer = list_with(simulator, f"Bearer {token['access_token']}")

    assert answer.json()["error"]["code"] == "ExpiredAuthenticationToken"


def test_a_token_of_another_simulator_is_worth_nothing(simulator: Simulator) -> None:
    with Simulator(fleet=sized_fleet(1, 1)) as other:
        token = get_token(other).json()["access_token"]

    assert list_with(simulator, f"Bearer {token}").status_code == 401


def test_the_identity_endpoint_insists_on_its_parameters(simulator: Simulator) -> None:
    environ = simulator.identity_environ

    answer = requests.get(
        environ["IDENTITY_ENDPOINT"],
        params={"api-version": "2017-09-01", "resource": "x"},
        headers={"X-IDENTITY-HEADER": environ["IDENTITY_HEADER"]},
        timeout=TIMEOUT,
    )

    assert answer.status_code == 400


def test_every_token_is_another_and_none_is_recorded(simulator: Simulator, client: Client) -> None:
    tokens = {get_token(simulator).json()["access_token"] for _ in range(5)}

    assert len(tokens) == 5
    assert not any(token in repr(simulator.requests) for token in tokens)
