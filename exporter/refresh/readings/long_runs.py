"""Running jobs that began before the look-back: asked for once, after the first list of a vault.

Later ones are known from before they grew old. A page without a start time has them all (FACTS 3).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from exporter.backup.details import Urgency
from exporter.backup.history import merge_running
from exporter.refresh.fetch import Again, Applied, Cost, Fetch, FetchId
from exporter.refresh.readings.vault_state import with_wanted
from exporter.refresh.records import Turn, VaultRecord
from exporter.refresh.turns import SHARE_OF_INTERVAL
from exporter.refresh.waiting import counted, merged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.azure.backup_jobs import BackupJobsApi, JobListPage
    from exporter.backup.details import DetailPolicy
    from exporter.backup.model import Settings
    from exporter.refresh.fetch import Answer, Records, Request
    from exporter.refresh.records import Moment, Record


class LongRuns:
    """Reads the jobs that run, however long.

    It spends like a detail that nothing waits for, so that it delays nothing on a large estate.

    Args:
        api: Azure.
        settings: How jobs are judged and kept.
        policy: Which details are read then.
        interval: The configured one between two lists, in seconds.
    """

    name = "long_runs"
    background = True

    def __init__(
        self, api: BackupJobsApi, settings: Settings, policy: DetailPolicy, *, interval: float
    ) -> None:
        self._api = api
        self._settings = settings
        self._policy = policy
        self.interval = interval
        self.patience = SHARE_OF_INTERVAL * interval

    def wanted(self, subject: str, record: Record) -> Iterable[Fetch]:
        """One page, once; Resource Graph brings these jobs with all others."""
        if isinstance(record, VaultRecord) and record.up and not record.long_runs_read:
            if record.scope:
                return
            due = record.turns.get(self.name, Turn()).due
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
        wanted = self._policy(history, now.wall, self._settings)
        details = with_wanted(record.details, wanted)
        return Applied({subject: counted(replace(record, history=history, details=details))})
