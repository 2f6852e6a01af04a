"""The lines of the page's tables: a vault, a search, an item, a job, as texts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from exporter.backup.health import LEAST_CRITICAL, WORDS, Health, tasks_not_completed
from exporter.backup.model import RUNNING_STATUSES
from exporter.words import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.backup.model import BackupJob, ItemKey, Vault
    from exporter.metrics.snapshot import Overview, SearchSnapshot, VaultSnapshot
    from exporter.web.status.items import Judged

_FRESH_INTERVALS: Final = 3
_FRESH: Final = timedelta(minutes=1)
_UNKNOWN: Final = "–"  # noqa: RUF001 - a dash in a table
_ADVICE: Final = " What to do: "
_SHORT: Final = 120


def health_tone(health: Health) -> str:
    """``bad`` where the alert is critical, ``warn`` where it is a warning."""
    if health <= LEAST_CRITICAL:
        return "bad"
    if health < Health.ENDED:
        return "warn"
    return "good" if health is Health.WELL else "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row; each table's template knows which texts it has.

    Attributes:
        tone: ``good``, ``warn``, ``bad`` or ``plain``: its colour, beside words that say the same.
        texts: By name; empty where there is nothing to say.
    """

    tone: str
    texts: dict[str, str]

    def __getattr__(self, name: str) -> str:
        try:
            return self.texts[name]
        except KeyError:
            raise AttributeError(name) from None


def vault_state(snapshot: VaultSnapshot, now: datetime) -> str:
    """``down``, ``old``, ``unread`` or ``fresh``."""
    if snapshot.up is None:
        return "unread"
    if not snapshot.up:
        return "down"
    after = max(_FRESH, _FRESH_INTERVALS * snapshot.refresh_interval)
    old = snapshot.refreshed_at is None or now - snapshot.refreshed_at > after
    return "old" if old else "fresh"


_STATES: Final = {
    "down": ("bad", "Cannot be read"),
    "old": ("warn", "Data are old"),
    "unread": ("warn", "Not read yet"),
    "fresh": ("good", "Read and fresh"),
}


def vault_line(snapshot: VaultSnapshot, now: datetime, portal: str) -> Line:
    """A vault."""
    tone, words = _STATES[vault_state(snapshot, now)]
    reason, _, fix = (snapshot.failure or "").partition(_ADVICE)
    rollup, waiting = snapshot.rollup, snapshot.details_pending
    link = portal_link(portal, snapshot.vault)
    return Line(
        tone=tone,
        texts={
            "name": snapshot.vault.name,
            "many": "",
            "group": snapshot.vault.resource_group,
            "subscription": snapshot.vault.subscription_id,
            "state": words,
            "reason": reason,
            "short": shortened(reason),
            "fix": fix,
            "age": ago(snapshot.refreshed_at, now),
            "items": f"{len(rollup.items):,}" if rollup else _UNKNOWN,
            "running": f"{running_jobs(snapshot):,}" if rollup else _UNKNOWN,
            "waiting": _UNKNOWN if waiting is None else f"{waiting:,}",
            "portal": link and f"{link}/overview",
            "jobs": link and f"{link}/backupJobs",
        },
    )


def vaults_line(group: Sequence[VaultSnapshot], failure: str, now: datetime) -> Line:
    """Several vaults that cannot be read for one reason.

    Args:
        group: The vaults, in order.
        failure: What is said of each of them.
        now: For ages.
    """
    reason, _, fix = failure.partition(_ADVICE)
    named = [one.vault.name for one in group]
    newest = max((one.refreshed_at for one in group if one.refreshed_at), default=None)
    return Line(
        tone="bad",
        texts={
            "name": "",
            "many": f"{len(group):,} vaults",
            "names": ", ".join(named),
            "group": "",
            "state": _STATES["down"][1],
            "reason": reason,
            "short": shortened(reason),
            "fix": fix,
            "age": ago(newest, now),
            "items": _UNKNOWN,
            "running": _UNKNOWN,
            "waiting": _UNKNOWN,
            "portal": "",
            "jobs": "",
        },
    )


