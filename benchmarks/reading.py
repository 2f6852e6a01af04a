"""CPU to list jobs and to read details, against the official client; both over HTTP."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest import mock

import requests

from benchmarks.estate import a_snapshot, settings
from benchmarks.measuring import Figure, cpu_seconds, times
from benchmarks.simulated import Azure, azure, config_text
from exporter.azure.backup_jobs import BackupJobsApi
from exporter.azure.bearer import BearerAuth
from exporter.azure.clouds import cloud_of
from exporter.azure.credentials import make_credential
from exporter.azure.session import ArmSession
from exporter.backup.history import (
    DetailReading,
    History,
    Window,
    merge_details,
    merge_list,
    next_window,
    prune,
)
from exporter.backup.model import Vault
from exporter.clock import AzureClock
from exporter.config import parse_config
from exporter.metrics.page import build_page, vault_blocks
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.simulator import sized_fleet
from exporter.threads import run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.backup.model import BackupJob

_FOREVER = float("inf")
_THREADS = 4


def measure(*, smoke: bool) -> Iterator[Figure]:
    """Seconds of CPU for 1,000 of them."""
    jobs, rounds, lists = (40, 1, 1) if smoke else (1000, 5, 5)
    with azure(1, jobs) as service, mock.patch.dict(os.environ, service.environ):
        reader = _Reader(service)
        history = reader.list(History())
        # Each work, and how often it is done in a round.
        works: dict[str, tuple[Callable[[], object], int]] = {
            "list": (lambda: reader.list(history), lists),
            "details": (lambda: reader.details(history), 1),
        }
        with contextlib.suppress(ImportError):
            official = _Official(service, reader.vault)
            works["official list"] = official.list, lists
            works["official details"] = lambda: official.details(history), 1
        seconds = dict.fromkeys(works, float("inf"))
        # In turns: others on the machine slow down the one as much as the other.
        for _ in range(rounds):
            for name, (work, repeat) in works.items():
                seconds[name] = min(seconds[name], cpu_seconds(work, repeat)[0])
    of_1000 = {name: each * 1000 / len(history.jobs) for name, each in seconds.items()}
    yield _figure(
        "1,000 jobs listed again, parsed and merged",
        of_1000["list"],
        of_1000.get("official list"),
        "≤ 0.03 s",
    )
    yield _figure(
        "1,000 details: GET, parse, model, render",
        of_1000["details"],
        of_1000.get("official details"),
        "≤ 1.5 s and ratio ≥ 1.5",
    )


def _figure(what: str, ours: float, official: float | None, goal: str) -> Figure:
    against = "not installed" if official is None else f"{official:.3f} s"
    ratio = "" if official is None else times(official / ours)
    return Figure(f"CPU: {what}", f"{ours:.3f} s", f"official client {against}", ratio, goal)


class _Reader:
    """The exporter's own way to Azure, without its schedule."""

    def __init__(self, service: Azure) -> None:
        self.vault = the_vault()
        config = parse_config(config_text(service.url, [self.vault.id]), {}, source="benchmark")
        cloud, metrics, clock = cloud_of(config.azure), SelfMetrics(), AzureClock()
        credential = make_credential(config.azure.credential, cloud)
        session = ArmSession(
            base_url=cloud.resource_manager,
            auth=BearerAuth(credential, cloud.scope, timeout=config.azure.timeout),
            timeout=config.azure.timeout,
            max_concurrency=8,
            clock=clock,
            metrics=metrics,
            stop=threading.Event(),
        )
        self._api = BackupJobsApi(session, config.azure.api_versions.backup_jobs, metrics)

    def list(self, known: History) -> History:
        """The list over the whole look-back, merged into what is known."""
        now = datetime.now(UTC)
        window = next_window(History(), now, settings())
        url: str | None = self._api.list_url(self.vault, window)
        jobs: list[BackupJob] = []
        while url is not None:
            page = self._api.page(url, give_up_at=_FOREVER)
            jobs += page.jobs
            url = page.next_url
        return prune(merge_list(known, jobs, window, settings()), now, settings())

    def details(self, history: History) -> None:
        jobs: list[BackupJob] = []

        def read(job: BackupJob) -> None:
            jobs.append(self._api.detail(self.vault, job.job_id, give_up_at=_FOREVER).job)

        run_all("detail", read, history.jobs.values(), threads=_THREADS)
        known = merge_details(history, DetailReading(jobs=jobs))
        build_page([vault_blocks(a_snapshot(self.vault, known))])


class _Official:
    """The same with azure-mgmt-recoveryservicesbackup.

    Raises:
        ImportError: It is not installed.
    """

    def __init__(self, service: Azure, vault: Vault) -> None:
        from azure.core.pipeline.policies import HeadersPolicy  # noqa: PLC0415 - of the group bench
        from azure.mgmt.recoveryservicesbackup import (  # noqa: PLC0415
            RecoveryServicesBackupClient,
        )

        answer = requests.get(
            service.environ["IDENTITY_ENDPOINT"],
            params={"api-version": "2019-08-01", "resource": service.url},
            headers={"X-IDENTITY-HEADER": service.environ["IDENTITY_HEADER"]},
            timeout=10,
        )
        token = answer.json()["access_token"]
        self._client: Any = RecoveryServicesBackupClient(
            mock.sentinel.credential,  # its own policy would refuse plain HTTP
            vault.subscription_id,
            service.url,
            authentication_policy=HeadersPolicy({"Authorization": f"Bearer {token}"}),
        )
        self._vault = vault

    def list(self) -> Counter[str]:
        window = next_window(History(), datetime.now(UTC), settings())
        jobs = self._client.backup_jobs.list(
            self._vault.name, self._vault.resource_group, filter=_filter(window)
        )
        return Counter(job.properties.status for job in jobs)

    def details(self, history: History) -> None:
        def read(job_id: str) -> None:
            self._client.job_details.get(self._vault.name, self._vault.resource_group, job_id)

        run_all("detail", read, history.jobs, threads=_THREADS)


def _filter(window: Window) -> str:
    form = "%Y-%m-%d %I:%M:%S %p"
    return f"startTime eq '{window.start:{form}}' and endTime eq '{window.end:{form}}'"


def the_vault() -> Vault:
    """The only vault of a fleet with one."""
    found = sized_fleet(1, 1).vaults[0]
    return Vault(
        subscription_id=found.subscription_id, resource_group=found.resource_group, name=found.name
    )
