"""Operations and single jobs, asked again and again until they end."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from urllib.parse import quote

from exporter.azure.error_body import read_retry_after
from exporter.azure.parsing import parsed
from exporter.azure.session import ThrottledError
from exporter.backup.operation import OperationStatus, parse_operation
from exporter.backup.tracked import TrackedJob, parse_tracked

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from exporter.azure.budget import ReadBudget
    from exporter.azure.session import Answer, ArmSession
    from exporter.clock import Clock
    from exporter.metrics.selfmetrics import SelfMetrics

T = TypeVar("T")

_REMAINING_HEADER: Final = "x-ms-ratelimit-remaining-subscription-resource-requests"
_BACKUP_VAULTS_VERSION: Final = "2024-04-01"
# Restores to the paired region run there, under an address without group and vault (FACTS 2, 4).
_CROSS_REGION_VERSION: Final = "2021-11-15"
_CROSS_REGION_OPERATION: Final = re.compile(
    r"(?:[a-z]+://[^/]+)?(/subscriptions/[^/]+/providers/Microsoft\.RecoveryServices/locations/[^/]+)"
    r"/backupCrrOperationsStatus/.+",
    re.IGNORECASE,
)
_CROSS_REGION_JOB: Final = re.compile(
    r"(/subscriptions/[^/]+/providers/Microsoft\.RecoveryServices/locations/[^/]+)"
    r"/backupJobs/([^/]+)",
    re.IGNORECASE,
)
_ATTEMPTS: Final = 3
_PATIENCE_SECONDS: Final = 120.0
_GOES_ON: Final = OperationStatus(status="InProgress", running=True)
_DONE: Final = OperationStatus(status="Succeeded")


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """One answer.

    Attributes:
        found: What it says.
        retry_after: When Azure wants to be asked again; None where it does not say.
    """

    found: T
    retry_after: timedelta | None


class OperationsApi:
    """Asks for operations and jobs.

    Args:
        session: With Resource Manager.
        api_version: Of Recovery Services vaults.
        budget: Of reads of jobs; operations have counters of their own (FACTS 10).
        clock: What time it is.
        metrics: Counts what cannot be read.
    """

    def __init__(
        self,
        session: ArmSession,
        api_version: str,
        *,
        budget: ReadBudget,
        clock: Clock,
        metrics: SelfMetrics,
    ) -> None:
        self._session = session
        self._api_version = api_version
        self._budget = budget
        self._clock = clock
        self._metrics = metrics

    def operation(self, vault: str, operation: str) -> Look[OperationStatus]:
        """How an operation stands.

        Args:
            vault: Resource id.
            operation: Its id; or a URL, which is used as it is: its signature covers it.

        Raises:
            ArmError: It cannot be read, or the URL leads elsewhere.
        """
        url = operation if "://" in operation else self._operation_path(vault, operation)
        answer = self._read(url, "operation")
        if answer.status == HTTPStatus.ACCEPTED and not answer.body:
            return self._look(answer, _GOES_ON)
        if answer.body is None:
            return self._look(answer, _DONE)
        status = parsed(parse_operation, answer, self._metrics, "operation")
        if there := _CROSS_REGION_OPERATION.fullmatch(url):
            status = replace(
                status, jobs=tuple(f"{there[1]}/backupJobs/{job}" for job in status.jobs)
            )
        return self._look(answer, status)

    def job(self, vault: str, job: str, permit: Callable[[], None]) -> Look[TrackedJob]:
        """How a job stands.

        Args:
            vault: Resource id.
            job: GUID, or the job's own resource id, as jobs of Backup vaults and of restores to the
                paired region have it.
            permit: Called before each read; may raise.

        Raises:
            ArmError: It cannot be read.
        """
        if there := _CROSS_REGION_JOB.fullmatch(job):
            return self._cross_region_job(vault, there[1], there[2])
        path = job if "/" in job else f"{vault}/backupJobs/{job}"
        answer = self._read(f"{_quoted(path)}?{self._version(path)}", "job", permit)
        remaining = answer.headers.get(_REMAINING_HEADER, "")
        if re.fullmatch(r"-?[0-9]{1,6}", remaining):
            self._budget.hint(int(remaining), self._clock.monotonic())
        return self._look(answer, parsed(parse_tracked, answer, self._metrics, "job"))

    def _cross_region_job(self, vault: str, location: str, job: str) -> Look[TrackedJob]:
        """It is asked for by a POST, which has a limit of its own (FACTS 2)."""
        path = f"{location}/backupCrrJob"
        query = {"resourceId": vault, "jobName": job}
        answer = self._read(
            f"{_quoted(path)}?{self._version(path)}", "cross_region_job", query=query
        )
        tracked = parsed(parse_tracked, answer, self._metrics, "cross_region_job")
        return self._look(answer, tracked)

    def _read(
        self,
        url: str,
        api: str,
        permit: Callable[[], None] = lambda: None,
        query: object = None,
    ) -> Answer:
        try:
            return self._session.read(
                url,
                api=api,
                give_up_at=self._clock.monotonic() + _PATIENCE_SECONDS,
                attempts=_ATTEMPTS,
                permit=permit,
                query=query,
                polling=api == "operation",
            )
        except ThrottledError as error:
            if api == "job":
                asked = error.throttling
                self._budget.throttled(
                    self._clock.monotonic(),
                    asked.retry_after.total_seconds(),
                    asked.limit,
                    asked.interval.total_seconds() if asked.interval else None,
                )
            raise

    def _look(self, answer: Answer, found: T) -> Look[T]:
        return Look(found, read_retry_after(answer.headers, self._clock.now()))

    def _operation_path(self, vault: str, operation: str) -> str:
        path = f"{vault}/backupOperations/{operation}"
        if "/" in operation:
            path = operation
        return f"{_quoted(path)}?{self._version(path)}"

    def _version(self, path: str) -> str:
        folded = path.lower()
        if "/microsoft.dataprotection/" in folded:
            return f"api-version={_BACKUP_VAULTS_VERSION}"
        if "/backupcrr" in folded:
            return f"api-version={_CROSS_REGION_VERSION}"
        return f"api-version={self._api_version}"


def _quoted(path: str) -> str:
    return quote(path, safe="/();=")
