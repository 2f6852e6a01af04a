"""One vault: its list and its details, each by itself, the roll-up, and publishing."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.backup.details import Urgency
from exporter.backup.history import (
    History,
    merge_details,
    merge_list,
    prune,
    without_running_details,
)
from exporter.backup.rollup import roll_up
from exporter.errors import ArmError, ErrorKind, NotNowError
from exporter.metrics.snapshot import VaultSnapshot
from exporter.refresh.advice import advice_on
from exporter.refresh.details import VaultDetails, names_of
from exporter.words import said_of_each

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    from exporter.azure.backup_jobs import BackupJobsApi
    from exporter.azure.gate import BudgetGate
    from exporter.backup.details import DetailPolicy, WantedDetail
    from exporter.backup.model import BackupJob, Settings, Vault
    from exporter.clock import Clock
    from exporter.refresh.lists import JobLists, ListReading

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
        failed_kind: Why it is down; None while it is up.
        failure: The same for people.
        for_support: Ids of the request that failed, for people; empty where there are none.
        details_pending: Details that wait.
        ended: Finished jobs by the hour in which they ended, since 1970; kept until it is filled.
        waiting: Details of failed and newest jobs that wait for the budget, likewise.
        filled: Whether none of them has waited since the first list, or the vault is down.
        due: Monotonic time of the next refresh; the first is due at once.
        appeared: Monotonic time since when it is known, and has been read or not.
    """

    history: History = field(default_factory=History)
    up: bool | None = None
    refreshed_at: datetime | None = None
    data_since: float = float("-inf")
    refresh_duration: timedelta | None = None
    errors: Counter[ErrorKind] = field(default_factory=Counter)
    failed_kind: ErrorKind | None = None
    failure: str | None = None
    for_support: str = ""
    details_pending: int | None = None
    ended: Counter[int] = field(default_factory=Counter)
    waiting: Counter[int] = field(default_factory=Counter)
    filled: bool = False
    due: float = float("-inf")
    appeared: float = float("inf")

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
        keep: Where what is known goes after each list and each detail.
        wanting: Called when other details are wanted than before.
        detail_threads: Details read at once.
        want: Which details are read.
        state: What is known already; owned from now on.

    Attributes:
        served_at: Monotonic time when its details last had their turn.
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
        wanting: Callable[[], None],
        detail_threads: int,
        want: DetailPolicy,
        state: VaultState,
    ) -> None:
        self.vault = vault
        self.state = state
        state.appeared = min(state.appeared, clock.monotonic())
        self._lists = lists
        self._gate = gate
        self._settings = settings
        self._keep_stale = keep_stale
        self._clock = clock
        self._publish = publish
        self._keep = keep
        self._detail_threads = detail_threads
        self._policy = want
        self._wanting = wanting
        self._details = VaultDetails(vault, api, gate, clock)
        self._changing = threading.RLock()
        self.served_at = float("-inf")
        self._retired = False

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
        return self.state.failed_kind is ErrorKind.TIMEOUT or self._details.hung

    def next_turn(self, started: float) -> float:
        """Monotonic time of the refresh after one that began at ``started``."""
        return self._lists.next_turn(started)

    def list_reads(self, until: float) -> int:
        """How many reads of the budget its lists take until then."""
        return self._lists.reads(self.due, until)

    def begin(self) -> None:
        """Publish what is known already, and want the details that it lacks."""
        state = self.state
        self.publish()
        if state.up:
            self._want(self._policy(state.history, self._clock.now(), self._settings))

    def retire(self) -> VaultState:
        """Publish and keep nothing any more; returns a copy of what is known, for a successor."""
        with self._changing:
            self._retired = True
            return self.state.copy()

    def refresh(self) -> None:
        """Read the list, publish what is known then, and say which details are wanted.

        Raises:
            NotNowError: The read budget does not allow a list now.
        """
        started = self._clock.monotonic()
        give_up_at = started + _SHARE_OF_INTERVAL * self._lists.interval()
        try:
            reading = self._lists.read(self.state.history, self._clock.now(), give_up_at)
        except NotNowError as postponed:
            self._postponed(postponed)
            raise
        except ArmError as error:
            with self._changing:
                self._failed(error)
                self.publish()
            return
        with self._changing:
            self._take_list(reading)
            took = self._clock.monotonic() - started
            self.state.refresh_duration = timedelta(seconds=took)
            self._show()

    def due_details(self) -> list[WantedDetail]:
        """Details that wait for nothing but the budget, the most urgent first."""
        return self._details.due()

    def pass_over(self, job_ids: Collection[str]) -> None:
        """Drop what was said of those of these jobs that run: no news of them are under way."""
        with self._changing:
            history = without_running_details(self.state.history, job_ids)
            if history is not self.state.history:
                self.state.history = history
                self.publish()

    def read_details(self, chosen: list[WantedDetail], give_up_at: float) -> None:
        """Read some of these, as far as possible, and publish."""
        self.served_at = self._clock.monotonic()
        outcome = self._details.read(chosen, give_up_at, threads=self._detail_threads)
        with self._changing:
            state, details = self.state, self._details
            details.settle(outcome)
            state.history = merge_details(state.history, outcome.reading)
            left = {one.job.job_id for one in details.waiting}
            tried = {one.job.job_id for one in chosen}
            state.history = without_running_details(state.history, left & tried)
            if state.up:
                self._count_waiting()
            self._show()

    def broke(self, error: Exception) -> None:
        """Mark the vault down after an error of our own, so that old data do not look fresh."""
        with self._changing:
            self._lists.reset()
            self._failed(ArmError(ErrorKind.PAYLOAD, f"{type(error).__name__}: {error}"))
            if not self._retired:
                self._publish(self._snapshot(known=False))

    def not_read(self) -> None:
        """Mark the vault down because the read budget has not allowed to read it at all."""
        with self._changing:
            self._failed(ArmError(ErrorKind.THROTTLED, "the read budget is spent"))
            self.publish()

    def publish(self) -> None:
        """Put what is known on the page."""
        with self._changing:
            if self._retired:
                return
            fresh = self._clock.monotonic() < self.stale_at()
            known = self.state.refreshed_at is not None and (bool(self.state.up) or fresh)
            self._publish(self._snapshot(known=known))

    def stale_at(self) -> float:
        """Monotonic time when what is known becomes too old, or nothing has been known too long.

        One refresh that fails must not blank a vault, however long the interval.
        """
        state, keep = self.state, self._keep_stale.total_seconds()
        if state.refreshed_at is None:
            return state.appeared + keep
        return state.data_since + max(keep, 2 * self._lists.interval())

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
            failed_kind=state.failed_kind,
            failure=state.failure,
            details_pending=state.details_pending if known else None,
            rollup=roll_up(self.vault, state.history, now, self._settings) if known else None,
        )

    def _take_list(self, reading: ListReading) -> None:
        # The answer has told Azure's time: judged by another, what is known might be forgotten.
        state, settings, now = self.state, self._settings, self._clock.now()
        # What was said of a running job stands only while news of it are under way.
        late = {one.job.job_id for one in self._details.waiting}
        history = without_running_details(state.history, late)
        history = merge_list(history, reading.jobs, reading.window, settings)
        state.history = prune(history, now, settings)
        self._succeeded(reading.window.end, reading.since)
        wanted = self._policy(state.history, now, settings)
        self._want(wanted)
        if not state.filled:
            state.ended = _by_hour(state.history.jobs.values())

    def _want(self, wanted: list[WantedDetail]) -> None:
        self._details.want(wanted)
        self._count_waiting()
        self._wanting()

    def _count_waiting(self) -> None:
        state, details = self.state, self._details
        state.details_pending = len(details.waiting)
        state.waiting = _by_hour(
            one.job for one in details.awake() if one.urgency <= Urgency.NEWEST
        )
        state.filled = state.filled or not state.waiting

    def _show(self) -> None:
        self.publish()
        if self.state.up and not self._retired:
            self._keep(self.vault, self.state)

    def _succeeded(self, refreshed_at: datetime, data_since: float) -> None:
        state = self.state
        if state.up is not True:
            # The first time of each vault is told by the first fill, in one line for many.
            level = logging.DEBUG if state.up is None else logging.INFO
            jobs = len(state.history.jobs)
            alike = "vaults are read"
            log.log(level, "vault is read", extra={**self._names, "jobs": jobs, "alike": alike})
        state.up, state.failed_kind, state.failure, state.for_support = True, None, None, ""
        state.refreshed_at, state.data_since = refreshed_at, data_since

    def _postponed(self, postponed: NotNowError) -> None:
        """Nothing could be asked. That is no fault until the data are too old to stand for now."""
        with self._changing:
            if self._clock.monotonic() >= self.stale_at():
                self._failed(ArmError(ErrorKind.THROTTLED, str(postponed)))
            self.publish()

    def _failed(self, error: ArmError) -> None:
        state = self.state
        state.errors[error.kind] += 1
        # A vault that cannot be read wants no details, so it must not slow down the others.
        self._details.want([])
        state.waiting = Counter()
        self._wanting()
        failure = f"{error}. What to do: {advice_on(error, self.vault.path)}."
        if error.kind is not state.failed_kind:
            alike = f"vaults cannot be read: {said_of_each(failure, self.vault.path)}"
            log.warning(
                "vault cannot be read: %s",
                failure,
                extra={**self._names, "kind": error.kind.value, "alike": alike, **error.ids},
            )
        state.up, state.failed_kind, state.failure, state.filled = False, error.kind, failure, True
        state.for_support = error.for_support

    @property
    def _names(self) -> dict[str, str]:
        return names_of(self.vault)


def hour_of(at: datetime) -> int:
    """Which hour since 1970 it is."""
    return int(at.timestamp() // 3600)


def _by_hour(jobs: Iterable[BackupJob]) -> Counter[int]:
    """Finished jobs by the hour in which they ended; 0 if Azure did not say."""
    return Counter(hour_of(job.ended_at) if job.ended_at else 0 for job in jobs if not job.running)
