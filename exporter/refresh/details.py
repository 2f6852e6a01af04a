"""The details that one vault waits for, and reading them as far as budget and Azure allow."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.backup.history import DetailReading
from exporter.errors import ArmError, ErrorKind, NotNowError
from exporter.threads import run_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.azure.backup_jobs import BackupJobsApi
    from exporter.azure.gate import BudgetGate
    from exporter.backup.details import WantedDetail
    from exporter.backup.model import Vault
    from exporter.clock import Clock

log = logging.getLogger(__name__)

_ENDS_READING: Final = frozenset(ErrorKind) - {
    ErrorKind.NOT_FOUND,
    ErrorKind.PAYLOAD,
    ErrorKind.SERVER,
}
"""Faults that the next detail would meet too."""

_LONGEST_REST_SECONDS: Final = 6 * 3600.0


class _Fault(NamedTuple):
    """A detail that Azure has answered with a server error, or with an older one than the list.

    Attributes:
        number: How often in a row.
        try_at: Monotonic time of the next try.
    """

    number: int
    try_at: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reading of details came to.

    Attributes:
        reading: What was answered.
        not_yet: Ids of those that Azure cannot deliver at the moment.
        faults: What else went wrong, or was not allowed.
    """

    reading: DetailReading = field(default_factory=DetailReading)
    not_yet: list[str] = field(default_factory=list)
    faults: list[ArmError] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether there is no use in reading on."""
        return any(fault.kind in _ENDS_READING for fault in self.faults)


class VaultDetails:
    """Knows which details a vault waits for and which ones Azure cannot deliver, and reads them.

    ``read`` only reads; whoever calls the others lets one thread do so at a time.

    Attributes:
        waiting: All that are wanted, the most urgent first.
        hung: Whether the newest reading met a timeout.
    """

    def __init__(self, vault: Vault, api: BackupJobsApi, gate: BudgetGate, clock: Clock) -> None:
        self.waiting: list[WantedDetail] = []
        self.hung = False
        self._vault = vault
        self._api = api
        self._gate = gate
        self._clock = clock
        self._faults: dict[str, _Fault] = {}
        self._paused = False
        self._told = False

    def awake(self) -> list[WantedDetail]:
        """Those of them that Azure can deliver, as far as is known."""
        faults = self._faults
        return [one for one in self.waiting if one.job.job_id not in faults]

    def due(self) -> list[WantedDetail]:
        """Those that wait for nothing but the budget."""
        if self._paused:
            return []
        now, faults = self._clock.monotonic(), self._faults
        return [
            one
            for one in self.waiting
            if (fault := faults.get(one.job.job_id)) is None or fault.try_at <= now
        ]

    def want(self, wanted: list[WantedDetail]) -> None:
        """Take in all that are wanted from now on, after a list: a reading that ended goes on."""
        ran = {one.job.job_id for one in self.waiting if one.job.running}
        self.waiting, self._paused = wanted, False
        # What went wrong while a job ran says nothing of its detail after the end.
        ids = {one.job.job_id for one in wanted if one.job.running or one.job.job_id not in ran}
        self._faults = {k: fault for k, fault in self._faults.items() if k in ids}

    def read(self, chosen: Iterable[WantedDetail], give_up_at: float, *, threads: int) -> Outcome:
        """Read some of them, in order."""
        outcome = Outcome()

        def read_one(one: WantedDetail) -> None:
            if not outcome.ended and self._clock.monotonic() < give_up_at:
                self._read_one(one, give_up_at, outcome)

        run_all("detail", read_one, chosen, threads=threads)
        return outcome

    def settle(self, outcome: Outcome) -> None:
        """Take in what a reading came to."""
        reading = outcome.reading
        answered = {job.job_id for job in reading.jobs} | reading.gone | reading.unreadable
        self.waiting = [one for one in self.waiting if one.job.job_id not in answered]
        self._faults = {k: fault for k, fault in self._faults.items() if k not in answered}
        for job_id in outcome.not_yet:
            self._rest(job_id)
        faults = [fault for fault in outcome.faults if not isinstance(fault, NotNowError)]
        self.hung = any(fault.kind is ErrorKind.TIMEOUT for fault in faults)
        # The next list begins it anew.
        self._paused = any(fault.kind in _ENDS_READING for fault in faults)
        self._tell(faults)

    def _read_one(self, one: WantedDetail, give_up_at: float, outcome: Outcome) -> None:
        job_id, reading = one.job.job_id, outcome.reading
        try:
            job = self._api.job_detail(self._vault, one, self._gate, give_up_at=give_up_at)
        except ArmError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                reading.gone.add(job_id)
            elif error.kind is ErrorKind.PAYLOAD:
                reading.unreadable.add(job_id)
            else:
                outcome.faults.append(error)
                if error.kind is ErrorKind.SERVER:
                    outcome.not_yet.append(job_id)
        else:
            if job.running and not one.job.running:
                # A front end that lags behind the list's: the detail is still to come.
                outcome.not_yet.append(job_id)
            else:
                reading.jobs.append(job)

    def _rest(self, job_id: str) -> None:
        """Try a detail that fails less and less often: it must not eat what others need."""
        number = self._faults[job_id].number + 1 if job_id in self._faults else 1
        rest = min(self._gate.interval() * 2 ** (number - 1), _LONGEST_REST_SECONDS)
        # A little less than whole intervals, so that the refresh then due is not missed.
        self._faults[job_id] = _Fault(number, self._clock.monotonic() + 0.9 * rest)

    def _tell(self, faults: list[ArmError]) -> None:
        if faults and not self._told:
            log.warning(
                "details cannot be read, the jobs are shown from the list: %s",
                faults[0],
                extra={**names_of(self._vault), "kind": faults[0].kind.value, **faults[0].ids},
            )
        self._told = bool(faults)


def names_of(vault: Vault) -> dict[str, str]:
    """The vault as fields of a log record."""
    return {
        "vault_name": vault.name,
        "resource_group": vault.resource_group,
        "subscription_id": vault.subscription_id,
    }
