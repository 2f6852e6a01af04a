"""One refresh of one vault: list, details, roll-up, publish."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.backup.details import WantedDetail, wanted_details
from exporter.backup.history import (
    History,
    merge_details,
    merge_list,
    next_window,
    prune,
)
from exporter.backup.rollup import roll_up
from exporter.errors import ArmError, ErrorKind, NotNowError
from exporter.metrics.snapshot import VaultSnapshot
from exporter.refresh.details import DetailReader, names_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from exporter.azure.backup_jobs import BackupJobsApi, Listing
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


@dataclass(slots=True, kw_only=True)
class VaultState:
    """What is kept of a vault between refreshes; a reload hands a copy on.

    Attributes:
        history: Its jobs.
        up: Whether the last refresh read it; None before the first has ended.
        refreshed_at: When the list was asked for that its data are from.
        data_since: The same as monotonic time, which tells their age also when the clock is set.
        refresh_duration: Of the last refresh.
        errors: Failed refreshes by kind.
        failure: Why it is down, for people; None while it is up.
        details_pending: Details that wait.
        due: Monotonic time of the next refresh; the first is due at once.
    """

    history: History = field(default_factory=History)
    up: bool | None = None
    refreshed_at: datetime | None = None
    data_since: float = float("-inf")
    refresh_duration: timedelta | None = None
    errors: Counter[ErrorKind] = field(default_factory=Counter)
    failure: str | None = None
    details_pending: int | None = None
    due: float = float("-inf")

    def copy(self) -> VaultState:
        """The same for a new owner."""
        return replace(self, errors=Counter(self.errors))


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
        keep: Where what is known goes after each refresh that read the vault.
        detail_threads: Details read at once.
        state: What is known already; owned from now on.
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
        keep: Callable[[Vault, VaultState], None],
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
        self._keep = keep
        self._detail_threads = detail_threads
        self._details = DetailReader(vault, api, gate, clock)
        self._listing: Listing | None = None
        self._listing_since = float("-inf")
        self._failed_kind: ErrorKind | None = None

    @property
    def suspect(self) -> bool:
        """Whether the last refresh hung: the next may hold up others."""
        return self._failed_kind is ErrorKind.TIMEOUT or self._details.hung

    def refresh(self) -> None:
        """Read the vault once and publish what is known then.

        Raises:
            NotNowError: The read budget does not allow a list now.
        """
        started = self._clock.monotonic()
        give_up_at = started + _SHARE_OF_INTERVAL * self.gate.interval()
        now = self._clock.now()
        try:
            wanted = self._read_list(now, started, give_up_at)
        except NotNowError as postponed:
            self._postponed(postponed)
            raise
        except ArmError as error:
            self._failed(error)
        else:
            if wanted:
                # Status first: details may take long or have to wait.
                self.publish()
            self._read_details(wanted, give_up_at)
        self.state.refresh_duration = timedelta(seconds=self._clock.monotonic() - started)
        self.publish()
        if self.state.up:
            self._keep(self.vault, self.state)

    def broke(self, error: Exception) -> None:
        """Mark the vault down after an error of our own, so that old data do not look fresh."""
        self._listing = None
        self._failed(ArmError(ErrorKind.PAYLOAD, f"{type(error).__name__}: {error}"))
        self._publish(self._snapshot(known=False))

    def not_read(self) -> None:
        """Mark the vault down because the read budget has not allowed to read it at all."""
        self._failed(ArmError(ErrorKind.THROTTLED, "the read budget is spent"))
        self.publish()

    def publish(self) -> None:
        """Put what is known on the page."""
        fresh = self._clock.monotonic() < self.stale_at()
        known = self.state.refreshed_at is not None and (bool(self.state.up) or fresh)
        self._publish(self._snapshot(known=known))

    def stale_at(self) -> float:
        """Monotonic time when what is known becomes too old; long past if nothing is known.

        One refresh that fails must not blank a vault, however long the interval.
        """
        stale_after = max(self._keep_stale.total_seconds(), 2 * self.gate.interval())
        return self.state.data_since + stale_after

    def _snapshot(self, *, known: bool) -> VaultSnapshot:
        state = self.state
        now = self._clock.now()
        return VaultSnapshot(
            vault=self.vault,
            up=state.up,
            refreshed_at=state.refreshed_at,
            refresh_duration=state.refresh_duration,
            refresh_interval=timedelta(seconds=self.gate.interval_in_effect()),
            errors=dict(state.errors),
            failure=state.failure,
            details_pending=state.details_pending if known else None,
            rollup=roll_up(self.vault, state.history, now, self._settings) if known else None,
        )

    def _read_list(self, now: datetime, started: float, give_up_at: float) -> list[WantedDetail]:
        """Take in the list; returns which details are wanted."""
        state, settings = self.state, self._settings
        if self._listing is None:
            self._listing = self._api.listing(self.vault, next_window(state.history, now, settings))
            self._listing_since = started
        listing = self._listing
        try:
            jobs = self._api.read_list(listing, self.gate, give_up_at=give_up_at)
        except NotNowError:
            raise
        except ArmError:
            self._listing = None
            raise
        self._listing = None
        history = merge_list(state.history, jobs, listing.window, settings)
        state.history = prune(history, now, settings)
        self._succeeded(listing.window.end, self._listing_since)
        wanted = wanted_details(state.history, now, settings)
        state.details_pending = len(wanted)
        return wanted

    def _read_details(self, wanted: list[WantedDetail], give_up_at: float) -> None:
        reading = self._details.read(wanted, give_up_at, threads=self._detail_threads)
        state = self.state
        state.history = merge_details(state.history, reading)
        answered = len(reading.jobs) + len(reading.gone) + len(reading.unreadable)
        state.details_pending = len(wanted) - answered

    def _succeeded(self, refreshed_at: datetime, data_since: float) -> None:
        state = self.state
        if state.up is not True:
            log.info("vault is read", extra={**self._names, "jobs": len(state.history.jobs)})
        state.up, state.failure = True, None
        state.refreshed_at, state.data_since = refreshed_at, data_since
        self._failed_kind = None

    def _postponed(self, postponed: NotNowError) -> None:
        """Nothing could be asked. That is no fault until the data are too old to stand for now."""
        if self.state.refreshed_at is not None and self._clock.monotonic() >= self.stale_at():
            self._failed(ArmError(ErrorKind.THROTTLED, str(postponed)))
        self.publish()

    def _failed(self, error: ArmError) -> None:
        state = self.state
        state.errors[error.kind] += 1
        # A vault that cannot be read wants no details, so it must not slow down the others.
        self.gate.want(self.vault, Counter())
        self.gate.details_wait(self.vault, wait=False)
        advice = _ADVICE[error.kind].format(
            scope=self.vault.path, subscription=self.vault.subscription_id
        )
        failure = f"{error}. What to do: {advice}."
        if error.kind is not self._failed_kind:
            log.warning(
                "vault cannot be read: %s",
                failure,
                extra={**self._names, "kind": error.kind.value},
            )
        state.up, state.failure = False, failure
        self._failed_kind = error.kind

    @property
    def _names(self) -> dict[str, str]:
        return names_of(self.vault)
