"""Overview: is all well, and if not, what first?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter.backup.health import Health
from exporter.backup.model import STOPPING
from grafana.source.board import Panel, board, choice
from grafana.source.look import (
    BLUE,
    DARK_RED,
    ITEM_PAGE,
    ORANGE,
    OUTCOMES,
    OVERVIEW,
    PORTAL_JOBS,
    PORTAL_VAULT,
    RED,
    STATES,
    STATUS_COLORS,
    VAULT_PAGE,
    YELLOW,
    red_from,
)
from grafana.source.panels import lines, number
from grafana.source.queries import (
    BACKUPS,
    KEY,
    OTHERS,
    RUNNING,
    SETTINGS,
    VAULT,
    Scope,
    seconds,
    with_status,
)
from grafana.source.tables import WHERE, Column, rows

_SCOPE: Final = Scope(
    target='job=~"$job"',
    vault='subscription_id=~"$subscription", vault=~"$vault"',
    item='item=~"$item"',
)
_STALE: Final = seconds(SETTINGS["stale"]["floor"])
_RECENT: Final = seconds(SETTINGS["one_off"])
_IN_A_ROW: Final = SETTINGS["failures_in_a_row"]


def overview() -> models.Dashboard:
    """The dashboard."""
    return board(
        "Azure Backup / Overview",
        OVERVIEW,
        "How many items are protected, failing, late; the worst first.",
        (
            choice("job", "Job", "label_values(azure_backup_vault_up, job)"),
            choice(
                "subscription",
                "Subscription",
                'label_values(azure_backup_vault_up{job=~"$job"}, subscription_id)',
            ),
            choice(
                "vault",
                "Vault",
                "label_values(azure_backup_vault_up"
                '{job=~"$job", subscription_id=~"$subscription"}, vault)',
            ),
            choice(
                "item",
                "Item",
                "label_values(azure_backup_last_job_end_timestamp_seconds"
                '{job=~"$job", subscription_id=~"$subscription", vault=~"$vault"}, item)',
            ),
        ),
        (
            (4, [(3, panel) for panel in _numbers()]),
            (13, [(24, _items())]),
            (6, [(24, _vaults())]),
            (8, [(12, _running()), (12, _one_off())]),
            (8, [(12, _trouble()), (12, _jobs())]),
        ),
        since="now-24h",
    )


def _zero(expr: str, among: str) -> str:
    """A count that is 0 when nothing matches, but absent when there is nothing to look at."""
    return f"count({expr}) or 0 * count({among})"


def _numbers() -> list[Panel]:
    s = _SCOPE
    ended = s.latest("last_job_end_timestamp_seconds", BACKUPS)
    read = s.latest("vault_last_refresh_success_timestamp_seconds", by=VAULT)
    return [
        number(
            "Protected items",
            "Items that have had a backup job, good or bad, and whose protection is not stopped."
            " Fewer than yesterday? Look whether a vault is unreadable or protection was stopped.",
            _zero(s.protected(), ended),
            nothing="none yet",
        ),
        number(
            "Failed last",
            "Backups whose last job failed. The table below names them with the error; mend the"
            " cause and start a backup. As in the alert AzureBackupJobFailed.",
            _zero(s.alerting(Health.FAILED), ended),
            steps=red_from(1, ORANGE),
            nothing="none yet",
        ),
        number(
            "With warnings",
            "Backups whose last job completed with warnings: a recovery point exists, but"
            " something was left out or will fail next time. Read the job's warnings in the Azure"
            " portal.",
            _zero(s.alerting(Health.WARNINGS), ended),
            steps=red_from(1, YELLOW),
            nothing="none yet",
        ),
        number(
            "Late",
            "Backups whose newest success is far older than it may be; with the defaults, two"
            " nights were missed. Look whether the jobs fail, run too long or are not started. As"
            " in the alert AzureBackupLate.",
            _zero(s.alerting(Health.LATE), ended),
            steps=red_from(1),
            nothing="none yet",
        ),
        number(
            "Never succeeded",
            "Backups that have failed each time, as far as the exporter looks back: nothing can"
            " be restored. As in the alert AzureBackupNeverSucceeded.",
            _zero(s.alerting(Health.NEVER), ended),
            steps=red_from(1, DARK_RED),
            nothing="none yet",
        ),
        number(
            "Unreadable vaults",
            "Vaults that the last refresh could not read: their backups are not watched. The"
            " dashboard Exporter shows which errors, the exporter's status page says why.",
            f"sum(1 - {s.now('vault_up', by=VAULT)})",
            steps=red_from(1),
            nothing="no vaults",
        ),
        number(
            "Oldest data",
            "Age of the vault that was read longest ago; failures since then are not seen."
            " Vaults read more rarely than every ten minutes may be older before the alert"
            " AzureBackupDataStale fires. If it grows, look at the exporter's log.",
            f"max(time() - {read})",
            steps=red_from(_STALE),
            unit="s",
            decimals=0,
            nothing="not read yet",
        ),
        number(
            "Running now",
            "Jobs in progress, of all kinds. The table below names them.",
            _zero(s.now("job_status", RUNNING, by=f"{KEY}, job_id"), ended),
            steps=((None, "text"), (1, BLUE)),
            nothing="none yet",
        ),
    ]


def _items() -> Panel:
    s = _SCOPE
    error = s.now("last_job_error_info", BACKUPS, by=f"{KEY}, error_code, error_title")
    to_item = ("Open the item", ITEM_PAGE)
    return rows(
        "Backups, worst first",
        "Each kind of backup of each item. Begin at the top: open the item for its history, or"
        " its jobs in the Azure portal.",
        (
            Column(title="State", query=s.worst(), names=STATES, width=130),
            Column(title="Item", label="item", links=[to_item], width=130),
            Column(title="Type", label="backup_type", width=90),
            Column(
                title="Vault",
                label="vault",
                links=[("Jobs in the Azure portal", PORTAL_JOBS)],
                width=140,
            ),
            Column(title="Last job", query=s.outcome(BACKUPS), names=OUTCOMES, width=100),
            Column(
                title="Ended",
                query=s.age("last_job_end_timestamp_seconds", BACKUPS),
                unit="s",
                width=90,
            ),
            Column(
                title="Last success",
                query=s.age("last_success_timestamp_seconds", BACKUPS),
                unit="s",
                width=105,
            ),
            Column(
                title="Failures in a row",
                query=s.latest("consecutive_failures", BACKUPS),
                steps=((None, "text"), (1, ORANGE), (_IN_A_ROW, RED)),
                width=140,
            ),
            Column(title="Error", query=f"topk by ({KEY}) (1, {error})", hidden=True),
            Column(title="Error code", label="error_code", width=110),
            Column(title="What it says", label="error_title"),
            Column(title="protection_container", label="protection_container", hidden=True),
            *WHERE,
        ),
        nothing="No backup yet: the first appears when its job has ended.",
        worst_first=("State", "Failures in a row"),
    )


def _per_vault(expr: str) -> str:
    return f"sum by ({VAULT}) ({expr})"


def _count_per_vault(expr: str) -> str:
    """0 for a vault in which nothing matches."""
    every = _SCOPE.latest("last_job_status", BACKUPS)
    return f"count by ({VAULT}) ({expr}) or 0 * count by ({VAULT}) ({every})"


def _vaults() -> Panel:
    s = _SCOPE
    jobs = f"{VAULT}, backup_management_type, operation, status"

    def ended(status: str) -> str:
        return _per_vault(s.now("jobs", BACKUPS, with_status(status), by=jobs))

    return rows(
        "Vaults",
        "One row for each vault. An unreadable or stale one is watched by nobody: see to it"
        " first. Jobs are those of the exporter's window, a day unless set otherwise.",
        (
            Column(
                title="Reads",
                query=s.now("vault_up", by=VAULT),
                names={0: ("Unreadable", RED), 1: ("OK", "green")},
                width=100,
            ),
            Column(
                title="Vault",
                label="vault",
                links=[
                    ("Only this vault", VAULT_PAGE),
                    ("Vault in the Azure portal", PORTAL_VAULT),
                ],
            ),
            Column(title="Resource group", label="resource_group"),
            Column(title="subscription_id", label="subscription_id", hidden=True),
            Column(
                title="Data age",
                query=s.age("vault_last_refresh_success_timestamp_seconds", by=VAULT),
                unit="s",
                steps=red_from(_STALE),
            ),
            Column(title="Protected items", query=f"count by ({VAULT}) ({s.protected()})"),
            Column(
                title="Failed last",
                query=_count_per_vault(s.alerting(Health.FAILED)),
                steps=_any(ORANGE),
            ),
            Column(title="Late", query=_count_per_vault(s.alerting(Health.LATE)), steps=_any(RED)),
            Column(title="Good backups", query=ended("Completed|CompletedWithWarnings")),
            Column(title="Failed backups", query=ended("Failed"), steps=_any(ORANGE)),
        ),
        nothing="No vault is read yet: look at the exporter's log.",
        worst_first=("Late", "Failed last"),
    )


def _any(color: str) -> tuple[tuple[float | None, str], ...]:
    return ((None, "text"), (1, color))


def _running() -> Panel:
    s = _SCOPE
    to_jobs = ("Jobs in the Azure portal", PORTAL_JOBS)
    by = f"{KEY}, job_id"
    running = f"and on ({by}) {s.now('job_status', RUNNING, by=by)}"
    return rows(
        "Running jobs",
        "Jobs in progress, the longest first. One that takes far longer than usual blocks the"
        " item's next backup: open the item and compare.",
        (
            Column(title="Item", label="item", links=[("Open the item", ITEM_PAGE)]),
            Column(title="Operation", label="operation", width=155),
            Column(title="Vault", label="vault", links=[to_jobs], width=135),
            Column(
                title="Runs for",
                query=f"time() - {s.now('job_start_timestamp_seconds', by=by)} {running}",
                unit="s",
                width=84,
            ),
            Column(
                title="Progress",
                query=f"{s.now('job_progress_ratio', by=by)} {running}",
                unit="percentunit",
                decimals=0,
                width=84,
            ),
            Column(
                title="Still needs",
                query=f"{s.now('job_estimated_remaining_seconds', by=by)} {running}",
                unit="s",
                width=92,
            ),
            Column(title="protection_container", label="protection_container", hidden=True),
            *WHERE,
        ),
        nothing="No job runs.",
        worst_first="Runs for",
    )


def _one_off() -> Panel:
    s = _SCOPE
    to_jobs = ("Jobs in the Azure portal", PORTAL_JOBS)
    recent = f"{s.age('last_job_end_timestamp_seconds', OTHERS)} < {_RECENT}"
    stopping = dict.fromkeys(STOPPING, RED)
    return rows(
        f"Other operations, last {SETTINGS['one_off']}",
        "Restores, changes and ends of protection. A failed restore is waited for by somebody."
        " Nobody of your team stopped protection or deleted data? Treat it as an attack.",
        (
            Column(
                title="Ended",
                query=f"{s.outcome(OTHERS)} and on ({KEY}) {recent}",
                names=OUTCOMES,
                width=95,
            ),
            Column(title="Operation", label="operation", texts=stopping, width=150),
            Column(title="Item", label="item", links=[("Open the item", ITEM_PAGE)]),
            Column(title="Vault", label="vault", links=[to_jobs], width=135),
            Column(title="Ago", query=recent, unit="s", width=84),
            Column(title="protection_container", label="protection_container", hidden=True),
            *WHERE,
        ),
        nothing="No restore, no change and no end of protection.",
        worst_first="Ago",
        ascending=True,
    )


def _trouble() -> Panel:
    s = _SCOPE
    ended = s.latest("last_job_end_timestamp_seconds", BACKUPS)
    return lines(
        "Backups in trouble",
        "Failed, late and never successful backups. A step up dates the cause: look what was"
        " changed then.",
        (
            (_zero(s.alerting(Health.FAILED), ended), "Failed last"),
            (_zero(s.alerting(Health.LATE), ended), "Late"),
            (_zero(s.alerting(Health.NEVER), ended), "Never succeeded"),
        ),
        unit="short",
        nothing="No backup yet.",
        colors={"Failed last": ORANGE, "Late": RED, "Never succeeded": DARK_RED},
        steps=True,
        every="10m",
    )


def _jobs() -> Panel:
    s = _SCOPE
    by = f"{VAULT}, backup_management_type, operation, status"
    return lines(
        "Jobs by status",
        "Jobs of the exporter's window (a day, unless set otherwise) that run or have ended. A"
        " falling total means that jobs are no longer started.",
        ((f"sum by (status) ({s.now('jobs', by=by)})", "{{status}}"),),
        unit="short",
        nothing="No job yet.",
        colors=STATUS_COLORS,
        stacked=True,
    )
