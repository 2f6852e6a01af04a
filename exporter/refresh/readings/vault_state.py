"""What every reading of a job list makes of a vault: it is up with these jobs, or down."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from exporter.backup.details import Urgency
from exporter.backup.history import merge_list, prune, without_running_details
from exporter.errors import ErrorKind
from exporter.refresh.advice import advice_on
from exporter.refresh.pending import Details, Rest
from exporter.refresh.records import names_of
from exporter.refresh.waiting import counted, merged
from exporter.words import said_of_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.backup.details import WantedDetail
    from exporter.backup.history import Window
    from exporter.backup.model import BackupJob
    from exporter.errors import ArmError
    from exporter.refresh.readings.job_reading import Rules
    from exporter.refresh.records import Moment, VaultRecord

log = logging.getLogger(__name__)


def with_list(
    record: VaultRecord,
    jobs: Sequence[BackupJob],
    window: Window,
    *,
    since: float,
    began: float,
    rules: Rules,
    now: Moment,
) -> VaultRecord:
    """The vault after a whole list.

    Args:
        record: What was known.
        jobs: On all pages.
        window: What was asked for.
        since: Monotonic time when it was asked for.
        began: Monotonic time when the refresh began.
        rules: What is made of them.
        now: Azure's answer has told the time: judged by another, what is known might be forgotten.
    """
    settings, policy = rules
    record = merged(record)
    # What was said of a running job stands only while news of it are under way.
    waiting = [*record.details.ready, *(rest.wanted for rest in record.details.resting.values())]
    history = without_running_details(record.history, {one.job.job_id for one in waiting})
    # Azure's answer may have told that it was not so late yet.
    window = replace(window, end=min(window.end, now.wall))
    history = prune(merge_list(history, jobs, window, settings), now.wall, settings)
    if record.up is not True:
        # The first time of each vault is told by the initial sync, in one line for many.
        level = logging.DEBUG if record.up is None else logging.INFO
        told = {"jobs": len(history.jobs), "alike": "vaults are read"}
        log.log(level, "vault is read", extra={**names_of(record.vault), **told})
    details = with_wanted(record.details, policy(history, now.wall, settings))
    return counted(
        replace(
            record,
            history=history,
            ended_once=True,
            up=True,
            failed_kind=None,
            failure=None,
            for_support="",
            spoilt=False,
            refreshed_at=window.end,
            data_since=since,
            refresh_duration=timedelta(seconds=now.monotonic - began),
            listing=None,
            details=details,
        )
    )


def with_wanted(details: Details, wanted: Sequence[WantedDetail]) -> Details:
    """All that are wanted from now on, after a list: a reading that a fault has paused goes on."""
    ran = {one.job.job_id for one in details.ready if one.job.running}
    ran |= {job_id for job_id, rest in details.resting.items() if rest.wanted.job.running}
    ready: list[WantedDetail] = []
    resting: dict[str, Rest] = {}
    for one in wanted:
        rest = details.resting.get(one.job.job_id)
        # What went wrong while a job ran says nothing of its detail after the end.
        if rest and (one.job.running or one.job.job_id not in ran):
            resting[one.job.job_id] = rest._replace(wanted=one)
        else:
            ready.append(one)
    # Of failed jobs those that have waited go first: in a night of failures they would wait on.
    waited = {one.job.job_id for one in details.ready if one.urgency is Urgency.FAILED}
    ready.sort(key=lambda one: (one.urgency, one.job.job_id not in waited))
    return replace(details, ready=tuple(ready), resting=resting, paused=False)


def down(record: VaultRecord, error: ArmError, *, asked: bool = True) -> VaultRecord:
    """The vault after a refresh that failed; what is known of it stays.

    It wants no details then, so that it does not slow down the others.

    Args:
        record: What was known.
        error: Why it failed.
        asked: Whether Azure was asked at all.
    """
    failure = f"{error}. What to do: {advice_on(error, record.vault.path)}."
    if error.kind is not record.failed_kind:
        alike = f"vaults cannot be read: {said_of_each(failure, record.vault.path)}"
        told = {"kind": error.kind.value, "alike": alike, **error.ids}
        log.warning("vault cannot be read: %s", failure, extra={**names_of(record.vault), **told})
    record = merged(record)
    return replace(
        record,
        up=False,
        failed_kind=error.kind,
        failure=failure,
        for_support=error.for_support,
        errors={**record.errors, error.kind: record.errors.get(error.kind, 0) + 1},
        details=replace(record.details, ready=(), resting={}, paused=False),
        ended_once=record.ended_once or asked,
        filled=record.filled or asked,
    )


def hangs(error: ArmError | None) -> bool:
    """Whether a request met a timeout: the next may hold up others."""
    return error is not None and error.kind is ErrorKind.TIMEOUT
