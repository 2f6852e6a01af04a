"""A signed-in client of the simulator, and what it reads."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import requests

from exporter.simulator import Simulator

ANCHOR = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
API_VERSION = "2024-10-01"
TIMEOUT = 5

Job = dict[str, Any]


def get_token(simulator: Simulator) -> requests.Response:
    environ = simulator.identity_environ
    return requests.get(
        environ["IDENTITY_ENDPOINT"],
        params={"api-version": "2019-08-01", "resource": "https://management.azure.com"},
        headers={"X-IDENTITY-HEADER": environ["IDENTITY_HEADER"]},
        timeout=TIMEOUT,
    )


class Client:
    def __init__(self, simulator: Simulator, api_version: str = API_VERSION) -> None:
        self._simulator = simulator
        self._session = requests.Session()
        token = get_token(simulator).json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._api_version = api_version

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session.close()

    def get(
        self, path: str, query: Mapping[str, str] | None = None, timeout: float = TIMEOUT
    ) -> requests.Response:
        """A path with an api-version, or a whole URL as it is."""
        if path.startswith("http"):
            return self._session.get(path, timeout=timeout)
        parameters = {"api-version": self._api_version, **(query or {})}
        return self._session.get(f"{self._simulator.url}{path}", params=parameters, timeout=timeout)

    def graph(self, query: str, **request: Any) -> requests.Response:
        """One query; ``options`` and the scope as in Resource Graph's request."""
        return self._session.post(
            f"{self._simulator.url}/providers/Microsoft.ResourceGraph/resources",
            params={"api-version": "2021-03-01"},
            json={"query": query, **request},
            timeout=TIMEOUT,
        )

    def page(
        self, vault_id: str | None = None, *, job_filter: str = "", timeout: float = TIMEOUT
    ) -> requests.Response:
        """A list of jobs; of the first vault unless another is named."""
        path = f"{vault_id or self._simulator.vault_ids[0]}/backupJobs"
        return self.get(path, {"$filter": job_filter} if job_filter else None, timeout)

    def jobs(self, vault_id: str | None = None, job_filter: str = "") -> list[Job]:
        return values(self.page(vault_id, job_filter=job_filter))

    def detail(self, job: Job) -> Job:
        answer = self.get(job["id"])
        answer.raise_for_status()
        document: Job = answer.json()
        return document


def values(answer: requests.Response) -> list[Job]:
    answer.raise_for_status()
    jobs: list[Job] = answer.json()["value"]
    return jobs


def names(jobs: Iterable[Job]) -> list[str]:
    return [job["name"] for job in jobs]
