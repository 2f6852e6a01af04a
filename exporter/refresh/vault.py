"""One refresh of one vault: list, details, roll-up, publish."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.backup.details import WantedDetail, wanted_details
from exporter.backup.history import (
    DetailReading,
    History,
    merge_details,
    merge_list,
    next_window,
    prune,
)
from exporter.backup.rollup import roll_up
from exporter.errors import ArmError, ErrorKind, NotNowError
from exporter.metrics.snapshot import VaultSnapshot
from exporter.refresh.threads import run_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from exporter.azure.backup_jobs import BackupJobsApi
    from exporter.azure.gate import BudgetGate
    from exporter.backup.model import Settings, Vault
    from exporter.clock import Clock

log = logging.getLogger(__name__)

_SHARE_OF_INTERVAL: Final = 0.8
"""Retries end before the next refresh is due."""

_ADVICE: Final = {
    ErrorKind.FORBIDDEN: "assign the role Backup Reader on {scope} to this identity"
    " (it needs Microsoft.RecoveryServices/vaults/backupJobs/read); new rights take some minutes",
    ErrorKind.UNAUTHORIZED: "check azure.credential and that its tenant is the one of"
    " {subscription}",
    ErrorKind.NOT_FOUND: "check subscription, resource group and name of the vault in the"
    " configuration; it may have been deleted",
    ErrorKind.THROTTLED: "reads wait as long as Azure asks; others who read this subscription"
    " share its limit",
    ErrorKind.TIMEOUT: "check the network path to Azure Resource Manager",
    ErrorKind.NETWORK: "check DNS, proxy, firewall and certificates on the way to Azure Resource"
    " Manager",
    ErrorKind.SERVER: "nothing to do unless it lasts: Azure's own fault",
    ErrorKind.PAYLOAD: "Azure did not accept the request or sent what this exporter does not"
    " read; please report it with a sanitised answer",
}

_ENDS_DETAILS: Final = frozenset(ErrorKind) - {
    ErrorKind.NOT_FOUND,
    ErrorKind.PAYLOAD,
    ErrorKind.SERVER,
}
"""Faults that the next detail would meet too."""


@dataclass(slots=True, kw_only=True)
class VaultState:
    """What is kept of a vault between refreshes, and across a reload.

    Attributes:
        due: Monotonic time of the next refresh; the first is due at once.
    """

    history: History = field(default_factory=History)
    up: bool | None = None
    refreshed_at: datetime | None = None
    refresh_duration: timedelta | None = None
    errors: Counter[ErrorKind] = field(default_factory=Counter)
    failure: str | None = None
    details_pending: int | None = None
    due: float = float("-inf")


class VaultRefresher:
    """Keeps one vault's part of the page current.

    Args:
        vault: Which one.
        api: Reads it.
        gate: The read budget it shares.
        settings: How jobs are judged and kept.
        keep_stale: How long its data stay when it cannot be read.
        clock: What time it is.
        publish: Where a snapshot goes.
        detail_threads: Details read at once.
        state: What an earlier refresher knew of the vault.
    """

    def __init__(
        self,
        vault: Vault,
        *,
        api: BackupJobsApi,
        gate: BudgetGate,
        settings: Settings,
        keep_stale: timedelta,
        clock: Clock,
        publish: Callable[[VaultSnapshot], None],
        detail_threads: int,
        state: VaultState,
    ) -> None:
        self.vault = vault
        self.gate = gate
        self.state = state
        self._api = api
        self._settings = settings
        self._keep_stale = keep_stale
        self._clock = clock
        self._publish = publish
        self._detail_threads = detail_threads
        self._slow = False

    @property
    def suspect(self) -> bool:
        """Whether the last refresh hung: the next may hold up others."""
        return self._slow

    def refresh(self) -> None:
        """Read the vault once and publish what is known then.

        Raises:
            NotNowError: The read budget does not allow a list now; nothing has changed.
        """
        started = self._clock.monotonic()
        give_up_at = started + _SHARE_OF_INTERVAL * self.gate.interval()
        now = self._clock.now()
        self._slow = False
        try:
            wanted = self._read_list(now, give_up_at)
        except NotNowError:
            raise
        except ArmError as error:
            self._failed(error)
        else:
            self._succeeded(now)
            if wanted:
                # Status first: details may take long or have to wait.
                self.publish()
            self._read_details(wanted, give_up_at)
        self.state.refresh_duration = timedelta(seconds=self._clock.monotonic() - started)
        self.publish()

    def broke(self, error: Exception) -> None:
        """Mark the vault down after an error of our own, so that old data do not look fresh."""
        self._failed(ArmError(ErrorKind.PAYLOAD, f"{type(error).__name__}: {error}"))
        self.publish()

    def publish(self) -> None:
        """Put what is known on the page."""
        state, now = self.state, self._clock.now()
        known = state.refreshed_at is not None and (
            state.up or now - state.refreshed_at <= self._keep_stale
        )
        self._publish(
            VaultSnapshot(
                vault=self.vault,
                up=state.up,
                refreshed_at=state.refreshed_at,
                refresh_duration=state.refresh_duration,
                refresh_interval=timedelta(seconds=self.gate.interval()),
                errors=dict(state.errors),
                failure=state.failure,
                details_pending=state.details_pending if known else None,
                rollup=roll_up(self.vault, state.history, now, self._settings) if known else None,
            )
        )

    def _read_list(self, now: datetime, give_up_at: float) -> list[WantedDetail]:
        """Take in the list; returns which details are wanted."""
        state, settings = self.state, self._settings
        window = next_window(state.history, now, settings)
        jobs = self._api.list_jobs(self.vault, window, self.gate, give_up_at=give_up_at)
        state.history = prune(merge_list(state.history, jobs, window, settings), now, settings)
        wanted = wanted_details(state.history, now, settings)
        state.details_pending = len(wanted)
        return wanted

    def _read_details(self, wanted: list[WantedDetail], give_up_at: float) -> None:
        reading = DetailReading()
        ended = budget_spent = False

        def read(one: WantedDetail) -> None:
            nonlocal ended, budget_spent
            if ended or self._clock.monotonic() >= give_up_at:
                return
            try:
                detail = self._api.job_detail(self.vault, one, self.gate, give_up_at=give_up_at)
            except ArmError as error:
                if error.kind is ErrorKind.NOT_FOUND:
                    reading.gone.add(one.job.job_id)
                elif error.kind is ErrorKind.PAYLOAD:
                    reading.unreadable.add(one.job.job_id)
                ended = ended or error.kind in _ENDS_DETAILS
                self._slow = self._slow or error.kind is ErrorKind.TIMEOUT
                if isinstance(error, NotNowError):
                    budget_spent = True
                else:
                    log.debug(
                        "detail not read: %s",
                        error,
                        extra={**self._names, "job_id": one.job.job_id},
                    )
            else:
                reading.jobs.append(detail)

        self.gate.want(self.vault, Counter(one.urgency for one in wanted))
        run_all("detail", read, wanted, threads=self._detail_threads)
        state = self.state
        state.history = merge_details(state.history, reading, self._settings)
        answered = len(reading.jobs) + len(reading.gone) + len(reading.unreadable)
        state.details_pending = len(wanted) - answered
        self.gate.details_wait(self.vault, wait=budget_spent)

    def _succeeded(self, now: datetime) -> None:
        state = self.state
        if state.up is not True or state.failure is not None:
            log.info("vault is read", extra={**self._names, "jobs": len(state.history.jobs)})
        state.up, state.refreshed_at, state.failure = True, now, None

    def _failed(self, error: ArmError) -> None:
        state = self.state
        state.errors[error.kind] += 1
        self._slow = error.kind is ErrorKind.TIMEOUT
        advice = _ADVICE[error.kind].format(
            scope=self.vault.path, subscription=self.vault.subscription_id
        )
        failure = f"{error}. What to do: {advice}."
        if state.up is not False or state.failure != failure:
            log.warning(
                "vault cannot be read: %s",
                failure,
                extra={**self._names, "kind": error.kind.value},
            )
        state.up, state.failure = False, failure

    @property
    def _names(self) -> dict[str, str]:
        return {
            "vault_name": self.vault.name,
            "resource_group": self.vault.resource_group,
            "subscription_id": self.vault.subscription_id,
        }
