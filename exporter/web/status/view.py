"""What the status page shows: sorted, counted and cut, before any HTML. Pure."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from exporter.backup.health import Health
from exporter.web.status.items import Judged, judge
from exporter.web.status.lines import (
    Line,
    item_line,
    job_line,
    reload_line,
    running_jobs,
    search_line,
    vault_line,
    vault_state,
    vaults_line,
)
from exporter.web.status.verdict import counted, filling, joined, verdict
from exporter.words import said_of_each

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from exporter.metrics.snapshot import Overview, VaultSnapshot
    from exporter.web.status.query import Query

PER_PAGE: Final = 100
_STATES: Final = ("down", "old", "unread", "fresh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One table.

    Attributes:
        lines: Those of this page.
        total: On all pages.
        first: Number of the first line here, from 1.
        page: From 1.
        pages: How many.
    """

    lines: Sequence[Line]
    total: int
    first: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """The page.

    Attributes:
        query: What was asked for.
        tone: ``good``, ``warn`` or ``bad``: that of the verdict.
        verdict: The worst of backups and vaults, in one sentence.
        summary: How the items of the one vault are that was asked for; else empty.
        filling: How far the first fill is; empty when it is done.
        reload: The configuration that cannot be used; None where the newest one is in force.
        searches: Discovery entries.
        vaults: The worst first.
        items: The worst first.
        running: Those that run longest first.
    """

    query: Query
    tone: str
    verdict: str
    summary: str
    filling: str
    reload: Line | None
    searches: Sequence[Line]
    vaults: Part
    items: Part
    running: Part


def status_view(
    snapshots: Iterable[VaultSnapshot],
    overview: Overview,
    query: Query,
    *,
    now: datetime,
    fill_left: timedelta | None = None,
) -> StatusView:
    """Choose what the page shows.

    Args:
        snapshots: All vaults.
        overview: The exporter around them.
        query: What is asked for.
        now: For ages.
        fill_left: How long the first fill takes at least; None while nobody can tell.
    """
    everywhere = list(snapshots)
    name = query.vault.lower()
    vaults = [one for one in everywhere if not name or one.vault.name.lower() == name]
    everything = [one for vault in everywhere for one in judge(vault, now)]
    chosen = {one.vault.id for one in vaults}
    judged = [one for one in everything if one.vault.vault.id in chosen] if name else everything
    shown = judged if query.show else [one for one in judged if one.health < Health.ENDED]
    # The first sentence is about all vaults, whichever are shown.
    found = verdict(everywhere, (one.health for one in everything), overview, now)
    return StatusView(
        query=query,
        tone=found.tone,
        verdict=found.sentence,
        summary=_summary(vaults, judged, query) if name else "",
        filling=filling(overview, fill_left),
        reload=reload_line(overview, now),
        searches=[search_line(one, now) for one in overview.searches],
        vaults=_vaults(vaults, overview.portal, query, now),
        items=_items(shown, overview.portal, query, now),
        running=_running(vaults, now),
    )


def _vaults(vaults: list[VaultSnapshot], portal: str, query: Query, now: datetime) -> Part:
    def order(one: VaultSnapshot) -> tuple[int, str]:
        return _STATES.index(vault_state(one, now)), one.vault.name.lower()

    ordered = sorted(vaults, key=order)
    alike: dict[str, list[VaultSnapshot]] = {}
    for one in ordered:
        # What they have in common is told once; but each vault that is read has a line of its own.
        about = said_of_each(one.failure, one.vault.path) if one.failure else one.vault.id
        alike.setdefault(about, []).append(one)
    rows = list(alike.items())
    start, page, pages = _cut(len(rows), query.vaults)
    lines = [
        vault_line(group[0], now, portal) if len(group) == 1 else vaults_line(group, about, now)
        for about, group in rows[start : start + PER_PAGE]
    ]
    return Part(lines=lines, total=len(rows), first=start + 1, page=page, pages=pages)


def _items(items: list[Judged], portal: str, query: Query, now: datetime) -> Part:
    start, page, pages = _cut(len(items), query.page)
    ordered = heapq.nsmallest(start + PER_PAGE, items, key=lambda one: one.order)[start:]
    lines = [item_line(one, now, portal) for one in ordered]
    return Part(lines=lines, total=len(items), first=start + 1, page=page, pages=pages)


def _running(vaults: list[VaultSnapshot], now: datetime) -> Part:
    jobs = [
        (key, job)
        for vault in vaults
        for key, job in (vault.rollup.jobs if vault.rollup else ())
        if job.running
    ]
    longest = heapq.nsmallest(PER_PAGE, jobs, key=lambda pair: pair[1].start_time or now)
    return Part(
        lines=[job_line(key, job, now) for key, job in longest],
        total=max(len(jobs), sum(map(running_jobs, vaults))),
        first=1,
        page=1,
        pages=1,
    )


def _cut(total: int, page: int) -> tuple[int, int, int]:
    """Start, page and number of pages; a page too far is the last one."""
    pages = max(1, -(-total // PER_PAGE))
    page = min(page, pages)
    return (page - 1) * PER_PAGE, page, pages


def _summary(vaults: list[VaultSnapshot], judged: list[Judged], query: Query) -> str:
    where = f" in {query.vault}" if query.vault else ""
    if query.vault and not vaults:
        return f"No vault has the name {query.vault}."
    if not judged:
        return f"No finished job is known{where} yet."
    healths = Counter(one.health for one in judged)
    total = f"{len(judged):,} item{'s' * (len(judged) != 1)}{where}"
    found = counted(healths)
    return f"Of {total}: {joined(found)}." if found else f"{total}, all well."
