"""The ``backupJobs`` API of a Recovery Services vault: list and detail."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from exporter.azure.parsing import count_problems, none_readable, parsed
from exporter.azure.session import Answer, ArmSession, ThrottledError
from exporter.backup.parse import parse_job_detail, parse_job_page, without_future
from exporter.errors import ArmError, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from exporter.azure.gate import BudgetGate
    from exporter.backup.details import WantedDetail
    from exporter.backup.history import Window
    from exporter.backup.model import BackupJob, Vault
    from exporter.metrics.selfmetrics import SelfMetrics

_REMAINING_HEADER: Final = "x-ms-ratelimit-remaining-subscription-resource-requests"
_LIST: Final = "backup_jobs_list"
_DETAIL: Final = "backup_jobs_detail"
_MOST_PAGES: Final = 1000
_LIST_ATTEMPTS: Final = 4
_DETAIL_ATTEMPTS: Final = 2
"""The next refresh tries again; one detail must not eat the budget of many."""


def list_path(vault: Vault, window: Window, api_version: str) -> str:
    """Path and query of a job list. Both ends are sent: one alone is not reliable (FACTS 3)."""
    job_filter = f"startTime eq '{_when(window.start)}' and endTime eq '{_when(window.end)}'"
    query = urlencode({"api-version": api_version, "$filter": job_filter}, quote_via=quote)
    return f"{_quoted(vault.path)}/backupJobs?{query}"


def detail_path(vault: Vault, job_id: str, api_version: str) -> str:
    """Path and query of one job's detail."""
    return f"{_quoted(vault.path)}/backupJobs/{quote(job_id, safe='')}?api-version={api_version}"


def _when(instant: datetime) -> str:
    """The filter's form of an instant: UTC, 12-hour clock (FACTS 3)."""
    return instant.strftime("%Y-%m-%d %I:%M:%S %p")


def _quoted(path: str) -> str:
    return quote(path, safe="/()")


@dataclass(slots=True)
class Listing:
    """How far a list has been read: a long one may need more than one budget.

    Attributes:
        window: What is listed.
        next_url: The first page not read yet; None when all are.
        seen: The pages read.
        jobs: Of those pages.
        unreadable: How many more there were that could not be read.
    """

    window: Window
    next_url: str | None
    seen: set[str] = field(default_factory=set)
    jobs: list[BackupJob] = field(default_factory=list)
    unreadable: int = 0


class BackupJobsApi:
    """Reads job lists and details, spending from the read budget.

    Args:
        session: With Resource Manager.
        api_version: Of every request.
        metrics: Counts what cannot be read.
    """

    def __init__(self, session: ArmSession, api_version: str, metrics: SelfMetrics) -> None:
        self._session = session
        self._api_version = api_version
        self._metrics = metrics

    def listing(self, vault: Vault, window: Window) -> Listing:
        """A list of a window, of which nothing has been read yet."""
        return Listing(window, list_path(vault, window, self._api_version))

    def read_list(
        self, listing: Listing, gate: BudgetGate, *, give_up_at: float
    ) -> list[BackupJob]:
        """Read all pages of a list that have not been read yet.

        Returns:
            The jobs of all pages.

        Raises:
            NotNowError: The budget does not reach; the listing can be read on later.
            ArmError: A page could not be read, or the pages lead in a circle, or jobs came and
                none could be read.
        """
        while (url := listing.next_url) is not None:
            if url in listing.seen or len(listing.seen) >= _MOST_PAGES:
                message = f"the job list does not end ({len(listing.seen)} pages)"
                raise ArmError(ErrorKind.PAYLOAD, message)
            answer = self._get(
                url,
                _LIST,
                gate.permit_list,
                gate,
                give_up_at=give_up_at,
                attempts=_LIST_ATTEMPTS,
            )
            page = parsed(parse_job_page, answer, self._metrics, _LIST)
            now = self._session.now()
            listing.jobs += (without_future(job, now, page.problems) for job in page.jobs)
            count_problems(page.problems, self._metrics, _LIST)
            listing.seen.add(url)
            listing.unreadable += page.problems["job"]
            listing.next_url = page.next_link
        if listing.unreadable and not listing.jobs:
            raise none_readable(listing.unreadable)
        return listing.jobs

    def job_detail(
        self, vault: Vault, wanted: WantedDetail, gate: BudgetGate, *, give_up_at: float
    ) -> BackupJob:
        """One job with its tasks and sizes.

        Raises:
            ArmError: It could not be read; kind ``not_found`` when Azure has it no more.
        """
        job_id = wanted.job.job_id
        url = detail_path(vault, job_id, self._api_version)
        answer = self._get(
            url,
            _DETAIL,
            gate.permit_detail,
            gate,
            give_up_at=give_up_at,
            attempts=_DETAIL_ATTEMPTS,
        )
        problems: Counter[str] = Counter()
        job = parsed(partial(parse_job_detail, problems=problems), answer, self._metrics, _DETAIL)
        job = without_future(job, self._session.now(), problems)
        count_problems(problems, self._metrics, _DETAIL)
        if job.job_id != job_id:
            raise ArmError(ErrorKind.PAYLOAD, f"asked for job {job_id}, Azure sent {job.job_id}")
        return job

    def _get(
        self,
        url: str,
        api: str,
        permit: Callable[[], None],
        gate: BudgetGate,
        *,
        give_up_at: float,
        attempts: int,
    ) -> Answer:
        try:
            answer = self._session.read(
                url, api=api, give_up_at=give_up_at, permit=permit, attempts=attempts
            )
        except ThrottledError as error:
            gate.throttled(error.throttling)
            raise
        remaining = answer.headers.get(_REMAINING_HEADER, "")
        if re.fullmatch(r"-?[0-9]{1,6}", remaining):
            gate.hint(int(remaining))
        return answer
