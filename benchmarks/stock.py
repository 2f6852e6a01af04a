"""The baseline: the same families by prometheus_client, as its documentation tells to do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from exporter.metrics.families import ITEM_FAMILIES, JOB_FAMILIES, VAULT_FAMILIES, JobRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from exporter.metrics.families import Family
    from exporter.metrics.snapshot import VaultSnapshot

Rows = list[tuple[tuple[str, ...], Any]]


class StockCollector(Collector):
    """A custom collector over snapshots.

    Args:
        snapshots: Replaced by whoever wants to show others.
    """

    def __init__(self, snapshots: list[VaultSnapshot]) -> None:
        self.snapshots = snapshots

    def describe(self) -> Iterable[Any]:
        """Nothing: else it would be collected at the start."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """All families, made for each scrape."""
        yield from self._collect(VAULT_FAMILIES, lambda one: [(one.vault.key, one)])
        yield from self._collect(ITEM_FAMILIES, _items)
        yield from self._collect(JOB_FAMILIES, _jobs)

    def _collect(
        self, families: Sequence[Family[Any]], rows_of: Callable[[VaultSnapshot], Rows]
    ) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        rows = [row for snapshot in self.snapshots for row in rows_of(snapshot)]
        for family in families:
            kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
            made = kind(family.name, family.help, labels=(*family.key, *family.labels))
            for key, row in rows:
                for values, value in family.samples(row):
                    made.add_metric((*key, *values), value)
            yield made


def stock_registry(snapshots: list[VaultSnapshot]) -> CollectorRegistry:
    """What prometheus_client's own server serves."""
    registry = CollectorRegistry()
    registry.register(StockCollector(snapshots))
    return registry


def _items(snapshot: VaultSnapshot) -> Rows:
    return [(item.key, item) for item in snapshot.rollup.items] if snapshot.rollup else []


def _jobs(snapshot: VaultSnapshot) -> Rows:
    jobs = snapshot.rollup.jobs if snapshot.rollup else ()
    return [((*key, job.job_id), JobRow(key, job)) for key, job in jobs]
