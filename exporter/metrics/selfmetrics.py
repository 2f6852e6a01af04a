"""What the exporter says of itself: a private registry of prometheus_client."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.metrics.fill import FillMetrics

Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)

_PREFIX: Final = "azure_backup_exporter_"
_PROCESS_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFamily:
    """One metric family about the exporter, as the docs show it."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...]


class _Process(Collector):
    """client_python's metrics about the process.

    At most a second old: to find out how many files are open costs as much as all other metrics.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        for kind in (ProcessCollector, PlatformCollector, GCCollector):
            kind(registry=self._registry)
        self._collected: list[Metric] = []
        self._good_until = float("-inf")

    def collect(self) -> list[Metric]:
        """As they were lately."""
        now = time.monotonic()
        if now >= self._good_until:
            self._good_until = now + _PROCESS_SECONDS
            self._collected = list(self._registry.collect())
        return self._collected


class Asked(Collector):
    """A gauge whose value is asked for at each scrape; absent while nobody knows it.

    Attributes:
        value: What it is now.
    """

    def __init__(self, name: str, text: str) -> None:
        self.value: Callable[[], float | None] = lambda: None
        self._name, self._text = name, text

    def describe(self) -> Iterator[Metric]:
        """The family without a value."""
        yield GaugeMetricFamily(self._name, self._text)

    def collect(self) -> Iterator[Metric]:
        """What is known now."""
        if (value := self.value()) is not None:
            yield GaugeMetricFamily(self._name, self._text, value)


class SelfMetrics:
    """The exporter's own metrics; one object for the life of the process.

    Args:
        process: Whether client_python's ``process_*`` and ``python_*`` belong to it.

    Attributes:
        families: All of them, in the order of the docs, but for client_python's own.
        fill: Shows the first fill.
        state_writable: Asks whoever keeps the state file.
    """

    def __init__(self, *, process: bool = True) -> None:
        # Else each counter gets a second series, which no dashboard reads.
        disable_created_metrics()
        self.registry = CollectorRegistry(auto_describe=True)
        self.families: list[OwnFamily] = []
        if process:
            self.registry.register(_Process())
        self.build_info = self._add(
            Gauge,
            "build_info",
            "Version of the exporter and of Python, always 1.",
            "version",
            "python_version",
        )
        self.config_ok = self._add(
            Gauge,
            "config_last_reload_successful",
            "1 if the newest attempt to load the configuration worked, 0 if the old one stays in"
            " force.",
        )
        self.config_loaded_at = self._add(
            Gauge,
            "config_last_reload_success_timestamp_seconds",
            "When the configuration in force was loaded, Unix time.",
        )
        self.requests = self._add(
            Counter,
            "api_requests_total",
            "Requests to Azure Resource Manager, by API and HTTP status; code is timeout or"
            " network where no answer came.",
            "api",
            "code",
        )
        self.request_duration = self._add(
            Histogram,
            "api_request_duration_seconds",
            "Time to the end of Azure Resource Manager's answer, in seconds.",
            "api",
        )
        self.retries = self._add(
            Counter,
            "api_retries_total",
            "Requests to Azure Resource Manager that were tried again.",
            "api",
        )
        self.reads_remaining = self._add(
            Gauge,
            "api_reads_remaining",
            "Reads of backupJobs left in the budget of a subscription and region, of a shard's part"
            " of it; location is empty where neither configuration nor discovery names it.",
            "subscription_id",
            "location",
        )
        self.reads_limit = self._add(
            Gauge,
            "api_reads_limit",
            "Reads of backupJobs in the budget of a subscription and region, of a shard's part of"
            " it: as configured, or as learnt from Azure's answers.",
            "subscription_id",
            "location",
        )
        self.discovery_up = self._add(
            Gauge,
            "discovery_up",
            "1 if the last search for vaults worked, 0 if it failed; the vaults known before stay.",
            "scope",
            "source",
        )
        self.discovery_found_at = self._add(
            Gauge,
            "discovery_last_success_timestamp_seconds",
            "When the newest search for vaults that worked ended, Unix time.",
            "scope",
            "source",
        )
        self.discovery_vaults = self._add(
            Gauge,
            "discovery_vaults",
            "Vaults that a discovery entry has found and wants, of all shards; absent before the"
            " first search that worked.",
            "scope",
            "source",
        )
        self.discovery_errors = self._add(
            Counter,
            "discovery_errors_total",
            "Searches for vaults that failed, by reason.",
            "scope",
            "source",
            "kind",
        )
        self.payload_errors = self._add(
            Counter,
            "payload_errors_total",
            "Fields in Azure's answers that could not be read, by Azure's name; job for a job"
            " left out, answer for a whole answer.",
            "api",
            "field",
        )
        self.state_writable = Asked(
            _PREFIX + "state_writable",
            "1 if the last write of the state file worked, 0 if it failed or hangs, or if the file"
            " could not be read and is left alone. Absent without state.path, and before the first"
            " write.",
        )
        self._register(self.state_writable, self.state_writable.describe())
        self.series = self._add(Gauge, "series", "Samples about vaults on the page.")
        self.render_duration = self._add(
            Gauge,
            "last_render_duration_seconds",
            "How long the newest rendering of a vault and joining of the page took, in seconds.",
        )
        self.fill = FillMetrics(_PREFIX)
        self._register(self.fill, self.fill.describe())
        self.build_info.labels(__version__, platform.python_version()).set(1)

    def clear_discovery(self) -> None:
        """Say nothing of discovery entries that were: others are in force now."""
        for family in (
            self.discovery_up,
            self.discovery_found_at,
            self.discovery_vaults,
            self.discovery_errors,
        ):
            family.clear()

    def _register(self, collector: Collector, described: Iterator[Metric]) -> None:
        self.registry.register(collector)
        self.families += [
            OwnFamily(name=family.name, type=family.type, help=family.documentation, labels=())
            for family in described
        ]

    def _add(self, kind: type[Instrument], name: str, text: str, *labels: str) -> Instrument:
        self.families.append(
            OwnFamily(name=_PREFIX + name, type=kind.__name__.lower(), help=text, labels=labels)
        )
        return kind(_PREFIX + name, text, labels, registry=self.registry)
