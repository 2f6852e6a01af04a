"""One refresh of everything, here and now: what ``once`` and ``jobs`` do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from exporter.errors import ArmError, ErrorKind
from exporter.refresh.records import SearchRecord, VaultRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from threading import Event

    from exporter.refresh.records import Record
    from exporter.refresh.scheduler import Scheduler

_RETRY_SECONDS: Final = 60.0
"""So long is waited for a request that is made again, and a moment for a budget."""

_BUDGET_SECONDS: Final = 2.0


def read_once(
    scheduler: Scheduler,
    step: Callable[[], float],
    wait: Callable[[float], None],
    stop: Event,
) -> None:
    """Look for vaults, then list each, then read details.

    Nothing waits for a budget: what it does not allow stays unread, and is down.

    Args:
        scheduler: Whose.
        step: Takes answers and lets it do what is to be done.
        wait: For an answer, or so many seconds.
        stop: Ends it.
    """

    def ask(subjects: Iterable[str], *, details: bool = False) -> None:
        scheduler.ask(subjects, details=details)
        while not stop.is_set():
            step()
            now = scheduler.now().monotonic
            seconds = scheduler.due_at - now
            if seconds > _RETRY_SECONDS:
                seconds = scheduler.room_at - now
                if not scheduler.only or seconds > _BUDGET_SECONDS:
                    seconds = math.inf
            if not scheduler.under_way and seconds == math.inf:
                return
            wait(seconds)

    ask(k for k, one in scheduler.records.items() if isinstance(one, SearchRecord))
    ask(k for k, one in scheduler.records.items() if _lists_jobs(one))
    for vault_id, record in scheduler.records.items():
        if isinstance(record, VaultRecord) and not record.ended_once:
            scheduler.fail(vault_id, ArmError(ErrorKind.THROTTLED, "the read budget is spent"))
    ask((), details=True)
    scheduler.ask(None)
    scheduler.age()
    scheduler.show(idle=True)


def _lists_jobs(record: Record) -> bool:
    """Whether a reading of it brings job lists."""
    if isinstance(record, VaultRecord):
        return not record.scope
    return not isinstance(record, SearchRecord)
