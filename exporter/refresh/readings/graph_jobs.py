"""The job lists of all vaults of a scope out of one query of Azure Resource Graph."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from exporter.azure.parsing import none_readable
from exporter.azure.resource_graph import ResourceGraphApi
from exporter.backup.history import OVERLAP, Window, next_window
from exporter.errors import ArmError
from exporter.refresh.fetch import Again, Applied, Fetch, FetchId
from exporter.refresh.readings.job_reading import JobReading
from exporter.refresh.readings.vault_state import down, hangs, with_list
from exporter.refresh.records import GRAPH_JOBS, ScopeRecord, VaultRecord, turn_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.azure.resource_graph import FoundJobs
    from exporter.refresh.fetch import Answer, Records, Request
    from exporter.refresh.records import Moment, Record

_LAG: Final = timedelta(minutes=45)
"""Resource Graph is a copy: what is new to Azure gets there some minutes later, seldom more."""


class _Ask(NamedTuple):
    """The window of a query, and the vaults whose jobs it is to bring."""

    scope: str
    window: Window
    members: tuple[str, ...]


class Batch(NamedTuple):
    """What a query asked for, and the jobs that it brought."""

    window: Window
    found: FoundJobs


class GraphJobs(JobReading[ResourceGraphApi]):
    """Reads the jobs of all vaults of a scope at once."""

    name = GRAPH_JOBS

    def wanted(self, subject: str, record: Record) -> Iterable[Fetch]:
        """The next query, if there are vaults."""
        if isinstance(record, ScopeRecord) and record.members:
            turn = turn_of(record, self.name)
            yield Fetch(0, turn.due, FetchId(self.name, subject), suspect=turn.hung)

    def ask(self, fetch: Fetch, records: Records, now: Moment) -> _Ask:
        """What may be new to any of the vaults, as one window for all of them."""
        record = cast("ScopeRecord", records[fetch.id.subject])
        histories = [cast("VaultRecord", records[k]).history for k in record.members]
        windows = [next_window(history, now.wall, self._rules.settings) for history in histories]
        full = any(window.full for window in windows)
        start = min(window.start for window in windows)
        if not full:
            # However long a job runs: the query finds it by its status, and then by its end.
            start = min(history.read_at or now.wall for history in histories) - OVERLAP - _LAG
        window = Window(start=start, end=now.wall, full=full)
        return _Ask(record.scope, window, record.members)

    def send(self, request: Request) -> Batch:
        """Query all pages; the quota is of seconds and is waited for.

        Raises:
            ArmError: A page could not be read: then nothing is known of any.
        """
        ask: _Ask = request.ask
        found = self._api.jobs(ask.scope, ask.window.start, give_up_at=request.give_up_at)
        return Batch(ask.window, found)

    def apply(self, answer: Answer, records: Records, now: Moment) -> Applied:
        """Give each vault its part; one without a row has had no job in its window."""
        subject = answer.request.fetch.id.subject
        scope = records.get(subject)
        if not isinstance(scope, ScopeRecord):
            return Applied()
        changed: dict[str, Record] = {}
        for vault_id in answer.request.ask.members:
            record = records.get(vault_id)
            # One that has been given to another source meanwhile is read by that.
            if isinstance(record, VaultRecord) and record.scope == scope.scope:
                changed[vault_id] = self._member(record, scope, answer, now)
        again = Again(failed=answer.fault is not None, hung=hangs(answer.fault))
        return Applied(changed, again, show=frozenset(changed))

    def _member(
        self, record: VaultRecord, scope: ScopeRecord, answer: Answer, now: Moment
    ) -> VaultRecord:
        fault = answer.fault
        if fault:
            return down(record, ArmError(fault.kind, str(fault), ids=fault.ids))
        batch: Batch = answer.value
        vault_id = record.vault.id
        jobs = batch.found.jobs.get(vault_id, [])
        if not jobs and (number := batch.found.unreadable.get(vault_id)):
            return down(record, none_readable(number))
        if not jobs and (unseen := scope.unseen.get(vault_id)):
            # Resource Graph is silent about what a role no longer shows.
            return down(record, ArmError(unseen.kind, str(unseen), ids=unseen.ids))
        asked = answer.request.asked.monotonic
        return with_list(
            record,
            jobs,
            batch.window,
            since=asked,
            began=asked,
            rules=self._rules,
            now=now,
        )
