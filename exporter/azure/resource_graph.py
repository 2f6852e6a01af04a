"""Azure Resource Graph: vaults and jobs of whole subscriptions in one paged query (FACTS 15)."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from exporter.azure.parsing import count_problems, none_readable, parsed
from exporter.azure.query_quota import QueryQuota
from exporter.azure.session import Answer, ArmSession, ThrottledError
from exporter.backup.graph_rows import parse_job_rows, parse_row_page
from exporter.backup.parse import without_future
from exporter.backup.vaults import parse_vaults
from exporter.errors import ArmError, ErrorKind, NotNowError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from exporter.backup.model import BackupJob, Vault
    from exporter.clock import Clock
    from exporter.metrics.selfmetrics import SelfMetrics

_PATH: Final = "/providers/Microsoft.ResourceGraph/resources"
_API: Final = "resource_graph"
_LARGEST_PAGE: Final = 1000
_MOST_PAGES: Final = 5000
_ATTEMPTS: Final = 4

_VAULTS: Final = """Resources
| where type =~ 'microsoft.recoveryservices/vaults'
| project id, name, type, location, resourceGroup, subscriptionId, tags, sku, properties
| order by id asc"""

_JOBS: Final = """RecoveryServicesResources
| where type =~ 'microsoft.recoveryservices/vaults/backupjobs'
| where todatetime(properties.startTime) >= datetime({since}) \
or todatetime(properties.endTime) >= datetime({since}) \
or properties.status in~ ('InProgress', 'Cancelling')
| project id, name, type, location, properties
| order by id asc"""
"""A page needs the id and an order to go on from (Microsoft Learn, "Work with large data sets")."""


class FoundJobs(NamedTuple):
    """What a query for jobs found.

    Attributes:
        jobs: By vault id.
        unreadable: How many more rows there were, by vault id; under an empty one those that name
            no vault.
    """

    jobs: Mapping[str, list[BackupJob]]
    unreadable: Mapping[str, int]


class ResourceGraphApi:
    """Queries Resource Graph within its quota, waiting for it where need be.

    Args:
        session: With Resource Manager.
        api_version: Of every request.
        metrics: Counts what cannot be read.
        clock: For the quota.
        stop: Ends waiting.
    """

    def __init__(
        self,
        session: ArmSession,
        api_version: str,
        metrics: SelfMetrics,
        *,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._session = session
        self._url = f"{_PATH}?api-version={api_version}"
        self._metrics = metrics
        self._clock = clock
        self._stop = stop
        self._quota = QueryQuota()

    def vaults(self, scope: str, *, give_up_at: float) -> list[Vault]:
        """All vaults below a subscription or management group.

        Args:
            scope: Its path.
            give_up_at: Monotonic time after which nothing is tried again.

        Raises:
            ArmError: A page could not be read: then nothing is known of any.
        """
        problems: Counter[str] = Counter()
        vaults = [
            vault
            for rows in self._pages(scope, _VAULTS, give_up_at)
            for vault in parse_vaults(rows, problems)
        ]
        count_problems(problems, self._metrics, _API)
        return vaults

    def jobs(self, scope: str, since: datetime, *, give_up_at: float) -> FoundJobs:
        """The jobs below a scope that started or ended since, and those that run.

        Args:
            scope: The path of a subscription or management group.
            since: Resource Graph knows 14 days.
            give_up_at: Monotonic time after which nothing is tried again.

        Raises:
            ArmError: A page, or not one of the rows, could not be read: then nothing is known of
                any.
        """
        problems: Counter[str] = Counter()
        jobs: defaultdict[str, list[BackupJob]] = defaultdict(list)
        unreadable: Counter[str] = Counter()
        query = _JOBS.format(since=f"{since:%Y-%m-%dT%H:%M:%SZ}")
        for rows in self._pages(scope, query, give_up_at):
            for vault_id, job in parse_job_rows(rows, problems):
                if job is None:
                    unreadable[vault_id] += 1
                else:
                    jobs[vault_id].append(without_future(job, self._clock.now(), problems))
        count_problems(problems, self._metrics, _API)
        if unreadable and not jobs:
            raise none_readable(unreadable.total())
        return FoundJobs(dict(jobs), unreadable)

    def _pages(self, scope: str, query: str, give_up_at: float) -> Iterator[list[object]]:
        options: dict[str, Any] = {"resultFormat": "objectArray", "$top": _LARGEST_PAGE}
        request = {**_scope_of(scope), "query": query, "options": options}
        seen: set[str] = set()
        while True:
            answer = self._page(request, give_up_at)
            if answer.headers.get("x-ms-tenant-subscription-limit-hit", "").lower() == "true":
                message = "more subscriptions than Resource Graph looks into at once (10,000)"
                raise ArmError(ErrorKind.PAYLOAD, message)
            page = parsed(parse_row_page, answer, self._metrics, _API)
            yield page.rows
            if page.skip_token is None:
                return
            if page.skip_token in seen or len(seen) >= _MOST_PAGES:
                message = f"Resource Graph's answer does not end ({len(seen)} pages)"
                raise ArmError(ErrorKind.PAYLOAD, message)
            seen.add(page.skip_token)
            options["$skipToken"] = page.skip_token

    def _page(self, request: object, give_up_at: float) -> Answer:
        """One page. Resource Graph's waits are of seconds, so a 429 is waited out here."""
        refused: ThrottledError | None = None
        for _ in range(_ATTEMPTS):
            try:
                answer = self._session.read(
                    self._url,
                    api=_API,
                    give_up_at=give_up_at,
                    attempts=_ATTEMPTS,
                    permit=partial(self._permit, give_up_at, refused),
                    query=request,
                )
            except ThrottledError as error:
                refused = error
                wait = error.throttling.retry_after.total_seconds()
                self._quota.throttled(self._clock.monotonic(), wait)
            else:
                self._quota.answered(answer.headers, self._clock.monotonic())
                return answer
        raise refused or ArmError(ErrorKind.THROTTLED, "Resource Graph's quota is spent")

    def _permit(self, give_up_at: float, refused: ThrottledError | None) -> None:
        while (seconds := self._quota.take(now := self._clock.monotonic())) > 0:
            if now + seconds > give_up_at:
                message = f"Resource Graph's quota is spent for {seconds:.0f} s more"
                raise refused or ArmError(ErrorKind.THROTTLED, message)
            if self._clock.wait(self._stop, seconds):
                raise NotNowError("the exporter stops", float("inf"))


def _scope_of(scope: str) -> dict[str, list[str]]:
    kind, _, name = scope.rpartition("/")
    return {"subscriptions" if kind == "/subscriptions" else "managementGroups": [name]}
