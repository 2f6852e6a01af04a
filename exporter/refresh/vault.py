"""One refresh of one vault: list, details, roll-up, publish."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.backup.history import History, merge_details, merge_list, prune
from exporter.backup.rollup import roll_up
from exporter.errors import ArmError, ErrorKind, NotNowError
from exporter.metrics.snapshot import VaultSnapshot
from exporter.refresh.advice import ADVICE
from exporter.refresh.details import DetailReader, names_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from exporter.azure.backup_jobs import BackupJobsApi
    from exporter.azure.gate import BudgetGate
    from exporter.backup.details import DetailPolicy, WantedDetail
    from exporter.backup.model import Settings, Vault
    from exporter.clock import Clock
    from exporter.refresh.lists import JobLists

log = logging.getLogger(__name__)

_SHARE_OF_INTERVAL: Final = 0.8
"""Retries end before the next refresh is due."""


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
        first_wanted: Details wanted after the first list; None before.
        filled: Whether no detail has waited for the budget since then, or the vault is down.
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
    first_wanted: int | None = None
    filled: bool = False
    due: float = float("-inf")

    def copy(self) -> VaultState:
        """The same for a new owner."""
        return replace(self, errors=Counter(self.errors))


class VaultRefresher:
    """Keeps one vault's part of the page current.

    Args:
        vault: Which one.
        lists: Its job lists.
        api: Its jobs' details.
        gate: The read budget it shares.
        settings: How jobs are judged and kept.
        keep_stale: How long its data stay when it cannot be read.
        clock: What time it is.
        publish: Where a snapshot goes.
        keep: Where what is known goes after each refresh that read the vault.
        detail_threads: Details read at once.
        want: Which details are read.
        state: What is known already; owned from now on.
    """

    def __init__(
        self,
        vault: Vault,
        *,
        lists: JobLists,
        api: BackupJobsApi,
        gate: BudgetGate,
        settings: Settings,
        keep_stale: timedelta,
        clock: Clock,
        publish: Callable[[VaultSnapshot], None],
        keep: Callable[[Vault, VaultState], None],
        detail_threads: int,
        want: DetailPolicy,
        state: VaultState,
    ) -> None:
        self.vault = vault
        self.state = state
        self._lists = lists
        self._gate = gate
        self._settings = settings
        self._keep_stale = keep_stale
        self._clock = clock
        self._publish = publish
        self._keep = keep
        self._detail_threads = detail_threads
        self._want = want
        self._details = DetailReader(vault, api, gate, clock)
        self._retired = False
        self._started = float("-inf")
        self._failed_kind: ErrorKind | None = None

    @property
    def name(self) -> str:
        """The vault's."""
        return self.vault.name

    @property
    def due(self) -> float:
        """Monotonic time of the next refresh."""
        return self.state.due

    @due.setter
    def due(self, at: float) -> None:
        self.state.due = at

    @property
    def ended_once(self) -> bool:
        """Whether a refresh has ended, well or badly."""
        return self.state.up is not None

    @property
    def suspect(self) -> bool:
        """Whether the last refresh hung: the next may hold up others."""
        return self._failed_kind is ErrorKind.TIMEOUT or self._details.hung

    def next_turn(self, started: float) -> float:
        """Monotonic time of the refresh after one that began at ``started``."""
        return self._lists.next_turn(started)

    def retire(self) -> VaultState:
        """Publish and keep nothing any more; returns a copy of what is known, for a successor."""
        self._retired = True
        return self.state.copy()

    def refresh(self) -> None:
        """Read the vault once and publish what is known then.

        Raises:
            NotNowError: The read budget does not allow a list now.
        """
        self.read_details(self.read_list())

    def read_list(self) -> list[WantedDetail]:
        """Read the list, publish, and say which details are wanted; none when it cannot be read.

        Raises:
            NotNowError: The read budget does not allow a list now.
        """
        self._started = self._clock.monotonic()
        give_up_at = self._started + _SHARE_OF_INTERVAL * self._lists.interval()
        wanted: list[WantedDetail] = []
        try:
            wanted = self._take_list(self._clock.now(), give_up_at)
        except NotNowError as postponed:
            self._postponed(postponed)
            raise
        except ArmError as error:
            self._failed(error)
        if wanted:
            # Status first: details may take long or have to wait.
            self.publish()
        return wanted

    def read_details(self, wanted: list[WantedDetail]) -> None:
        """Read the details that ``read_list`` wants, as far as possible, and publish."""
        state = self.state
        if state.up:
            give_up_at = self._started + _SHARE_OF_INTERVAL * self._lists.interval()
            reading = self._details.read(wanted, give_up_at, threads=self._detail_threads)
            state.history = merge_details(state.history, reading)
            answered = len(reading.jobs) + len(reading.gone) + len(reading.unreadable)
            state.details_pending = len(wanted) - answered
            if state.details_pending <= self._details.resting:
                state.filled = True
        state.refresh_duration = timedelta(seconds=self._clock.monotonic() - self._started)
        self.publish()
        if state.up and not self._retired:
            self._keep(self.vault, state)

    def broke(self, error: Exception) -> None:
        """Mark the vault down after an error of our own, so that old data do not look fresh."""
        self._lists.reset()
        self._failed(ArmError(ErrorKind.PAYLOAD, f"{type(error).__name__}: {error}"))
        if not self._retired:
            self._publish(self._snapshot(known=False))

    def not_read(self) -> None:
        """Mark the vault down because the read budget has not allowed to read it at all."""
        self._failed(ArmError(ErrorKind.THROTTLED, "the read budget is spent"))
        self.publish()

    def publish(self) -> None:
        """Put what is known on the page."""
        if self._retired:
            return
        fresh = self._clock.monotonic() < self.stale_at()
        known = self.state.refreshed_at is not None and (bool(self.state.up) or fresh)
        self._publish(self._snapshot(known=known))

    def stale_at(self) -> float:
        """Monotonic time when what is known becomes too old; long past if nothing is known.

        One refresh that fails must not blank a vault, however long the interval.
        """
        stale_after = max(self._keep_stale.total_seconds(), 2 * self._lists.interval())
        return self.state.data_since + stale_after

    def _snapshot(self, *, known: bool) -> VaultSnapshot:
        state = self.state
        now = self._clock.now()
        return VaultSnapshot(
            vault=self.vault,
            up=state.up,
            refreshed_at=state.refreshed_at,
            refresh_duration=state.refresh_duration,
            refresh_interval=timedelta(seconds=self._lists.interval_in_effect()),
            errors=dict(state.errors),
            failure=state.failure,
            details_pending=state.details_pending if known else None,
            rollup=roll_up(self.vault, state.history, now, self._settings) if known else None,
        )

    def _take_list(self, now: datetime, give_up_at: float) -> list[WantedDetail]:
        """Read and take in the list; returns which details are wanted."""
        state, settings = self.state, self._settings
        reading = self._lists.read(state.history, now, give_up_at)
        history = merge_list(state.history, reading.jobs, reading.window, settings)
        state.history = prune(history, now, settings)
        self._succeeded(reading.window.end, reading.since)
        wanted = self._want(state.history, now, settings)
        state.details_pending = len(wanted)
        if state.first_wanted is None:
            state.first_wanted = len(wanted)
        # Others that share the budget, and come first, leave room for what is urgent here.
        self._gate.want(self.vault, Counter(one.urgency for one in wanted))
        return wanted

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
        self._gate.want(self.vault, Counter())
        self._gate.details_wait(self.vault, wait=False)
        advice = ADVICE[error.kind].format(scope=self.vault.path)
        failure = f"{error}. What to do: {advice}."
        if error.kind is not self._failed_kind:
            log.warning(
                "vault cannot be read: %s",
                failure,
                extra={**self._names, "kind": error.kind.value},
            )
        state.up, state.failure, state.filled = False, failure, True
        self._failed_kind = error.kind

    @property
    def _names(self) -> dict[str, str]:
        return names_of(self.vault)