def reload_line(overview: Overview, now: datetime) -> Line | None:
    """A configuration that cannot be used; None if there is none."""
    if not overview.reload_failure:
        return None
    since = span(now - overview.reload_failed_at) if overview.reload_failed_at else ""
    return Line(tone="warn", texts={"since": since, "reason": overview.reload_failure})


def shortened(text: str) -> str:
    """The beginning of a long text, which folds away; empty for one that is short enough."""
    return f"{text[:_SHORT].rstrip()} …" if len(text) > _SHORT * 3 // 2 else ""


def search_line(search: SearchSnapshot, now: datetime) -> Line:
    """A discovery entry."""
    reason, _, fix = (search.failure or "").partition(_ADVICE)
    tone, words = {
        None: ("warn", "Not searched yet"),
        True: ("good", "Works"),
        False: ("bad", "Fails; the vaults found before stay"),
    }[search.up]
    return Line(
        tone=tone,
        texts={
            "scope": search.scope,
            "source": search.source,
            "state": words,
            "reason": reason,
            "short": shortened(reason),
            "fix": fix,
            "age": ago(search.found_at, now),
            "vaults": _UNKNOWN if search.vaults is None else f"{search.vaults:,}",
        },
    )


def item_line(judged: Judged, now: datetime, portal: str) -> Line:
    """An item with its newest finished job."""
    item, vault = judged.item, judged.vault.vault
    link = portal_link(portal, vault)
    failures = item.consecutive_failures
    return Line(
        tone=health_tone(judged.health),
        texts={
            "item": item.key.item,
            "container": item.key.protection_container,
            "vault": vault.name,
            "operation": _operation(item.key),
            "health": WORDS[judged.health],
            "failures": f"{failures:,} in a row" if failures > 1 else "",
            "status": item.job.status or "unknown",
            "ended": ago(item.job.ended_at, now),
            "errors": ", ".join(error.title or error.code for error in item.job.errors),
            "tasks": ", ".join(
                f"{task.name}: {task.status}" for task in tasks_not_completed(item.job)
            ),
            "success": ago(item.last_success, now) if item.last_success else "None known",
            "jobs": link and f"{link}/backupJobs",
        },
    )


def job_line(key: ItemKey, job: BackupJob, now: datetime) -> Line:
    """A job that runs."""
    detail = job.detail
    ratio = detail.progress_ratio if detail else None
    left = detail.estimated_remaining_seconds if detail else None
    tasks = [task.name for task in job.tasks if task.status == "InProgress"]
    return Line(
        tone="good",
        texts={
            "item": key.item,
            "vault": key.vault,
            "operation": _operation(key),
            "status": job.status,
            "task": ", ".join(tasks),
            "since": span(now - job.start_time) if job.start_time else "",
            "percent": "" if ratio is None else str(min(100, max(0, int(100 * ratio)))),
            "left": "" if left is None else span(timedelta(seconds=min(left, 10**8))),
        },
    )


def running_jobs(snapshot: VaultSnapshot) -> int:
    """How many jobs run, also where they have no series of their own."""
    counts = snapshot.rollup.counts if snapshot.rollup else {}
    return sum(count for key, count in counts.items() if key.status in RUNNING_STATUSES)


def portal_link(portal: str, vault: Vault) -> str:
    """The vault in the Azure portal, without a page; empty where no portal is known."""
    return f"{portal}/#@/resource{quote(vault.path)}" if portal else ""


def ago(instant: datetime | None, now: datetime) -> str:
    """How long ago."""
    return "never" if instant is None else f"{span(now - instant)} ago"


def _operation(key: ItemKey) -> str:
    return f"{key.operation} ({key.backup_type})" if key.backup_type else key.operation
