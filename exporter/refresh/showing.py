"""Puts what is known of the vaults on the page and into the state file, while it may stand."""

from __future__ import annotations

import logging
import math
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.backup.history import remembered_from
from exporter.backup.rollup import roll_up
from exporter.errors import ArmError, ErrorKind
from exporter.metrics.snapshot import VaultSnapshot
from exporter.refresh.records import NEVER, VaultRecord, list_turn, source_of
from exporter.refresh.waiting import merged
from exporter.state import StoredVault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from exporter.config import Config
    from exporter.refresh.budgets import Budgets
    from exporter.refresh.fetch import Records
    from exporter.refresh.records import Moment
    from exporter.state import StateKeeper

log = logging.getLogger(__name__)

_REST: Final = 9
"""While there is other work, showing details takes a tenth of the owner's time at most."""

_MUCH: Final = 1.05
"""What is said of an interval is said anew when it is so many times as long."""


class Showing:
    """Knows what has changed and is not shown yet, and when what is shown is too old.

    A list is shown at once. Details come one by one, and showing a vault takes longer the more jobs
    it has: so vaults with new details are shown in turn, one after the other, and all as soon as
    there is nothing else to do.

    Args:
        publish: Where a snapshot goes.
        keeper: Of the state file; None without one.
        config: How jobs are judged, and how long data stay when a vault cannot be read.
        budgets: While one allows nothing, the interval in effect is longer.

    Attributes:
        look_at: Monotonic time when something becomes too old.
    """

    def __init__(
        self,
        publish: Callable[[VaultSnapshot], None],
        keeper: StateKeeper | None,
        config: Config,
        budgets: Budgets,
    ) -> None:
        self._publish = publish
        self._keeper = keeper
        self._settings = config.settings()
        self._keep_stale = config.refresh.keep_stale.total_seconds()
        self._budgets = budgets
        self._at_once: dict[str, None] = {}
        self._in_turn: dict[str, None] = {}
        self._rests_until = NEVER
        self._blank: set[str] = set()
        self._said: dict[str, float] = {}
        self.look_at = NEVER

    @property
    def rests(self) -> float:
        """Seconds until the next one may be shown; infinite if none waits."""
        if not self._in_turn and not self._at_once:
            return math.inf
        return max(0.0, self._rests_until - time.perf_counter())

    def changed(self, vault_id: str, *, at_once: bool) -> None:
        """Have a vault shown, now or in turn."""
        if at_once:
            self._in_turn.pop(vault_id, None)
            self._at_once[vault_id] = None
        elif vault_id not in self._at_once:
            self._in_turn.setdefault(vault_id)

    def turns(
        self, records: Records, now: Moment, *, idle: bool
    ) -> Iterator[tuple[str, VaultRecord, Exception | None]]:
        """Show the vaults whose turn it is; each with its record, and why it could not be shown.

        Args:
            records: Of all; may change meanwhile.
            now: The present.
            idle: Whether there is nothing else to do.
        """
        while (vault_id := self._next(idle=idle)) is not None:
            record = records.get(vault_id)
            if isinstance(record, VaultRecord):
                try:
                    yield vault_id, self.show(record, records, now), None
                except Exception as error:
                    log.exception("showing %s broke", vault_id)
                    yield vault_id, record, error

    def _next(self, *, idle: bool) -> str | None:
        """The vault that is to be shown now, if there is one."""
        rests = not idle and time.perf_counter() < self._rests_until
        for waiting in (self._at_once, {} if rests else self._in_turn):
            if waiting:
                vault_id = next(iter(waiting))
                del waiting[vault_id]
                return vault_id
        return None

    def too_old(
        self, records: Records, began: Mapping[str, float], patience: float, now: float
    ) -> list[tuple[str, ArmError]]:
        """Vaults that have not been read for so long that they are down, and why.

        Those that are down already are only shown without what was known.

        Args:
            records: Of all.
            began: By subject, when the read of a list began that is under way.
            patience: What was slow to begin gets so many seconds from then on.
            now: Monotonic seconds.
        """
        if now < self.look_at:
            return []
        self.look_at = math.inf
        late: list[tuple[str, ArmError]] = []
        for vault_id, record in records.items():
            if not isinstance(record, VaultRecord) or vault_id in self._blank:
                continue
            at = min(self._stale_at(record, records), self._late_at(record, records))
            if at > now:
                self.look_at = min(self.look_at, at)
            elif self._stale_at(record, records) > now:
                # Its list waits for the budget: what is said of the interval is to be true.
                self.changed(vault_id, at_once=True)
            elif record.up is False:
                self._blank.add(vault_id)
                self.changed(vault_id, at_once=True)
            elif (until := began.get(source_of(record), NEVER) + patience) > now:
                self.look_at = min(self.look_at, until)
            else:
                late.append((vault_id, self._why_late(record, now)))
        return late

    def _why_late(self, record: VaultRecord, now: float) -> ArmError:
        """Why it has not been read for too long, though no read of it failed."""
        if self._budgets.available_at(record.budget, now) > now:
            return ArmError(ErrorKind.THROTTLED, "the read budget is spent")
        return ArmError(ErrorKind.TIMEOUT, "it has not been read in time")

    def show(self, record: VaultRecord, records: Records, now: Moment) -> VaultRecord:
        """Put a vault on the page and, if it is up, into the file.

        Returns:
            The record with all details in its history.
        """
        started = time.perf_counter()
        record = merged(record)
        at = self._stale_at(record, records)
        fresh = now.monotonic < at
        if fresh:
            self._blank.discard(record.vault.id)
            self.look_at = min(self.look_at, at)
        known = record.refreshed_at is not None and not record.spoilt
        if known and (record.up or fresh):
            rollup = roll_up(record.vault, record.history, now.wall, self._settings)
        else:
            rollup = None
        interval = self._interval(record, records, now.monotonic)
        self._said[record.vault.id] = interval
        self.look_at = min(self.look_at, self._late_at(record, records))
        self._publish(
            VaultSnapshot(
                vault=record.vault,
                up=record.up,
                refreshed_at=record.refreshed_at,
                refresh_duration=record.refresh_duration,
                refresh_interval=timedelta(seconds=interval),
                errors=dict(record.errors),
                failed_kind=record.failed_kind,
                failure=record.failure,
                details_pending=record.details_pending if rollup else None,
                rollup=rollup,
            )
        )
        if record.up:
            self.keep(record, now)
        ended = time.perf_counter()
        self._rests_until = ended + _REST * (ended - started)
        return record

    def keep(self, record: VaultRecord, now: Moment) -> None:
        """Have what is known of a vault written to the state file."""
        if self._keeper and record.refreshed_at is not None:
            self._keeper.put(
                StoredVault(
                    vault_id=record.vault.id, history=record.history, read_at=record.refreshed_at
                ),
                forget_before=remembered_from(now.wall, self._settings),
            )

    def _stale_at(self, record: VaultRecord, records: Records) -> float:
        """Monotonic time when what is known becomes too old, or nothing has been known too long.

        One refresh that fails must not blank a vault, however long the interval.
        """
        if record.refreshed_at is None:
            return record.appeared + self._keep_stale
        interval = list_turn(record, records).interval
        return record.data_since + max(self._keep_stale, 2 * interval)

    def _late_at(self, record: VaultRecord, records: Records) -> float:
        """Monotonic time when the interval is much longer than what is said of it."""
        turn = list_turn(record, records)
        said = self._said.get(record.vault.id, math.inf)
        if turn.began is None or record.scope or turn.round_began is not None:
            return math.inf
        return turn.began + _MUCH * said

    def _interval(self, record: VaultRecord, records: Records, now: float) -> float:
        """The interval in effect, or longer while nothing may be read at all; in seconds."""
        turn = list_turn(record, records)
        if record.scope:
            return turn.interval
        planned = turn.interval or self._budgets.interval(record.budget, records, now)
        if turn.began is None:
            return max(planned, self._budgets.available_at(record.budget, now) - now)
        at = max(self._budgets.available_at(record.budget, now), now if turn.due < now else 0.0)
        return max(planned, at - turn.began)
