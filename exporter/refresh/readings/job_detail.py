"""The details of jobs: each is a fetch and costs a read."""

from __future__ import annotations

import logging
from dataclasses import replace
from heapq import nsmallest
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from exporter.backup.details import WantedDetail
from exporter.backup.history import DetailReading
from exporter.backup.model import BackupJob, Vault
from exporter.errors import ErrorKind
from exporter.refresh.fetch import Applied, Cost, Fetch, FetchId
from exporter.refresh.pending import Rest
from exporter.refresh.readings.vault_state import hangs
from exporter.refresh.records import JOB_DETAIL, NEVER, VaultRecord, names_of
from exporter.refresh.turns import SHARE_OF_INTERVAL, backoff
from exporter.refresh.waiting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.azure.backup_jobs import BackupJobsApi, ReadDetail
    from exporter.errors import ArmError
    from exporter.refresh.fetch import Answer, Records, Request
    from exporter.refresh.pending import Details
    from exporter.refresh.records import Moment, Record

log = logging.getLogger(__name__)

_ATTEMPTS: Final = 2
"""One detail must not eat the budget of many."""

_PAUSES: Final = frozenset(
    {ErrorKind.FORBIDDEN, ErrorKind.UNAUTHORIZED, ErrorKind.TIMEOUT, ErrorKind.NETWORK}
)
"""Faults that the next detail would meet too."""

_LONGEST_REST_SECONDS: Final = 6 * 3600.0


class _Ask(NamedTuple):
    """Whose detail is asked for, and whether it was asked for before and failed."""

    vault: Vault
    job: BackupJob
    retry: bool


class JobDetails:
    """Reads details.

    Args:
        api: Azure.
        interval: The configured one between two lists, in seconds.
        most: Of a vault at the same time.
    """

    name = JOB_DETAIL
    background = False

    def __init__(self, api: BackupJobsApi, *, interval: float, most: int) -> None:
        self._api = api
        self._most = most
        self.interval = interval
        self.patience = SHARE_OF_INTERVAL * interval

    def wanted(self, subject: str, record: Record) -> Iterable[Fetch]:
        """The most urgent ones, and those that are tried again soonest."""
        if not isinstance(record, VaultRecord) or record.details.paused:
            return ()
        details = record.details
        soonest = nsmallest(self._most, details.resting.values(), key=lambda rest: rest.try_at)
        chosen = [*((one, NEVER) for one in details.ready[: self._most])]
        chosen += [(rest.wanted, rest.try_at) for rest in soonest]
        return [
            Fetch(
                urgency=one.urgency,
                due=due,
                id=FetchId(self.name, subject, one.job.job_id),
                cost=Cost.DETAIL,
                budget=record.budget,
                suspect=details.hung,
            )
            for one, due in sorted(chosen, key=lambda pair: pair[0].urgency)
        ]

    def ask(self, fetch: Fetch, records: Records, now: Moment) -> _Ask:
        """The job as it is known."""
        del now
        record = cast("VaultRecord", records[fetch.id.subject])
        one = _find(record.details, fetch.id.about)
        rest = record.details.resting.get(fetch.id.about)
        return _Ask(record.vault, cast("WantedDetail", one).job, bool(rest and rest.attempts))

    def send(self, request: Request) -> ReadDetail:
        """Read it.

        Raises:
            ArmError: It cannot be read.
        """
        ask: _Ask = request.ask
        return self._api.detail(
            ask.vault, ask.job.job_id, give_up_at=request.give_up_at, retry=ask.retry
        )

    def apply(self, answer: Answer, records: Records, now: Moment) -> Applied:
        """Keep it for the next merge, or try it less and less often."""
        fetch = answer.request.fetch
        subject, job_id = fetch.id.subject, fetch.id.about
        record = records.get(subject)
        if not isinstance(record, VaultRecord):
            return Applied()
        wanted = _find(record.details, job_id)
        if wanted is None:
            return Applied()
        details = self._with(record.details, wanted, answer, now)
        details = _told(record.vault, details, answer.fault)
        changed = replace(record, details=details)
        return Applied({subject: counted(changed) if record.up else changed})

    def _with(self, details: Details, wanted: WantedDetail, answer: Answer, now: Moment) -> Details:
        fault, job_id = answer.fault, wanted.job.job_id
        left = _without(details, job_id)
        arrived = details.arrived or DetailReading()
        if fault is None:
            job: BackupJob = answer.value.job
            if job.running and not answer.request.ask.job.running:
                # A front end that lags behind the list's: the detail is still to come.
                return self._later(details, left, wanted, now)
            return replace(left, arrived=replace(arrived, jobs=[*arrived.jobs, job]))
        rest = details.resting.get(job_id, Rest(wanted, 0, 0, NEVER))
        if fault.retryable and rest.attempts + 1 < _ATTEMPTS:
            asked = fault.retry_after.total_seconds() if fault.retry_after else backoff(1, job_id)
            soon = rest._replace(attempts=1, try_at=now.monotonic + asked)
            return replace(left, resting={**left.resting, job_id: soon})
        if fault.kind is ErrorKind.SERVER:
            return self._later(details, left, wanted, now)
        if fault.kind is ErrorKind.NOT_FOUND:
            arrived = replace(arrived, gone={*arrived.gone, job_id})
        elif fault.kind is ErrorKind.PAYLOAD:
            arrived = replace(arrived, unreadable={*arrived.unreadable, job_id})
        else:
            # The fault is not the job's own.
            ready = (wanted, *left.ready) if job_id in details.resting else details.ready
            paused = details.paused or fault.kind in _PAUSES
            return replace(left, ready=ready, paused=paused, hung=hangs(fault))
        return replace(left, arrived=arrived)

    def _later(self, details: Details, left: Details, wanted: WantedDetail, now: Moment) -> Details:
        """Try it less and less often: it must not eat what others need."""
        rest = details.resting.get(wanted.job.job_id)
        rests = rest.rests + 1 if rest else 1
        seconds = min(self.interval * 2.0 ** (rests - 1), _LONGEST_REST_SECONDS)
        # A little less than whole intervals, so that the refresh then due is not missed.
        later = Rest(wanted, rests, 0, now.monotonic + 0.9 * seconds)
        return replace(left, resting={**left.resting, wanted.job.job_id: later})


def _find(details: Details, job_id: str) -> WantedDetail | None:
    """The detail of a job, if it waits: as a rule it is one of the first."""
    if rest := details.resting.get(job_id):
        return rest.wanted
    return next((one for one in details.ready if one.job.job_id == job_id), None)


def _without(details: Details, job_id: str) -> Details:
    """The details without this one: it has been answered."""
    if job_id in details.resting:
        resting = {k: rest for k, rest in details.resting.items() if k != job_id}
        return replace(details, resting=resting, hung=False)
    for index, one in enumerate(details.ready):
        if one.job.job_id == job_id:
            ready = details.ready[:index] + details.ready[index + 1 :]
            return replace(details, ready=ready, hung=False)
    return details


def _told(vault: Vault, details: Details, fault: ArmError | None) -> Details:
    """Say it once if details cannot be read; after the next good one it may be said again."""
    quiet = {ErrorKind.NOT_FOUND, ErrorKind.PAYLOAD}
    if fault and fault.kind not in quiet and not details.told:
        log.warning(
            "details cannot be read, the jobs are shown from the list: %s",
            fault,
            extra={**names_of(vault), "kind": fault.kind.value, **fault.ids},
        )
        return replace(details, told=True)
    return details if fault else replace(details, told=False)
