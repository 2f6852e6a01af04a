"""What waits and what has arrived: records with other details than before. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs

from exporter.backup.details import Urgency, WantedDetail
from exporter.backup.history import merge_details, without_running_details
from exporter.refresh.records import VaultRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from exporter.refresh.fetch import FetchId
    from exporter.refresh.records import BudgetKey, Record


def without_news(
    records: Mapping[str, Record], held: Collection[BudgetKey], under_way: Iterable[FetchId]
) -> list[tuple[str, VaultRecord]]:
    """Vaults whose running jobs wait for a detail in vain, without what was said of these.

    Args:
        records: All, by subject.
        held: Budgets that allow no detail.
        under_way: Fetches that may bring one all the same.
    """
    asked = {fetch_id.about for fetch_id in under_way}
    changed = []
    for vault_id, record in records.items():
        if isinstance(record, VaultRecord) and record.budget in held:
            stale = {
                one.job.job_id
                for one in record.details.ready
                if one.job.running and one.job.detail and one.job.job_id not in asked
            }
            if stale:
                changed.append((vault_id, _quiet(merged(record), stale)))
    return changed


def _quiet(record: VaultRecord, stale: Collection[str]) -> VaultRecord:
    ready = tuple(
        WantedDetail(structs.replace(one.job, detail=None), one.urgency)
        if one.job.job_id in stale
        else one
        for one in record.details.ready
    )
    return replace(
        record,
        history=without_running_details(record.history, stale),
        details=replace(record.details, ready=ready),
    )


def merged(record: VaultRecord) -> VaultRecord:
    """The record with the details that have arrived in its history."""
    arrived = record.details.arrived
    if arrived is None:
        return record
    return replace(
        record,
        history=merge_details(record.history, arrived),
        details=replace(record.details, arrived=None),
    )


def counted(record: VaultRecord) -> VaultRecord:
    """The record with the number of details that wait, and whether it is filled."""
    ready = record.details.ready
    urgent = bool(ready) and ready[0].urgency <= Urgency.NEWEST
    return replace(
        record,
        details_pending=record.details.pending,
        filled=record.filled or not urgent,
    )
