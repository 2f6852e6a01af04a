"""Reading the details of one vault's jobs, as far as the budget and Azure allow."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.backup.history import DetailReading
from exporter.errors import ArmError, ErrorKind, NotNowError
from exporter.threads import run_all

if TYPE_CHECKING:
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


class DetailReader:
    """Reads details and remembers which ones Azure cannot deliver.

    Attributes:
        hung: Whether the newest reading met a timeout.
    """

    def __init__(self, vault: Vault, api: BackupJobsApi, gate: BudgetGate, clock: Clock) -> None:
        self.hung = False
        self._vault = vault
        self._api = api
        self._gate = gate
        self._clock = clock
        self._faults: dict[str, _Fault] = {}
        self._told = False

    @property
    def resting(self) -> int:
        """How many details wait for Azure, which cannot deliver them."""
        return len(self._faults)

    def read(self, wanted: list[WantedDetail], give_up_at: float, *, threads: int) -> DetailReading:
        """Read as many as possible, the most urgent first."""
        now = self._clock.monotonic()
        ids = {one.job.job_id for one in wanted}
        self._faults = {k: fault for k, fault in self._faults.items() if k in ids}
        due = [one for one in wanted if self._try_at(one) <= now]
        self._gate.want(self._vault, Counter(one.urgency for one in due))
        reading = DetailReading()
        faults: list[ArmError] = []

        def read_one(one: WantedDetail) -> None:
            ended = any(fault.kind in _ENDS_READING for fault in faults)
            if not ended and self._clock.monotonic() < give_up_at:
                self._read_one(one, give_up_at, reading, faults)

        run_all("detail", read_one, due, threads=threads)
        self.hung = any(fault.kind is ErrorKind.TIMEOUT for fault in faults)
        refused = any(isinstance(fault, NotNowError) for fault in faults)
        self._gate.details_wait(self._vault, wait=refused)
        self._tell([fault for fault in faults if not isinstance(fault, NotNowError)])
        return reading

    def _read_one(
        self,
        one: WantedDetail,
        give_up_at: float,
        reading: DetailReading,
        faults: list[ArmError],
    ) -> None:
        job_id = one.job.job_id
        try:
            job = self._api.job_detail(self._vault, one, self._gate, give_up_at=give_up_at)
        except ArmError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                reading.gone.add(job_id)
            elif error.kind is ErrorKind.PAYLOAD:
                reading.unreadable.add(job_id)
            else:
                faults.append(error)
                if error.kind is ErrorKind.SERVER:
                    self._rest(job_id)
        else:
            if job.running and not one.job.running:
                # A front end that lags behind the list's: the detail is still to come.
                self._rest(job_id)
                return
            reading.jobs.append(job)
            self._faults.pop(job_id, None)

    def _try_at(self, one: WantedDetail) -> float:
        fault = self._faults.get(one.job.job_id)
        return fault.try_at if fault else float("-inf")

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
                extra={**names_of(self._vault), "kind": faults[0].kind.value},
            )
        self._told = bool(faults)


def names_of(vault: Vault) -> dict[str, str]:
    """The vault as fields of a log record."""
    return {
        "vault_name": vault.name,
        "resource_group": vault.resource_group,
        "subscription_id": vault.subscription_id,
    }
