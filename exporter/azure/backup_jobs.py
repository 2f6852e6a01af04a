"""The ``backupJobs`` API of a Recovery Services vault: list and detail."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, urlencode

from exporter.azure.parsing import count_problems, parsed
from exporter.backup.parse import parse_job_detail, parse_job_page, without_future
from exporter.errors import ArmError, ErrorKind

if TYPE_CHECKING:
    from datetime import datetime

    from exporter.azure.session import Answer, ArmSession
    from exporter.backup.history import Window
    from exporter.backup.model import BackupJob, Vault
    from exporter.metrics.selfmetrics import SelfMetrics

_REMAINING_HEADER: Final = "x-ms-ratelimit-remaining-subscription-resource-requests"
_LIST: Final = "backup_jobs_list"
_DETAIL: Final = "backup_jobs_detail"


def list_path(vault: Vault, window: Window, api_version: str) -> str:
    """Path and query of a job list. Both ends are sent: one alone is not reliable (FACTS 3)."""
    job_filter = f"startTime eq '{_when(window.start)}' and endTime eq '{_when(window.end)}'"
    query = urlencode({"api-version": api_version, "$filter": job_filter}, quote_via=quote)
    return f"{_quoted(vault.path)}/backupJobs?{query}"


def running_path(vault: Vault, api_version: str) -> str:
    """Path and query of the list of all jobs that run."""
    query = urlencode(
        {"api-version": api_version, "$filter": "status eq 'InProgress'"}, quote_via=quote
    )
    return f"{_quoted(vault.path)}/backupJobs?{query}"


def detail_path(vault: Vault, job_id: str, api_version: str) -> str:
    """Path and query of one job's detail."""
    return f"{_quoted(vault.path)}/backupJobs/{quote(job_id, safe='')}?api-version={api_version}"


def _when(instant: datetime) -> str:
    """The filter's form of an instant: UTC, 12-hour clock (FACTS 3)."""
    return instant.strftime("%Y-%m-%d %I:%M:%S %p")


def _quoted(path: str) -> str:
    return quote(path, safe="/()")


class JobListPage(NamedTuple):
    """One page of a job list.

    Attributes:
        jobs: Those that could be read.
        unreadable: How many more there were.
        next_url: Of the next page; None on the last.
        remaining: Reads left by Azure's counter; None if it did not say.
    """

    jobs: list[BackupJob]
    unreadable: int
    next_url: str | None
    remaining: int | None


class ReadDetail(NamedTuple):
    """A job with its tasks and sizes, and the reads left by Azure's counter."""

    job: BackupJob
    remaining: int | None


class BackupJobsApi:
    """Reads job lists and details, one request at a time.

    Args:
        session: With Resource Manager.
        api_version: Of every request.
        metrics: Counts what cannot be read.
    """

    def __init__(self, session: ArmSession, api_version: str, metrics: SelfMetrics) -> None:
        self._session = session
        self._api_version = api_version
        self._metrics = metrics

    def list_url(self, vault: Vault, window: Window) -> str:
        """Where the first page of a vault's list is."""
        return list_path(vault, window, self._api_version)

    def running_url(self, vault: Vault) -> str:
        """Where the vault's running jobs are, however long they have run (FACTS 3)."""
        return running_path(vault, self._api_version)

    def page(self, url: str, *, give_up_at: float, retry: bool = False) -> JobListPage:
        """One page of a list.

        Args:
            url: Where it is.
            give_up_at: Monotonic time after which nothing is waited for.
            retry: Whether it was asked for before and failed; it is counted.

        Raises:
            ArmError: It could not be read.
        """
        self._count(_LIST, retry=retry)
        answer = self._session.read(url, api=_LIST, give_up_at=give_up_at, attempts=1)
        page = parsed(parse_job_page, answer, self._metrics, _LIST)
        now = self._session.now()
        jobs = [without_future(job, now, page.problems) for job in page.jobs]
        count_problems(page.problems, self._metrics, _LIST)
        return JobListPage(jobs, page.problems["job"], page.next_link, _remaining(answer))

    def detail(
        self, vault: Vault, job_id: str, *, give_up_at: float, retry: bool = False
    ) -> ReadDetail:
        """One job with its tasks and sizes; the arguments are those of ``page``.

        Raises:
            ArmError: It could not be read; kind ``not_found`` when Azure has it no more.
        """
        url = detail_path(vault, job_id, self._api_version)
        self._count(_DETAIL, retry=retry)
        answer = self._session.read(url, api=_DETAIL, give_up_at=give_up_at, attempts=1)
        problems: Counter[str] = Counter()
        job = parsed(partial(parse_job_detail, problems=problems), answer, self._metrics, _DETAIL)
        job = without_future(job, self._session.now(), problems)
        count_problems(problems, self._metrics, _DETAIL)
        if job.job_id != job_id:
            raise ArmError(ErrorKind.PAYLOAD, f"asked for job {job_id}, Azure sent {job.job_id}")
        return ReadDetail(job, _remaining(answer))

    def _count(self, api: str, *, retry: bool) -> None:
        if retry:
            self._metrics.retries.labels(api).inc()


def _remaining(answer: Answer) -> int | None:
    header = answer.headers.get(_REMAINING_HEADER, "")
    return int(header) if re.fullmatch(r"-?[0-9]{1,6}", header) else None
