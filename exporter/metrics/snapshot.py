"""What the pages are built from: each vault as of one refresh, and the exporter around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from exporter.backup.model import Vault
from exporter.backup.rollup import Rollup
from exporter.errors import ErrorKind
from exporter.metrics.fill import FillProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSnapshot:
    """One vault as of one refresh.

    Attributes:
        vault: Which one.
        up: Whether the last refresh read it; None before the first has ended.
        refreshed_at: When the newest refresh that read it began; None before.
        refresh_duration: Of the last refresh, well or badly ended; None before the first.
        refresh_interval: The interval in effect.
        errors: Failed refreshes since the start, by kind.
        failed_kind: Why it is down; None while it is up.
        failure: The same for people.
        details_pending: Jobs whose detail waits; None while nothing is known.
        rollup: What its series say; None while nothing is known, or when it is too old.
    """

    vault: Vault
    refresh_interval: timedelta
    up: bool | None = None
    refreshed_at: datetime | None = None
    refresh_duration: timedelta | None = None
    errors: Mapping[ErrorKind, int] = field(default_factory=dict)
    failed_kind: ErrorKind | None = None
    failure: str | None = None
    details_pending: int | None = None
    rollup: Rollup | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSnapshot:
    """One discovery entry as of its last search.

    Attributes:
        scope: Where it looks, as an ARM path.
        source: ``arm`` or ``resource_graph``.
        up: Whether the last search worked; None before the first has ended.
        found_at: When the newest search that worked ended; None before.
        vaults: That it wants; None before the first search that worked.
        failure: Why the last search failed, for people.
        for_support: Ids of the request that failed, for people; empty where there are none.
    """

    scope: str
    source: str
    up: bool | None = None
    found_at: datetime | None = None
    vaults: int | None = None
    failure: str | None = None
    for_support: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the status page shows beside the vaults.

    Attributes:
        portal: Base URL of the Azure portal; empty when not known.
        searches: The discovery entries.
        fill: The first fill.
        reload_failure: Why the newest configuration cannot be used; empty if it is in force.
        reload_failed_at: When that was found.
    """

    portal: str = ""
    searches: tuple[SearchSnapshot, ...] = ()
    fill: FillProgress = field(default_factory=FillProgress)
    reload_failure: str = ""
    reload_failed_at: datetime | None = None
