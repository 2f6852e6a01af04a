"""What the status page shows: sorted, counted and cut, before any HTML. Pure."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from exporter.backup.health import Health
from exporter.metrics.fill import ENDLESS
from exporter.web.status.items import Judged, judge
from exporter.web.status.lines import (
    Line,
    item_line,
    job_line,
    running_jobs,
    search_line,
    vault_line,
    vault_state,
)
from exporter.words import span

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
        verdict: Whether everything is read and fresh, in one sentence.
        summary: How the items are, in another.
        filling: How far the first fill is; empty when it is done.
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
    judged = [one for vault in vaults for one in judge(vault, now)]
    shown = judged if query.show else [one for one in judged if one.health < Health.ENDED]
    tone, verdict = _verdict(everywhere, overview, now)
    return StatusView(
        query=query,
        tone=tone,
        verdict=verdict,
        summary=_summary(vaults, judged, query),
        filling=_filling(overview, fill_left),
        searches=[search_line(one, now) for one in overview.searches],
        vaults=_vaults(vaults, overview.portal, query, now),
        items=_items(shown, overview.portal, query, now),
        running=_running(vaults, now),
    )


def _vaults(vaults: list[VaultSnapshot], portal: str, query: Query, now: datetime) -> Part:
    def order(one: VaultSnapshot) -> tuple[int, str]:
        return _STATES.index(vault_state(one, now)), one.vault.name.lower()

    ordered = sorted(vaults, key=order)
    start, page, pages = _cut(len(ordered), query.vaults)
    lines = [vault_line(one, now, portal) for one in ordered[start : start + PER_PAGE]]
    return Part(lines=lines, total=len(ordered), first=start + 1, page=page, pages=pages)


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


def _verdict(vaults: list[VaultSnapshot], overview: Overview, now: datetime) -> tuple[str, str]:
    states = Counter(vault_state(one, now) for one in vaults)
    failed = sum(one.up is False for one in overview.searches)
    total = sum(states.values())
    problems = []
    if states["down"]:
        problems.append(f"{states['down']:,} of {_vault_word(total)} cannot be read")
    if states["old"]:
        problems.append(f"the data of {_vault_word(states['old'])} are old")
    if failed:
        problems.append("a search for vaults fails" if failed == 1 else f"{failed:,} searches fail")
    if problems:
        return "bad", f"{_capital(_joined(problems))}."
    if not total:
        searching = any(one.up is None for one in overview.searches)
        found = "The search for vaults has not ended yet." if searching else "No vault is read."
        return "warn", found
    if states["unread"]:
        return "warn", f"{total - states['unread']:,} of {_vault_word(total)} read so far."
    oldest = min(one.refreshed_at for one in vaults if one.refreshed_at)
    whole = "The only vault is" if total == 1 else f"All {_vault_word(total)} are"
    return "good", f"{whole} read and fresh; the oldest data are {span(now - oldest)} old."


def _summary(vaults: list[VaultSnapshot], judged: list[Judged], query: Query) -> str:
    where = f" in {query.vault}" if query.vault else ""
    if query.vault and not vaults:
        return f"No vault has the name {query.vault}."
    if not judged:
        return f"No finished job is known{where} yet."
    healths = Counter(one.health for one in judged)
    failing = sum(
        healths[one] for one in (Health.NEVER, Health.REPEATEDLY, Health.RESTORE, Health.FAILED)
    )
    found = [
        f"{number:,} {words}"
        for number, words in (
            (failing, "failing"),
            (healths[Health.LATE], "late"),
            (healths[Health.STOPPED], "stopped within a day"),
            (healths[Health.TASK], "with a task not completed"),
            (healths[Health.WARNINGS], "with warnings"),
            (healths[Health.INCOMPLETE], "not completed"),
        )
        if number
    ]
    total = f"{len(judged):,} item{'s' * (len(judged) != 1)}{where}"
    return f"Of {total}: {_joined(found)}." if found else f"{total}, all well."


def _filling(overview: Overview, left: timedelta | None) -> str:
    fill = overview.fill
    if fill.done or not fill.vaults:
        return ""
    if left is not None:
        outlook = f"about {span(left)} left under the read budget"
    else:
        outlook = ENDLESS if fill.endless else "the time left is not known yet"
    return (
        f"The first fill goes on: {fill.read:,} of {_vault_word(fill.vaults)} read,"
        f" {fill.details:,} details wait; {outlook}."
    )


def _vault_word(number: int) -> str:
    return f"{number:,} vault{'s' * (number != 1)}"


def _joined(parts: list[str]) -> str:
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
