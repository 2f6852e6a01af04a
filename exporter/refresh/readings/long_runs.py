"""Running jobs that began before the look-back: asked for once, after the first list of a vault.

Later ones are known from before they grew old. A page without a start time has them all (FACTS 3).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from exporter.azure.backup_jobs import BackupJobsApi
from exporter.backup.details import Urgency
from exporter.backup.history import merge_running
from exporter.refresh.fetch import Again, Applied, Cost, Fetch, FetchId
from exporter.refresh.readings.job_reading import JobReading
from exporter.refresh.readings.vault_state import with_wanted
from exporter.refresh.records import VaultRecord, turn_of
from exporter.refresh.waiting import counted, merged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.azure.backup_jobs import JobListPage
    from exporter.refresh.fetch import Answer, Records, Request
    from exporter.refresh.records import Moment, Record


class LongRuns(JobReading[BackupJobsApi]):
    """Reads the jobs that run, however long.

    It spends like a detail that nothing waits for, so that it delays nothing on a large estate.
    """

    name = "long_runs"
    background = True

    def wanted(self, subject: str, record: Record) -> Iterable[Fetch]:
        """One page, once; Resource Graph brings these jobs with all others."""
        if (
            isinstance(record, VaultRecord)
            and record.up
            and not (record.scope or record.long_runs_read)
        ):
            due = turn_of(record, self.name).due
            yield Fetch(Urgency.REST, due, FetchId(self.name, subject), Cost.DETAIL, record.budget)

    def ask(self, fetch: Fetch, records: Records, now: Moment) -> str:
        """Its URL."""
        del now
        return self._api.running_url(cast("VaultRecord", records[fetch.id.subject]).vault)

    def send(self, request: Request) -> JobListPage:
        """Read it.

        Raises:
            ArmError: It cannot be read.
        """
        return self._api.page(request.ask, give_up_at=request.give_up_at)

    def apply(self, answer: Answer, records: Records, now: Moment) -> Applied:
        """Take in jobs that nobody knew of; a fault is tried again, and takes nothing down."""
        subject = answer.request.fetch.id.subject
        record = records.get(subject)
        if not isinstance(record, VaultRecord):
            return Applied()
        if answer.fault:
            return Applied(again=Again(failed=True))
        record = merged(replace(record, long_runs_read=True))
        page: JobListPage = answer.value
        history = merge_running(record.history, page.jobs)
        if history is record.history:
            return Applied({subject: record})
        wanted = self._rules.policy(history, now.wall, self._rules.settings)
        details = with_wanted(record.details, wanted)
        return Applied({subject: counted(replace(record, history=history, details=details))})
