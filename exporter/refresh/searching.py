"""What is said of the searches for vaults: metrics, and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.errors import ErrorKind
from exporter.metrics.snapshot import SearchSnapshot
from exporter.refresh.readings.vault_search import reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.config.estate import DiscoveryEntry
    from exporter.metrics.selfmetrics import SelfMetrics
    from exporter.refresh.records import SearchRecord


def announce(entries: Iterable[DiscoveryEntry], metrics: SelfMetrics) -> None:
    """Have the metrics of these entries, and of no others, from their first search on."""
    metrics.clear_discovery()
    for entry in entries:
        for kind in ErrorKind:
            metrics.discovery_errors.labels(entry.scope, entry.source, kind.value)


def count(record: SearchRecord, metrics: SelfMetrics) -> None:
    """Show how a search has ended."""
    labels = record.entry.scope, record.entry.source
    metrics.discovery_up.labels(*labels).set(record.failure is None)
    if record.failure:
        metrics.discovery_errors.labels(*labels, record.failure.kind.value).inc()
    elif record.found_at is not None and record.vaults is not None:
        metrics.discovery_found_at.labels(*labels).set(record.found_at.timestamp())
        metrics.discovery_vaults.labels(*labels).set(len(record.vaults))


def snapshot(record: SearchRecord) -> SearchSnapshot:
    """How a search stands, for people."""
    failure = record.failure
    return SearchSnapshot(
        scope=record.entry.scope,
        source=record.entry.source,
        up=failure is None if record.ended_once else None,
        found_at=record.found_at,
        vaults=None if record.vaults is None else len(record.vaults),
        failure=reason(record.entry, failure) if failure else None,
        for_support=failure.for_support if failure else "",
    )
