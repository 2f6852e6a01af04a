"""Item: one item's backups, their history and parts."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from grafana.source.board import Panel, board, choice
from grafana.source.look import (
    BLUE,
    ITEM,
    ORANGE,
    OUTCOMES,
    PORTAL_JOBS,
    RED,
    STATES,
    STATUS_COLORS,
    YELLOW,
)
from grafana.source.panels import lines, number, timeline
from grafana.source.queries import (
    BACKUPS,
    KEY,
    RUNNING,
    SETTINGS,
    THING,
    Scope,
    seconds,
    with_status,
)
from grafana.source.tables import WHERE, Column, rows

_SCOPE: Final = Scope(
    target='job=~"$job"',
    vault='subscription_id=~"$subscription", vault=~"$vault"',
    item='protection_container=~"$container", item="$item"',
)
_IN_A_ROW: Final = SETTINGS["failures_in_a_row"]
_JOB: Final = f"{KEY}, job_id"
_NAME: Final = "{{operation}} {{backup_type}}"
_JOBS_LINK: Final = ("Jobs in the Azure portal", PORTAL_JOBS)


def item() -> models.Dashboard:
    """The dashboard."""
    chosen = 'job=~"$job", subscription_id=~"$subscription"'
    ended = "azure_backup_last_job_end_timestamp_seconds"
    return board(
        "Azure Backup / Item",
        ITEM,
        "One item: its state over time, its tasks, how long and how big its backups are.",
        (
            choice("job", "Job", "label_values(azure_backup_vault_up, job)"),
            choice(
                "subscription",
                "Subscription",
                'label_values(azure_backup_vault_up{job=~"$job"}, subscription_id)',
            ),
            choice("vault", "Vault", f"label_values(azure_backup_vault_up{{{chosen}}}, vault)"),
            choice(
                "item",
                "Item",
                f'label_values({ended}{{{chosen}, vault=~"$vault"}}, item)',
                single=True,
            ),
            choice(
                "container",
                "Container",
                f'label_values({ended}{{{chosen}, vault=~"$vault", item="$item"}},'
                " protection_container)",
            ),
        ),
        (
            (4, [(4, panel) for panel in _numbers()]),
            (6, [(24, _backups())]),
            (6, [(24, _states())]),
            (8, [(12, _durations()), (12, _sizes())]),
            (7, [(12, _tasks()), (12, _task_durations())]),
            (9, [(24, _jobs())]),
        ),
        since="now-7d",
    )


def _ratio() -> str:
    """Age of the newest success over the age from which it is late."""
    age = "last_success_timestamp_seconds"
    limit = _SCOPE.latest("last_success_age_limit_seconds", 'severity="critical"')
    ratio = f"({_SCOPE.age(age, BACKUPS)}) / on ({KEY}) {limit}"
    return f"({ratio} unless on ({THING}) {_SCOPE.stopped()})"


def _numbers() -> list[Panel]:
    s = _SCOPE
    return [
        number(
            "State",
            "The worst that can be said of the item's backups; the table below says it of each.",
            f"max({s.worst()})",
            names=STATES,
            nothing="no backup yet",
        ),
        number(
            "Last success",
            "Time since the newest good backup of any type: what a restore would lose at least.",
            f"min({s.age('last_success_timestamp_seconds', BACKUPS)})",
            unit="s",
            nothing="never",
        ),
        number(
            "Of the time allowed",
            "Age of the newest success over the age from which the alert AzureBackupLate fires for"
            " it (lateness in the exporter's configuration); the worst of the item's. From 100 % on"
            " it is late.",
            f"max({_ratio()})",
            unit="percentunit",
            decimals=0,
            steps=((None, "green"), (0.9, YELLOW), (1, RED)),
            nothing="no success yet",
        ),
        number(
            "Failures in a row",
            f"Backups since the last success. From {_IN_A_ROW} on it is no accident, and the alert"
            " AzureBackupFailsRepeatedly fires: mend the cause that the error names.",
            f"max({s.latest('consecutive_failures', BACKUPS)})",
            steps=((None, "green"), (1, ORANGE), (_IN_A_ROW, RED)),
            nothing="no backup yet",
        ),
        number(
            "Size of the last backup",
            "As Azure tells it, else the data transferred; the largest of the item's types. A"
            " failed backup has none.",
            f"max({s.latest('last_job_backup_size_bytes', BACKUPS)} > 0)"
            f" or max({s.latest('last_job_data_transferred_bytes', BACKUPS)} > 0)",
            unit="bytes",
            nothing="not told",
        ),
        number(
            "Running now",
            "Jobs of the item in progress; another backup cannot start meanwhile.",
            f"count({s.now('job_status', RUNNING, by=_JOB)})"
            f" or 0 * count({s.latest('last_job_end_timestamp_seconds')})",
            steps=((None, "text"), (1, BLUE)),
            nothing="none yet",
        ),
    ]


def _backups() -> Panel:
    s = _SCOPE
    error = s.now("last_job_error_info", by=f"{KEY}, error_code, error_title")
    jobs = s.now("last_job_info", by=f"{_JOB}, activity_id")
    return rows(
        "What is done to the item",
        "The newest finished job of each operation and type. The job's id finds it among the"
        " vault's jobs in the Azure portal, and Azure's support asks for it.",
        (
            Column(title="Last job", query=s.outcome(), names=OUTCOMES, width=105),
            Column(title="Operation", label="operation", width=125),
            Column(title="Type", label="backup_type", width=90),
            Column(
                title="Ended",
                query=s.age("last_job_end_timestamp_seconds"),
                unit="s",
                width=90,
            ),
            Column(title="Took", query=s.latest("last_job_duration_seconds"), unit="s", width=90),
            Column(
                title="Last success",
                query=s.age("last_success_timestamp_seconds"),
                unit="s",
                width=105,
            ),
            Column(
                title="Of allowed",
                query=_ratio(),
                unit="percentunit",
                decimals=0,
                steps=((None, "green"), (0.9, YELLOW), (1, RED)),
                width=95,
            ),
            Column(
                title="Failures in a row",
                query=s.latest("consecutive_failures"),
                steps=((None, "text"), (1, ORANGE), (_IN_A_ROW, RED)),
                width=140,
            ),
            Column(title="Errors", query=f"topk by ({KEY}) (1, {error})", hidden=True),
            Column(title="Error code", label="error_code", width=100),
            Column(title="What it says", label="error_title"),
            Column(title="Infos", query=f"topk by ({KEY}) (1, {jobs})", hidden=True),
            Column(title="Job", label="job_id", links=[_JOBS_LINK]),
            Column(title="Vault", label="vault", links=[_JOBS_LINK], width=130),
            *WHERE,
        ),
        nothing="No job of this item has ended yet.",
        worst_first=("Of allowed", "Last job"),
    )


def _states() -> Panel:
    s = _SCOPE
    running = f"{s.now('job_status', RUNNING)} * 0 + 5"
    return timeline(
        "Status over time",
        "Blue while a job runs, then the colour of how it ended, until the next one ends. Regular"
        " orange at one hour points at that hour: another job, a maintenance window.",
        f"max by (operation, backup_type) ({running} or {s.outcome()})",
        legend=_NAME,
        names=OUTCOMES,
        nothing="No job of this item yet.",
    )


def _durations() -> Panel:
    s = _SCOPE
    long = SETTINGS["too_long"]
    good = (
        f"{s.now('last_job_duration_seconds', BACKUPS)} and on ({KEY})"
        f" {s.now('last_job_status', BACKUPS, with_status('Completed|CompletedWithWarnings'))} == 1"
    )
    usual = f"max by (operation) (quantile_over_time(0.5, ({good})[14d:1h]))"
    running = s.now("job_status", RUNNING, by=_JOB)
    return lines(
        "Duration",
        "How long the newest finished job took, and how long a running one has taken so far."
        f" Beyond the dashed line, {long['times']} times the usual and at least {long['floor']},"
        " the alert AzureBackupRunsTooLong fires.",
        (
            (
                f"max by (operation, backup_type) ({s.now('last_job_duration_seconds')})",
                _NAME,
            ),
            (
                "max by (operation, backup_type)"
                f" ({s.now('job_duration_seconds', by=_JOB)} and on ({_JOB}) {running})",
                f"{_NAME} runs",
            ),
            (
                f"clamp_min({long['times']} * {usual}, {seconds(long['floor'])})",
                "{{operation}} too long",
            ),
        ),
        unit="s",
        nothing="No job of this item has ended yet.",
        dashed=["/ too long$/"],
        steps=True,
    )


def _sizes() -> Panel:
    s = _SCOPE
    return lines(
        "Size and data transferred",
        "Of the newest finished job. A backup that suddenly shrinks lost data or leaves something"
        " out; one that jumps may be encrypted by an attacker.",
        (
            (
                f"max by (operation, backup_type) ({s.now('last_job_backup_size_bytes')})",
                f"{_NAME} size",
            ),
            (
                f"max by (operation, backup_type) ({s.now('last_job_data_transferred_bytes')})",
                f"{_NAME} transferred",
            ),
        ),
        unit="bytes",
        nothing="Azure has told no size of this item yet.",
        steps=True,
    )


def _tasks() -> Panel:
    s = _SCOPE
    by = "step, task, operation, backup_type"
    done = s.latest("task_last_success_timestamp_seconds", by="task, operation, backup_type")
    status = s.now("last_job_task_status", by=f"{by}, status")
    return rows(
        "Tasks of the last job",
        "Steps of the newest finished job of each operation. A snapshot without its transfer can"
        " be restored for some days only and is not in the vault: see when the transfer last"
        " succeeded.",
        (
            Column(title="Operation", label="operation", width=85),
            Column(title="Type", label="backup_type", width=60),
            Column(title="Step", label="step", width=50),
            Column(title="Task", label="task"),
            Column(title="Status", label="status", texts=STATUS_COLORS, width=95),
            Column(title="Statuses", query=f"count by ({by}, status) ({status})", hidden=True),
            Column(
                title="Took",
                query=s.now("last_job_task_duration_seconds", by=by),
                unit="s",
                width=90,
            ),
            Column(
                title="Last success",
                query=f"time() - ({done} * on (task, operation, backup_type)"
                f" group_right () count by ({by}) ({status}) ^ 0)",
                unit="s",
                width=105,
            ),
        ),
        nothing="Azure tells no tasks of this item's jobs.",
        worst_first=("Operation", "Type", "Step"),
        ascending=True,
    )


def _task_durations() -> Panel:
    s = _SCOPE
    return lines(
        "Duration of tasks",
        "Where the time goes. A slow snapshot is the machine's matter, a slow transfer the"
        " network's or that of much changed data.",
        (
            (
                "max by (operation, backup_type, task)"
                f" ({s.now('last_job_task_duration_seconds', by=f'{KEY}, task, step')})",
                "{{operation}} {{backup_type}} {{task}}",
            ),
        ),
        unit="s",
        nothing="Azure tells no durations of this item's tasks.",
        stacked=True,
        steps=True,
    )


def _jobs() -> Panel:
    s = _SCOPE
    status = s.now("job_status", by=f"{_JOB}, status")
    return rows(
        "Jobs",
        "Every job of the item that runs, the newest first; with metrics.job_series: all those"
        " that ended within metrics.window, too. The job's id finds it among the vault's jobs in"
        " the Azure portal.",
        (
            Column(title="Status", label="status", texts=STATUS_COLORS, width=150),
            Column(title="Statuses", query=status, hidden=True),
            Column(title="Operation", label="operation", width=130),
            Column(title="Type", label="backup_type", width=90),
            Column(
                title="Began",
                query=f"1000 * {s.now('job_start_timestamp_seconds', by=_JOB)}",
                unit="dateTimeAsIso",
                width=160,
            ),
            Column(
                title="Took",
                query=s.now("job_duration_seconds", by=_JOB),
                unit="s",
                width=100,
            ),
            Column(
                title="Size", query=s.now("job_backup_size_bytes", by=_JOB), unit="bytes", width=100
            ),
            Column(
                title="Transferred",
                query=s.now("job_data_transferred_bytes", by=_JOB),
                unit="bytes",
                width=110,
            ),
            Column(
                title="Progress",
                query=s.now("job_progress_ratio", by=_JOB),
                unit="percentunit",
                decimals=0,
                width=90,
            ),
            Column(title="Job", label="job_id", links=[_JOBS_LINK]),
            Column(title="Vault", label="vault", links=[_JOBS_LINK], width=140),
            *WHERE,
        ),
        nothing="No job runs, or metrics.job_series is none; with all, ended ones show too.",
        worst_first="Began",
    )
