"""Vaults whose job lists come from one query of Azure Resource Graph."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.azure.parsing import none_readable
from exporter.azure.resource_graph import FoundJobs
from exporter.backup.history import OVERLAP, Window, next_window
from exporter.errors import ArmError, ErrorKind, NotNowError
from exporter.refresh.lists import ListReading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from exporter.azure.resource_graph import ResourceGraphApi
    from exporter.backup.history import History
    from exporter.backup.model import Settings
    from exporter.clock import Clock
    from exporter.refresh.vault import VaultRefresher

log = logging.getLogger(__name__)

_LAG: Final = timedelta(minutes=45)
"""Resource Graph is a copy: what is new to Azure gets there some minutes later, seldom more."""

_SHARE_OF_INTERVAL: Final = 0.8


@dataclass(frozen=True, slots=True)
class Batch:
    """What a query brought.

    Attributes:
        window: What was asked for.
        since: Monotonic time when it was asked for.
        found: The jobs.
        fault: Why there are none.
    """

    window: Window
    since: float
    found: FoundJobs = field(default_factory=lambda: FoundJobs({}, {}))
    fault: ArmError | None = None


class GraphLists:
    """One vault's job list out of its group's newest query."""

    def __init__(self, group: GraphGroup, vault_id: str) -> None:
        self._group = group
        self._vault_id = vault_id

    def read(self, history: History, now: datetime, give_up_at: float) -> ListReading:
        """The vault's part of the query; a vault without a row has had no job in its window."""
        del history, now, give_up_at
        batch = self._group.batch
        if batch is None:
            raise ArmError(ErrorKind.SERVER, "Resource Graph has not been asked yet")
        if batch.fault:
            raise ArmError(batch.fault.kind, str(batch.fault)) from batch.fault
        jobs = batch.found.jobs.get(self._vault_id, [])
        if not jobs and (number := batch.found.unreadable.get(self._vault_id)):
            raise none_readable(number)
        if not jobs and (fault := self._group.unseen.get(self._vault_id)):
            # Resource Graph is silent about what a role no longer shows.
            raise ArmError(fault.kind, str(fault)) from fault
        return ListReading(jobs, batch.window, batch.since)

    def reset(self) -> None:
        """Nothing to drop: the next query is a new one."""

    def interval(self) -> float:
        """The group's, in seconds."""
        return self._group.interval

    def interval_in_effect(self) -> float:
        """The same: Resource Graph's own quota is of seconds."""
        return self._group.interval

    def next_turn(self, started: float) -> float:
        """When the group has its next turn."""
        return self._group.next_turn(started)

    def reads(self, due: float, until: float) -> int:
        """None: Resource Graph has a quota of its own."""
        del due, until
        return 0


class GraphGroup:
    """Reads the jobs of all its vaults at once.

    Args:
        scope: Path of the subscription or management group that has the vaults.
        api: Resource Graph.
        interval: Between two queries.
        settings: How far back a full query goes.
        clock: What time it is.

    Attributes:
        members: Its vaults. Rebound whole, never changed.
        unseen: By id, those that Resource Graph does not show any more and why. Likewise.
        batch: What the newest query brought; None before.
        interval: In seconds.
        due: Monotonic time of the next query.
        name: For the log.
    """

    def __init__(
        self,
        scope: str,
        api: ResourceGraphApi,
        *,
        interval: timedelta,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self.name = f"the jobs below {scope}"
        self.due = float("-inf")
        self.members: tuple[VaultRefresher, ...] = ()
        self.unseen: Mapping[str, ArmError] = {}
        self.interval = interval.total_seconds()
        self.batch: Batch | None = None
        self._scope = scope
        self._api = api
        self._settings = settings
        self._clock = clock

    @property
    def ended_once(self) -> bool:
        """Whether every vault has been read, well or badly."""
        return all(member.ended_once for member in self.members)

    @property
    def suspect(self) -> bool:
        """Whether the last query hung."""
        fault = self.batch.fault if self.batch else None
        return fault is not None and fault.kind is ErrorKind.TIMEOUT

    def refresh(self) -> None:
        """Read all its vaults once and publish what is known then."""
        members = self.members
        if not members:
            return
        self.batch = self._query(members)
        for member in members:
            self._refresh(member)

    def next_turn(self, started: float) -> float:
        """Monotonic time of the refresh after one that began at ``started``; now for new vaults."""
        return started + self.interval if self.ended_once else started

    def stale_at(self) -> float:
        """Long past: what is too old goes off the page at the next query, whatever it brings."""
        return float("-inf")

    def broke(self, error: Exception) -> None:
        """Mark its vaults down after an error of our own."""
        for member in self.members:
            member.broke(error)

    def not_read(self) -> None:
        """Mark its vaults down: they have not been read at all."""
        for member in self.members:
            member.not_read()

    def _query(self, members: tuple[VaultRefresher, ...]) -> Batch:
        """Ask for what may be new to any of the vaults, as one window for all of them."""
        now, since = self._clock.now(), self._clock.monotonic()
        windows = [next_window(one.state.history, now, self._settings) for one in members]
        full = any(window.full for window in windows)
        start = min(window.start for window in windows)
        if not full:
            # However long a job runs: the query finds it by its status, and then by its end.
            read_at = min((one.state.history.read_at or now) for one in members)
            start = read_at - OVERLAP - _LAG
        window = Window(start=start, end=now, full=full)
        give_up_at = since + _SHARE_OF_INTERVAL * self.interval
        try:
            found = self._api.jobs(self._scope, start, give_up_at=give_up_at)
        except NotNowError:
            raise
        except ArmError as fault:
            return Batch(window, since, fault=fault)
        return Batch(window, since, found)

    @staticmethod
    def _refresh(member: VaultRefresher) -> None:
        """Do one vault's part; no fault in its data may touch the others'."""
        try:
            member.refresh()
        except NotNowError:
            raise
        except Exception as error:
            log.exception("refresh of %s broke", member.name)
            member.broke(error)
