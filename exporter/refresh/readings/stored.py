"""What the state file knows of a vault that was found while the exporter runs.

A file may hang, so it is read by a worker, before anything is asked of Azure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.refresh.fetch import Applied, Fetch, FetchId
from exporter.refresh.records import NEVER, VaultRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.clock import AzureClock
    from exporter.refresh.fetch import Answer, Records, Request
    from exporter.refresh.records import Moment, Record
    from exporter.state import StateKeeper, StoredVault

_PATIENCE_SECONDS = 60.0


class StoredStates:
    """Reads the state file.

    Args:
        keeper: Of the file; None without one.
        clock: What time it is.
    """

    name = "stored"
    background = False
    interval = 0.0
    patience = _PATIENCE_SECONDS

    def __init__(self, keeper: StateKeeper | None, clock: AzureClock) -> None:
        self._keeper = keeper
        self._clock = clock

    def wanted(self, subject: str, record: Record) -> Iterable[Fetch]:
        """The vault's part of the file, once."""
        if isinstance(record, VaultRecord) and not record.recalled:
            yield Fetch(0, NEVER, FetchId(self.name, subject))

    def ask(self, fetch: Fetch, records: Records, now: Moment) -> None:
        """Nothing but the id, which the fetch has."""

    def send(self, request: Request) -> StoredVault | None:
        """Read it; None if there is nothing."""
        vault_id = request.fetch.id.subject
        stored = self._keeper.load([vault_id]) if self._keeper else {}
        return stored.get(vault_id)

    def apply(self, answer: Answer, records: Records, now: Moment) -> Applied:
        """Begin with what was known; a file that cannot be read is told by its keeper."""
        subject = answer.request.fetch.id.subject
        record = records.get(subject)
        if not isinstance(record, VaultRecord) or record.recalled:
            return Applied()
        known = recalled(record, answer.value, now)
        return Applied({subject: known}, show=frozenset({subject}))


def recalled(record: VaultRecord, stored: StoredVault | None, now: Moment) -> VaultRecord:
    """The vault with what was known when the file was written; the page shows how old that is."""
    record = replace(record, recalled=True)
    if stored is None:
        return record
    record = replace(record, history=stored.history)
    age = (now.wall - stored.read_at).total_seconds()
    # After a clock was set back it would look fresher than it is.
    if age < 0:
        return record
    return replace(record, refreshed_at=stored.read_at, data_since=now.monotonic - age)
