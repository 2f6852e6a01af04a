"""What the handlers need to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.metrics.snapshot import Overview
from exporter.web.auth import BasicAuth
from exporter.web.connections import Connections, most_connections
from exporter.web.policy import WebPolicy
from exporter.web.status.pages import StatusPages

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.clock import Clock
    from exporter.metrics.selfmetrics import SelfMetrics
    from exporter.metrics.store import PageStore


@dataclass(kw_only=True)
class Site:
    """What is served, to whom, and who is connected.

    Attributes:
        store: The page in force.
        metrics: The exporter's own, rendered for each scrape.
        telemetry_path: Where metrics are.
        ready: Whether the first refresh of every vault has ended.
        reload: Loads the configuration again; returns what went wrong, empty when nothing did.
            None when ``--web.enable-lifecycle`` is off.
        clock: For ages on the status page.
        overview: What that page shows beside the vaults.
        policy: Who is let in. Rebound whole, never changed.
        auth: Checks passwords.
        connections: Who is connected.
        status: The page for people.
    """

    store: PageStore
    metrics: SelfMetrics
    telemetry_path: str
    ready: Callable[[], bool]
    reload: Callable[[], str] | None
    clock: Clock
    overview: Callable[[], Overview] = Overview
    policy: WebPolicy = field(default_factory=WebPolicy)
    auth: BasicAuth = field(default_factory=BasicAuth)
    connections: Connections = field(default_factory=lambda: Connections(most_connections()))
    status: StatusPages = field(init=False)

    def __post_init__(self) -> None:
        """Make the status page of it."""
        self.status = StatusPages(self.store, self.overview, self.clock, self.telemetry_path)
