"""Every alert in promtool: silent just before, firing just after, gone when mended, near misses."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest
import yaml

from exporter.backup.model import ItemKey
from exporter.errors import ErrorKind
from tests.processes import ROOT
from tests.stack.programs import installed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Days of minutes in promtool take their time on a busy machine.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

RULES = ROOT / "deploy/prometheus/azure-backup.rules.yaml"
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
}

VAULT = {
    "job": "azure-backup-exporter",
    "subscription_id": "s1",
    "resource_group": "rg1",
    "vault_type": "RecoveryServices",
    "vault": "v1",
}
ITEM = {
    **VAULT,
    "backup_management_type": "AzureIaasVM",
    "protection_container": "c1",
    "item": "vm1",
    "operation": "Backup",
    "backup_type": "",
}
SQL = {
    **ITEM,
    "backup_management_type": "AzureWorkload",
    "item": "db1",
    "protection_container": "host1",
}
TRANSFER = {"task": "Transfer", "step": "2"}
EXPORTER = {"job": "azure-backup-exporter", "instance": "i1"}
BUDGET = {"subscription_id": "s1", "location": "westeurope"}
OTHER_BUDGET = {"subscription_id": "s1", "location": "northeurope"}
DISCOVERY = {"scope": "/subscriptions/s1", "source": "arm"}
PAYLOAD = {"api": "backup_jobs_list", "field": "endTime"}
WHERE = "vault v1, resource group rg1"
DAY = 24 * 60


Series = dict[str, str]


def series(family: str, values: str, labels: Mapping[str, str]) -> Series:
    """One input series, scraped each minute from one instance."""
    texts = {**labels, "instance": "i1"}
    inside = ", ".join(f"{name}={json.dumps(value)}" for name, value in texts.items())
    return {"series": f"{family}{{{inside}}}", "values": values}


def item(family: str, values: str, **more: str) -> Series:
    return series(f"azure_backup_{family}", values, {**ITEM, **more})


def sql(family: str, values: str, **more: str) -> Series:
    return series(f"azure_backup_{family}", values, {**SQL, **more})


def may_be_old(seconds: float, number: int, severity: str = "critical", **more: str) -> Series:
    """From which age a backup is late, for so many scrapes."""
    family = "last_success_age_limit_seconds"
    return item(family, f"{seconds:g}x{number}", severity=severity, **more)


def vault(family: str, values: str, **more: str) -> Series:
    return series(f"azure_backup_{family}", values, {**VAULT, **more})


def own(family: str, values: str, **more: str) -> Series:
    return series(family, values, {**EXPORTER, **more})


@dataclass
class Scenario:
    """What Prometheus sees minute by minute, and when an alert fires.

    Attributes:
        alert: Which one.
        given: Series.
        fires: First minute at which it fires, the minute before which it does not.
        summary: Whole.
        description: Whole.
        labels: Of the alert beside its severity.
        ends: Minute at which it is gone; None if only time, not mending, would end it.
        near: Series in which something is alike but well: the alert stays silent.
        minutes: How long those are watched.
    """

    alert: str
    given: list[Series]
    fires: int
    summary: str
    description: str
    labels: Mapping[str, str] = field(default_factory=lambda: ITEM)
    ends: int | None = None
    near: list[Series] = field(default_factory=list)
    minutes: int = 60


OTHER_RUNS = [
    sql("last_job_error_info", "1x130", error_code="400249", backup_type="Full"),
    sql("job_status", "1x130", job_id="j2", status="InProgress", protection_container=""),
]
"""A backup could not start because another one of the item was running, and still is."""

SCENARIOS = [
    Scenario(
        alert="AzureBackupJobFailed",
        given=[item("last_job_status", "0x9 1x20 0x20", status="Failed")],
        fires=15,
        ends=31,
        summary="The last backup of vm1 in vault v1 failed",
        description=f"Backup of vm1 ({WHERE}) ended as Failed. Mend the cause that its error names,"
        " or the job in the Azure portal, and start a backup.",
        near=[
            item("last_job_status", "1x60", status="Failed", operation="Restore"),
            # It could not start because another backup was running, and still is.
            sql("last_job_status", "1x60", status="Failed", backup_type="Full"),
            *OTHER_RUNS,
        ],
    ),
    Scenario(
        alert="AzureBackupCompletedWithWarnings",
        given=[item("last_job_status", "0x9 1x30 0x20", status="CompletedWithWarnings")],
        fires=25,
        ends=41,
        summary="The last backup of vm1 in vault v1 completed with warnings",
        description=f"Backup of vm1 ({WHERE}) made a recovery point, but something was left out or"
        " will fail next time. Read the job's warnings in the Azure portal.",
        near=[item("last_job_status", "1x60", status="Completed")],
    ),
    Scenario(
        alert="AzureBackupTaskNotCompleted",
        given=[
            item("last_job_status", "1x80", status="Completed"),
            item("last_job_task_status", "_x10 1x40", **TRANSFER, status="Failed"),
            item(
                "last_job_task_status", "_x51 1x30", task="Transfer", step="2", status="Completed"
            ),
        ],
        fires=30,
        ends=56,
        labels={**ITEM, "task": "Transfer", "status": "Failed"},
        summary="Transfer of vm1 in vault v1: Failed",
        description=f"The last Backup of vm1 ({WHERE}) counts as successful, but its task"
        ' "Transfer" is Failed. If that is the transfer, the recovery point exists as a snapshot'
        " only and not in the vault. Open the job in the Azure portal.",
        near=[
            # The job itself failed: another alert says so.
            item("last_job_status", "0x80", status="Completed"),
            item("last_job_status", "1x80", status="Failed"),
            item("last_job_task_status", "1x80", **TRANSFER, status="Failed"),
            # A snapshot's job ends while its transfer goes on.
            sql("last_job_status", "1x80", status="Completed"),
            sql("last_job_task_status", "1x80", **TRANSFER, status="InProgress"),
            # Azure did not say how a task ended.
            sql("last_job_status", "1x80", item="db2", status="Completed"),
            sql("last_job_task_status", "1x80", item="db2", **TRANSFER),
        ],
    ),
    Scenario(
        alert="AzureBackupLate",
        given=[
            item("last_success_timestamp_seconds", f"0x1830 {1830 * 60}x60"),
            may_be_old(30 * 3600, 1900),
            # What is said of another item, severity or operation does not count.
            may_be_old(3600, 1900, item="vm2"),
            may_be_old(3600, 1900, "warning"),
            may_be_old(3600, 1900, operation="Restore"),
        ],
        fires=30 * 60 + 6,
        minutes=1900,
        ends=1832,
        summary="No successful backup of vm1 in vault v1 for 1d 6h 6m 0s",
        description=f"The newest good Backup of vm1 ({WHERE}) is 1d 6h 6m 0s old, far more than it"
        " may be. Look whether its jobs fail, run too long or are not started at all, and"
        " start a backup.",
        near=[
            # It may be that old, or never is too old.
            item("last_success_timestamp_seconds", "0x1900"),
            may_be_old(32 * 3600, 1900),
            sql("last_success_timestamp_seconds", "0x1900", backup_type="CopyOnlyFull"),
            # Its limit and its success are not scraped for a while.
            item("last_success_timestamp_seconds", "0x99 stale _x9 6600x1800", item="vm4"),
            may_be_old(30 * 3600, 1900, item="vm4"),
            item("last_success_timestamp_seconds", "0x1900", operation="Restore", item="vm2"),
            may_be_old(30 * 3600, 1900, item="vm3"),
            # Its protection was stopped on purpose, after its last backup.
            item("last_success_timestamp_seconds", "0x1900", item="vm3"),
            item(
                "last_success_timestamp_seconds",
                "_x60 3600x1840",
                operation="DisableBackup",
                item="vm3",
                protection_container="",
            ),
        ],
    ),
    Scenario(
        alert="AzureBackupMissed",
        given=[
            item("last_success_timestamp_seconds", f"0x1830 {1830 * 60}x60"),
            may_be_old(30 * 3600, 1900, "warning"),
            may_be_old(54 * 3600, 1900),
        ],
        fires=30 * 60 + 6,
        minutes=1900,
        ends=1832,
        summary="vm1 in vault v1 has missed a backup: none for 1d 6h 6m 0s",
        description=f"The newest good Backup of vm1 ({WHERE}) is 1d 6h 6m 0s old, more than it"
        " should be. The next one may make it good; look whether its jobs fail, run too long or are"
        " not started at all.",
        near=[
            item("last_success_timestamp_seconds", "0x1900"),
            may_be_old(32 * 3600, 1900, "warning"),
            may_be_old(3600, 1900),
        ],
    ),
    Scenario(
        alert="AzureBackupNeverSucceeded",
        given=[
            # Its namesakes are well, but they are others.
            item("last_success_timestamp_seconds", "0x130", protection_container="c2"),
            item(
                "last_success_timestamp_seconds",
                "0x130",
                protection_container="c2",
                backup_type="Full",
            ),
            item("consecutive_failures", "_x10 2x90 0x30"),
            item("last_success_timestamp_seconds", "_x101 6000x30"),
        ],
        fires=70,
        ends=101,
        summary="No backup of vm1 in vault v1 has ever succeeded",
        description=f"All 2 known runs of Backup of vm1 ({WHERE}) failed: as far as the exporter"
        " looks back, nothing can be restored. Mend the cause that the job names, and start a"
        " backup.",
        near=[
            item("consecutive_failures", "2x130"),
            item("last_success_timestamp_seconds", "0x130"),
            item("consecutive_failures", "1x130", operation="ConfigureBackup", item="vm2"),
            # Its first backup runs for days, and others were refused meanwhile.
            sql("consecutive_failures", "4x130", backup_type="Full"),
            *OTHER_RUNS,
            # It failed before Azure knew its type and host; the night before was good.
            sql("consecutive_failures", "1x130", item="msdb", protection_container=""),
            sql("last_success_timestamp_seconds", "0x130", item="msdb", backup_type="Full"),
            sql("consecutive_failures", "1x130", item="crm"),
            sql("last_success_timestamp_seconds", "0x130", item="crm", backup_type="Full"),
        ],
    ),
    Scenario(
        alert="AzureBackupFailsRepeatedly",
        given=[sql("consecutive_failures", "2x9 3x20 0x20", backup_type="Log")],
        fires=15,
        ends=31,
        labels={**SQL, "backup_type": "Log"},
        summary="3 backups in a row of db1 in vault v1 failed",
        description=f"Backup (Log) of db1 ({WHERE}) has not succeeded in 3 runs. Waiting does not"
        " help: mend the cause that the job names, or ask Azure support with the job's id.",
        near=[
            item("consecutive_failures", "2x60"),
            # One runs for days, and the others were refused meanwhile.
            sql("consecutive_failures", "4x60", backup_type="Full"),
            *OTHER_RUNS,
        ],
    ),
    Scenario(
        alert="AzureBackupRunsTooLong",
        given=[
            # It usually takes 40 minutes, so two hours are too long.
            item("last_job_duration_seconds", f"2400x{2 * DAY}"),
            item("last_job_status", f"1x{2 * DAY}", status="Completed"),
            item("job_duration_seconds", f"_x{DAY} 0+60x180", job_id="j2"),
            item("job_status", f"_x{DAY} 1x180", job_id="j2", status="InProgress"),
        ],
        fires=DAY + 126,
        ends=DAY + 187,
        minutes=DAY + 900,
        summary="Backup of vm1 in vault v1 runs for 2h 6m 0s",
        description=f"Backup of vm1 ({WHERE}) takes far longer than usual. Look at its tasks and"
        " progress in the item's dashboard; the next backup cannot start while this one runs.",
        near=[
            # A full backup of a database is listed as Backup while it runs.
            sql("last_job_duration_seconds", f"36000x{2 * DAY}", backup_type="Full"),
            sql("last_job_status", f"1x{2 * DAY}", status="Completed", backup_type="Full"),
            sql("job_duration_seconds", f"_x{DAY} 0+60x900", job_id="j3", protection_container=""),
            sql(
                "job_status",
                f"_x{DAY} 1x900",
                job_id="j3",
                status="InProgress",
                protection_container="",
            ),
            # Nothing is known of the first one, and a day is not over.
            item("job_duration_seconds", f"_x{DAY} 0+60x1300", job_id="j4", item="vm4"),
            item("job_status", f"_x{DAY} 1x1300", job_id="j4", item="vm4", status="InProgress"),
        ],
    ),
    Scenario(
        alert="AzureBackupRestoreFailed",
        given=[
            item("last_job_status", f"_x10 1x{2 * DAY}", status="Failed", operation="Restore"),
            item("last_job_end_timestamp_seconds", f"_x10 600x{2 * DAY}", operation="Restore"),
        ],
        fires=11,
        ends=DAY + 10,
        labels={**ITEM, "operation": "Restore"},
        summary="Restore of vm1 from vault v1 failed",
        description=f"Restore of vm1 ({WHERE}) failed within the last 1d, and somebody waits for"
        " the data. Read the error and Azure's recommendation in the job, mend the cause, and"
        " restore again.",
        near=[
            item("last_job_status", "1x60", status="Failed"),
            item("last_job_end_timestamp_seconds", "0x60"),
            item("last_job_status", "0x60", status="Failed", operation="Restore", item="vm2"),
            item("last_job_end_timestamp_seconds", "0x60", operation="Restore", item="vm2"),
        ],
    ),
    Scenario(
        alert="AzureBackupOperationFailed",
        given=[
            item(
                "last_job_status", f"_x10 1x{2 * DAY}", status="Failed", operation="ConfigureBackup"
            ),
            item(
                "last_job_end_timestamp_seconds", f"_x10 600x{2 * DAY}", operation="ConfigureBackup"
            ),
        ],
        fires=15,
        ends=DAY + 10,
        labels={**ITEM, "operation": "ConfigureBackup"},
        summary="ConfigureBackup of vm1 in vault v1 failed",
        description=f"ConfigureBackup of vm1 ({WHERE}) failed within the last 1d: what was meant to"
        " change has not. Read the error in the job and repeat it.",
        near=[
            item("last_job_status", "1x60", status="Failed"),
            item("last_job_end_timestamp_seconds", "0x60"),
        ],
    ),
    Scenario(
        alert="AzureBackupProtectionStopped",
        given=[
            item(
                "last_success_timestamp_seconds",
                f"_x10 600x{2 * DAY}",
                operation="DeleteBackupData",
            )
        ],
        fires=10,
        ends=DAY + 10,
        labels={**ITEM, "operation": "DeleteBackupData"},
        summary="DeleteBackupData of vm1 in vault v1",
        description=f"DeleteBackupData of vm1 ({WHERE}) succeeded 0s ago. If nobody of your team"
        " did this, treat it as an attack: deleted data can be undeleted for 14 days where soft"
        " delete is on. The activity log of the vault names who it was.",
        near=[
            item("last_success_timestamp_seconds", "0x60", operation="ConfigureBackup"),
            item("last_job_status", "1x60", operation="DeleteBackupData", status="Failed"),
        ],
    ),
    Scenario(
        alert="AzureBackupItemDisappeared",
        given=[
            vault("vault_up", f"1x{4 * DAY}"),
            item("last_job_end_timestamp_seconds", f"0x{2 * DAY}"),
        ],
        fires=2 * DAY + 31,
        minutes=3 * DAY,
        ends=3 * DAY + 6,
        labels={
            key: ITEM[key]
            for key in (*VAULT, "backup_management_type", "protection_container", "item")
        },
        summary="vm1 has disappeared from vault v1",
        description=f"The exporter showed vm1 ({WHERE}) a day ago and does not any more: it has had"
        " no job for very long, or its name has changed. Look whether it is still protected. That"
        " its backups are late is remembered until their end is known.",
        near=[
            vault("vault_up", f"1x{4 * DAY}"),
            # Its backups are now named with their type and container.
            sql("last_job_end_timestamp_seconds", f"0x{2 * DAY}", protection_container=""),
            sql("last_job_end_timestamp_seconds", f"_x{2 * DAY} 0x{2 * DAY}", backup_type="Full"),
            # Its protection was stopped long ago.
            item("last_job_end_timestamp_seconds", f"0x{2 * DAY}", item="vm2"),
            item(
                "last_success_timestamp_seconds",
                f"60x{2 * DAY}",
                operation="DisableBackup",
                item="vm2",
            ),
            # The whole vault cannot be read: another alert.
            vault("vault_up", f"1x{2 * DAY} 0x{2 * DAY}", vault="v2"),
            item("last_job_end_timestamp_seconds", f"0x{2 * DAY}", vault="v2"),
        ],
    ),
    Scenario(
        alert="AzureBackupVaultForbidden",
        given=[
            vault("vault_up", "1x9 0x60 1x30"),
            vault("vault_down", "0x9 1x60 0x30", kind="forbidden"),
            vault("vault_down", "0x99", kind="network"),
        ],
        fires=25,
        ends=71,
        labels=VAULT,
        summary="Vault v1 may not be read",
        description="Azure refuses to show the jobs of vault v1 (resource group rg1, subscription"
        " s1): the backups are not watched. Give the exporter's identity the role Backup Reader on"
        " the vault; the log of the exporter names the identity's right that is missing. Its newest"
        " failure is of the kind forbidden.",
        near=[
            # One refresh failed, and the next one did not.
            vault("vault_up", "1x9 0x14 1x75"),
            vault("vault_down", "0x9 1x14 0x75", kind="forbidden"),
            vault("vault_up", "0x99", vault="v2"),
            vault("vault_down", "1x99", vault="v2", kind="network"),
        ],
    ),
    Scenario(
        alert="AzureBackupVaultThrottled",
        given=[
            vault("vault_up", "1x9 0x60 1x30"),
            vault("vault_down", "0x9 1x60 0x30", kind="throttled"),
            vault("vault_down", "0x99", kind="network"),
        ],
        fires=25,
        ends=71,
        labels=VAULT,
        summary="Vault v1 is read too often",
        description="Azure throttles reads of the jobs of vault v1 (resource group rg1,"
        " subscription s1), so its backups are not watched. Find who else reads jobs in"
        " this subscription and region, or make refresh.interval longer.",
        near=[
            # One of a pair of exporters reads it.
            vault("vault_up", "1x99"),
            vault("vault_up", "0x99", pod="b"),
            vault("vault_down", "1x99", pod="b", kind="throttled"),
        ],
    ),
    Scenario(
        alert="AzureBackupVaultGone",
        given=[
            vault("vault_up", "1x9 0x60 1x30"),
            vault("vault_down", "0x9 1x60 0x30", kind="not_found"),
            vault("vault_down", "0x99", kind="network"),
        ],
        fires=25,
        ends=71,
        labels=VAULT,
        summary="Vault v1 does not exist",
        description="Azure knows no vault v1 (resource group rg1, subscription s1). If it was"
        " deleted on purpose, take it out of the exporter's configuration; if not, somebody has"
        " deleted backups.",
        near=[
            vault("vault_up", "0x99"),
            vault("vault_down", "1x99", kind="server"),
            vault("vault_down", "0x99", kind="not_found"),
        ],
    ),
    Scenario(
        alert="AzureBackupVaultUnreadable",
        given=[
            vault("vault_up", "1x9 0x60 1x30"),
            vault("vault_down", "0x9 1x60 0x30", kind="network"),
        ],
        fires=25,
        ends=71,
        labels=VAULT,
        summary="Vault v1 cannot be read",
        description="The jobs of vault v1 (resource group rg1, subscription s1) cannot be read: its"
        " backups are not watched. The exporter's status page and log say why; most often it is the"
        " network, a proxy, or a fault of Azure itself. Its newest failure is of the kind network.",
        near=[
            # Forbidden: the alert that says so is enough.
            vault("vault_up", "1x9 0x90"),
            vault("vault_down", "0x9 1x90", kind="forbidden"),
            # One of a pair of exporters reads it.
            vault("vault_up", "0x99", vault="v2"),
            vault("vault_up", "1x99", vault="v2", pod="b"),
        ],
    ),
    Scenario(
        alert="AzureBackupVaultNeverRead",
        given=[
            vault("vault_refresh_interval_seconds", "_x10 300x140"),
            # What can be known of it all the same.
            vault("vault_refresh_errors_total", "_x10 0x140", kind="throttled"),
            vault("vault_up", "_x100 1x50"),
        ],
        fires=70,
        ends=100,
        labels=VAULT,
        summary="Vault v1 has not been read yet",
        description="The exporter knows vault v1 (resource group rg1, subscription s1) and has not"
        " read it a single time for 1h: its backups are not watched. Its status page and log say"
        " what it waits for; most often the read budget does not reach so many vaults at once.",
        near=[
            # It is read, if badly: another alert.
            vault("vault_refresh_interval_seconds", "300x150"),
            vault("vault_up", "_x59 0x90"),
            # Its series are not scraped for a while.
            vault("vault_refresh_interval_seconds", "300x90 stale _x9 300x50", vault="v2"),
            vault("vault_up", "1x90 stale _x9 1x50", vault="v2"),
        ],
        minutes=150,
    ),
    Scenario(
        alert="AzureBackupVaultDisappeared",
        given=[
            own("up", f"1x{2 * DAY + 100}"),
            vault("vault_refresh_interval_seconds", f"300x{DAY} stale _x60 300x60"),
        ],
        # Bridged for a quarter of an hour, then pending for another.
        fires=DAY + 31,
        ends=DAY + 63,
        labels=VAULT,
        summary="Vault v1 is not watched any more",
        description="The exporter once showed vault v1 (resource group rg1, subscription s1) and"
        " does not any more, so that alerts about it have ended. If it is meant to be gone, name it"
        ' under "gone" in the settings of the rules, or silence this alert. Else somebody has'
        " deleted it with its backups, or it was taken out of the configuration, or the exporter"
        " that read it is missing.",
        near=[
            own("up", f"1x{DAY} 0x200"),
            # The exporter is down: another alert.
            vault("vault_refresh_interval_seconds", f"300x{DAY} stale"),
        ],
        minutes=DAY + 200,
    ),
    Scenario(
        alert="AzureBackupDataStale",
        given=[
            vault("vault_last_refresh_success_timestamp_seconds", "0x59 3600x20"),
            vault("vault_refresh_interval_seconds", "300x80"),
        ],
        fires=36,
        ends=60,
        labels=VAULT,
        summary="What is known of vault v1 is 36m 0s old",
        description="Vault v1 (resource group rg1, subscription s1) was last read 36m 0s ago:"
        " failures since then are not seen. Look at the exporter's log; if it is silent, restart"
        " it.",
        near=[
            # Few reads are allowed, so it is read every half hour.
            vault("vault_last_refresh_success_timestamp_seconds", "0x80"),
            vault("vault_refresh_interval_seconds", "1800x80"),
        ],
    ),
    Scenario(
        alert="AzureBackupDetailsPending",
        given=[vault("vault_details_pending", f"0x9 7x{DAY} 0x60")],
        fires=10 + 20 * 60,
        minutes=1800,
        ends=DAY + 11,
        labels=VAULT,
        summary="Details of 7 jobs of vault v1 have waited for a day",
        description="Azure's read limit leaves too few reads for the details (tasks, sizes) of the"
        " jobs of vault v1 (resource group rg1, subscription s1); their statuses are current all"
        " the same. Make refresh.interval longer, metrics.window shorter, or set"
        " metrics.job_series to running or none.",
        near=[vault("vault_details_pending", "50x1100 0 50x800")],
    ),
    Scenario(
        alert="AzureBackupReadBudgetSpent",
        given=[
            own(
                "azure_backup_exporter_api_reads_remaining",
                "100x10 3x300 150x30",
                **BUDGET,
            ),
            own("azure_backup_exporter_api_reads_limit", "150x340", **BUDGET),
            # The next region's is not.
            own("azure_backup_exporter_api_reads_remaining", "100x340", **OTHER_BUDGET),
            own("azure_backup_exporter_api_reads_limit", "150x340", **OTHER_BUDGET),
        ],
        fires=161,
        ends=312,
        labels={"job": VAULT["job"], **BUDGET},
        summary="Reads of backup jobs in subscription s1 are nearly used up",
        description="For hours no more than 3 reads were left in subscription s1, westeurope."
        " Others may read jobs there too. Make refresh.interval longer, or read fewer vaults.",
        near=[
            own(
                "azure_backup_exporter_api_reads_remaining",
                "3x20 20 3x20 20 3x20 20 3x20 20 3x20 20 3x20 20 3x20 20 3x20 20 3x20 20 3x20 20",
                subscription_id="s1",
                location="",
            ),
            own(
                "azure_backup_exporter_api_reads_limit",
                "150x210",
                subscription_id="s1",
                location="",
            ),
        ],
        minutes=210,
    ),
    Scenario(
        alert="AzureBackupExporterDown",
        given=[own("up", "1x9 0x20 1x20")],
        fires=15,
        ends=31,
        labels=EXPORTER,
        summary="The Azure Backup exporter i1 is down",
        description="Prometheus cannot scrape the exporter: no backup is watched, and alerts about"
        " items end though nothing is mended. Look whether it runs and whether its port can be"
        " reached.",
        near=[own("up", "1x9 0x4 1x50")],
    ),
    Scenario(
        alert="AzureBackupNoVaults",
        given=[
            own("up", "0x9 1x90"),
            vault("vault_refresh_interval_seconds", "_x70 300x30"),
        ],
        fires=40,
        ends=71,
        labels={"job": VAULT["job"]},
        summary="The Azure Backup exporter watches no vault.",
        description="Prometheus can scrape the exporter, job azure-backup-exporter, and there is no"
        " vault on its page: nothing is configured or found, so no backup is watched. Look at the"
        " search for vaults on its status page; without the role Backup Reader Azure shows none.",
        near=[
            # A shard without a vault, beside one that has them all.
            own("up", "1x60"),
            {**own("up", "1x60"), "series": 'up{job="azure-backup-exporter", instance="i2"}'},
            vault("vault_refresh_interval_seconds", "300x60"),
        ],
    ),
    Scenario(
        alert="AzureBackupDiscoveryFailed",
        given=[
            own("azure_backup_exporter_discovery_up", "1x9 0x45 1x20", **DISCOVERY),
        ],
        fires=40,
        ends=56,
        labels={**EXPORTER, **DISCOVERY},
        summary="New vaults below /subscriptions/s1 are not found",
        description="The exporter i1 cannot look for vaults below /subscriptions/s1 (source arm):"
        " those known before are read on, new ones are not watched, and after a restart none are."
        " Its log says why; most often the role Backup Reader is missing there.",
        near=[own("azure_backup_exporter_discovery_up", "1x9 0x25 1x60", **DISCOVERY)],
    ),
    Scenario(
        alert="AzureBackupPayloadErrors",
        given=[
            own("azure_backup_exporter_payload_errors_total", "_x9 7x200", **PAYLOAD),
        ],
        fires=24,
        ends=69,
        labels={"job": EXPORTER["job"], **PAYLOAD},
        summary="Azure's endTime cannot be read in backup_jobs_list",
        description="7 times within an hour the exporter could not read endTime in answers of"
        ' backup_jobs_list: what it would have said is missing, and with "job" a whole job.'
        " Please report it with a sanitised answer.",
        near=[own("azure_backup_exporter_payload_errors_total", "0x60", **PAYLOAD)],
    ),
    Scenario(
        alert="AzureBackupConfigReloadFailed",
        given=[
            own("azure_backup_exporter_config_last_reload_successful", "1x9 0x20 1x20"),
        ],
        fires=15,
        ends=31,
        labels=EXPORTER,
        summary="The Azure Backup exporter i1 goes on with its old configuration",
        description="The newest configuration could not be loaded, and a restart would fail. The"
        " exporter's log lists every mistake; check-config finds them beforehand.",
        near=[own("azure_backup_exporter_config_last_reload_successful", "1x60")],
    ),
]


def promtool(
    tests: list[dict[str, Any]],
    tmp_path: Path,
    *,
    alert: str,
    every: str = "1m",
    text: str | None = None,
) -> None:
    """Run tests of one alert; what promtool says is the message of a failure.

    Args:
        tests: As in promtool's files.
        tmp_path: For those files.
        alert: Which one, or several as a regular expression; empty for all.
        every: Between two evaluations.
        text: Other rules than those that are shipped.
    """
    rules = tmp_path / "rules.yaml"
    chosen = rules_of(alert, text or RULES.read_text(encoding="utf-8"))
    rules.write_text(yaml.safe_dump(chosen, allow_unicode=True), encoding="utf-8")
    path = tmp_path / "rules.test.yaml"
    content = {
        "rule_files": [str(rules)],
        "evaluation_interval": every,
        # Without it the order is any: an alert may see what was recorded a minute before.
        "group_eval_order": [group["name"] for group in chosen["groups"]],
        "tests": tests,
    }
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    ran = subprocess.run(  # noqa: S603 - promtool
        [installed("promtool"), "test", "rules", str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def rules_of(alert: str, text: str) -> dict[str, Any]:
    """The alert with all that is recorded: the others would be evaluated for days as well."""
    content = yaml.safe_load(text)
    groups = [
        {
            **group,
            "rules": [
                one
                for one in group["rules"]
                if "alert" not in one or re.fullmatch(alert or ".*", one["alert"])
            ],
        }
        for group in content["groups"]
    ]
    return {"groups": [group for group in groups if group["rules"]]}


def rule_test(given: list[Series], checks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": given,
        "alert_rule_test": checks,
    }


def dashboard_url(labels: Mapping[str, str]) -> str:
    """Where an alert with these labels leads to."""
    page = "item" if "item" in labels else "exporter"
    variables = {
        "job": "job",
        "subscription": "subscription_id",
        "vault": "vault",
        "item": "item",
        "container": "protection_container",
    }
    if "vault" not in labels:
        variables = {"job": "job"}
    chosen = {name: labels[label] for name, label in variables.items() if labels.get(label)}
    return f"http://localhost:3000/d/azure-backup-{page}?" + "&".join(
        f"var-{name}={quote_plus(value)}" for name, value in chosen.items()
    )


def told_of(name: str, minutes: Iterable[int], *, value: int | None) -> list[dict[str, Any]]:
    """That so many alerts of a name fire at these minutes; None for none at all."""
    samples = [] if value is None else [{"labels": "{}", "value": value}]
    firing = f'count(ALERTS{{alertname=~"{name}", alertstate="firing"}})'
    return [
        {"expr": firing, "eval_time": f"{minute}m", "exp_samples": samples} for minute in minutes
    ]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.alert)
def test_an_alert_fires_when_it_should_and_only_then(scenario: Scenario, tmp_path: Path) -> None:
    name = scenario.alert
    expected = {
        "exp_labels": {k: v for k, v in scenario.labels.items() if v}
        | {"severity": ALERTS[name]["labels"]["severity"]},
        "exp_annotations": {
            "summary": scenario.summary,
            "description": scenario.description,
            "runbook_url": f"docs/runbooks.md#{name.lower()}",
            "dashboard_url": dashboard_url(scenario.labels),
        },
    }

    def check(minute: int, *alerts: object) -> dict[str, Any]:
        return {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": list(alerts)}

    checks = [check(scenario.fires - 1), check(scenario.fires, expected)]
    if scenario.ends:
        checks.append(check(scenario.ends))
    assert scenario.near, "an alert without a near miss proves little"
    step = max(1, scenario.minutes // 60)
    quiet = [check(minute) for minute in range(0, scenario.minutes + 1, step)]

    promtool(
        [rule_test(scenario.given, checks), rule_test(scenario.near, quiet)], tmp_path, alert=name
    )


@pytest.mark.parametrize(
    ("alert", "severity", "hours"),
    [("AzureBackupMissed", "warning", 30), ("AzureBackupLate", "critical", 54)],
)
def test_a_limit_that_is_gone_for_some_scrapes_ends_nothing(
    alert: str, severity: str, hours: int, tmp_path: Path
) -> None:
    minutes = hours * 60
    given = [
        item("last_success_timestamp_seconds", f"0x{minutes + 120}"),
        {
            **may_be_old(0, 0, severity),
            "values": f"{minutes * 60}x{minutes + 29} stale _x9 {minutes * 60}x120",
        },
    ]
    checks = [
        *told_of(alert, [minutes, minutes + 4], value=None),
        *told_of(alert, range(minutes + 10, minutes + 60), value=1),
    ]
    test = {"interval": "1m", "input_series": given, "promql_expr_test": checks}
    promtool([test], tmp_path, alert=alert)


def test_every_alert_has_a_scenario() -> None:
    assert sorted(ALERTS) == sorted(scenario.alert for scenario in SCENARIOS)


LASTING = [
    scenario
    for scenario in SCENARIOS
    if scenario.alert
    in {
        "AzureBackupJobFailed",
        "AzureBackupTaskNotCompleted",
        "AzureBackupVaultForbidden",
        "AzureBackupVaultThrottled",
        "AzureBackupVaultGone",
        "AzureBackupVaultUnreadable",
        "AzureBackupVaultNeverRead",
        "AzureBackupDiscoveryFailed",
        "AzureBackupConfigReloadFailed",
    }
]


@pytest.mark.parametrize("scenario", LASTING, ids=lambda scenario: scenario.alert)
def test_a_failed_scrape_resolves_nothing(scenario: Scenario, tmp_path: Path) -> None:
    """Prometheus ends every series of a target that it cannot scrape."""
    failing = scenario.fires + 1
    test = rule_test(
        [{**each, "values": cut(each["values"], failing)} for each in scenario.given], []
    )
    told = f'count(ALERTS{{alertname="{scenario.alert}", alertstate="firing"}})'
    test["promql_expr_test"] = [
        {
            "expr": told,
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for minute in range(scenario.fires, scenario.fires + 10)
    ]

    promtool([test], tmp_path, alert=scenario.alert)


def cut(values: str, minute: int) -> str:
    """A series as it was, but for three scrapes that fail; constant from there."""
    samples: list[str] = []
    for part in values.split():
        value, _, times = part.partition("x")
        start, _, rise = value.partition("+")
        numbers = range(int(times or 0) + (not part.startswith("_") or not times))
        if value == "_":
            samples += ["_"] * len(numbers)
        else:
            samples += [str(float(start) + number * float(rise or 0)) for number in numbers]
    last = samples[minute - 1]
    return " ".join(samples[:minute]) + (f" stale _x2 {last}x20" if last != "_" else "")


@pytest.mark.parametrize(
    ("limit", "left", "spent"),
    [
        (450, 10, False),
        (450, 9, True),
        (80, 10, False),
        (80, 9, True),
        (40, 5, False),
        (40, 4, True),
        (9, 2, False),
        (9, 1, True),
        (8, 1, False),
        (8, 0, True),
        (1, 1, False),
        (1, 0, True),
    ],
)
def test_few_reads_are_few_of_what_there_are(
    limit: int, left: int, spent: bool, tmp_path: Path
) -> None:
    """Below a limit of ten any number was few: the alert fired for ever."""
    name = "AzureBackupReadBudgetSpent"
    given = [
        own("azure_backup_exporter_api_reads_remaining", f"{left}x200", **BUDGET),
        own("azure_backup_exporter_api_reads_limit", f"{limit}x200", **BUDGET),
    ]
    checks = told_of(name, [200], value=1 if spent else None)

    promtool(
        [{"interval": "1m", "input_series": given, "promql_expr_test": checks}],
        tmp_path,
        alert=name,
    )


JOB_ALERTS = [
    scenario
    for scenario in SCENARIOS
    if "last_job_error_info" in ALERTS[scenario.alert]["annotations"]["description"]
]
NASTY = 'a"b\\c {{ $value }} Ünï'


@pytest.mark.parametrize("scenario", JOB_ALERTS, ids=lambda scenario: scenario.alert)
def test_an_alert_says_the_error_of_its_job_and_is_one_alert(
    scenario: Scenario, tmp_path: Path
) -> None:
    """As many errors as there are, and of a pair of exporters each once; none of another item."""
    name = scenario.alert
    key = {label: scenario.labels.get(label, "") for label in ("job", *ItemKey._fields)}
    count = scenario.fires + 2
    errors = [
        series("azure_backup_last_job_error_info", f"1x{count}", {**key, **labels})
        for labels in (
            {"error_code": "400002", "error_title": ""},
            {"error_code": "400001", "error_title": NASTY},
            {"error_code": "400001", "error_title": NASTY, "pod": "b"},
            {"error_code": "4", "error_title": "Another's", "item": "vm9"},
        )
    ]
    expected = {
        "exp_labels": {k: v for k, v in scenario.labels.items() if v}
        | {"severity": ALERTS[name]["labels"]["severity"]},
        "exp_annotations": {
            "summary": scenario.summary,
            "description": f"{scenario.description} Error of its last job: 400001 {NASTY}. Error of"
            " its last job: 400002.",
            "runbook_url": f"docs/runbooks.md#{name.lower()}",
            "dashboard_url": dashboard_url(scenario.labels),
        },
    }
    check = {"eval_time": f"{scenario.fires}m", "alertname": name, "exp_alerts": [expected]}

    promtool([rule_test([*scenario.given, *errors], [check])], tmp_path, alert=name)


def test_names_with_any_character_are_asked_and_linked_as_they_are(tmp_path: Path) -> None:
    odd = {**ITEM, "item": NASTY, "protection_container": "a;b &c", "backup_type": "Full"}
    error = {**odd, "error_code": "", "error_title": "Titled"}
    given = [
        series("azure_backup_consecutive_failures", "3x20", odd),
        series("azure_backup_last_job_error_info", "1x20", error),
    ]
    expected = {
        "exp_labels": {**odd, "severity": "critical"},
        "exp_annotations": {
            "summary": f"3 backups in a row of {NASTY} in vault v1 failed",
            "description": f"Backup (Full) of {NASTY} ({WHERE}) has not succeeded in 3 runs."
            " Waiting does not help: mend the cause that the job names, or ask Azure support with"
            " the job's id. Error of its last job: Titled.",
            "runbook_url": "docs/runbooks.md#azurebackupfailsrepeatedly",
            "dashboard_url": dashboard_url(odd),
        },
    }
    name = "AzureBackupFailsRepeatedly"
    check = {"eval_time": "9m", "alertname": name, "exp_alerts": [expected]}

    promtool([rule_test(given, [check])], tmp_path, alert=name)


VAULT_ALERTS = {
    "AzureBackupVaultForbidden": ("forbidden", "unauthorized"),
    "AzureBackupVaultThrottled": ("throttled",),
    "AzureBackupVaultGone": ("not_found",),
    "AzureBackupVaultUnreadable": ("timeout", "network", "server", "payload"),
}


def test_every_reason_has_one_alert_that_holds_however_long_the_interval(tmp_path: Path) -> None:
    """An error counted once in half an hour must neither end it nor give it to another alert."""
    tests = []
    for name, kinds in VAULT_ALERTS.items():
        for kind in kinds:
            given = [
                vault("vault_up", "1x9 0x200"),
                *(
                    vault("vault_down", f"0x9 {int(one == kind)}x200", kind=one)
                    for one in ErrorKind
                ),
            ]
            checks = [
                *told_of(name, range(25, 205, 5), value=1),
                *told_of("AzureBackupVault.*", range(25, 205, 5), value=1),
                *told_of("AzureBackupVault.*", range(25), value=None),
            ]
            tests.append({"interval": "1m", "input_series": given, "promql_expr_test": checks})

    assert {kind for kinds in VAULT_ALERTS.values() for kind in kinds} == set(ErrorKind)
    promtool(tests, tmp_path, alert="AzureBackupVault.*")


@pytest.mark.parametrize("minutes", [5, 30, 60])
def test_a_reason_that_changes_leaves_no_gap(minutes: int, tmp_path: Path) -> None:
    """With a `for` of its own each cause would wait anew; with short turns none would be told."""
    turns = [["forbidden", "network", "not_found", "server"][turn % 4] for turn in range(24)]
    given = [
        vault("vault_up", "1x9 0x1500"),
        *(
            vault(
                "vault_down",
                " ".join(["0x9", *(f"{int(kind == one)}x{minutes - 1}" for one in turns)]),
                kind=kind,
            )
            for kind in ("forbidden", "network", "not_found", "server")
        ),
    ]
    end = 10 + 24 * minutes
    checks = told_of("AzureBackupVault.*", range(25, end, 5), value=1)

    test = {"interval": "1m", "input_series": given, "promql_expr_test": checks}
    promtool([test], tmp_path, alert="AzureBackupVault.*")


def test_an_exporter_that_says_no_reason_leaves_no_vault_unwatched(tmp_path: Path) -> None:
    checks = told_of("AzureBackupVaultUnreadable", range(25, 60), value=1)
    given = [vault("vault_up", "1x9 0x60")]

    test = {"interval": "1m", "input_series": given, "promql_expr_test": checks}
    promtool([test], tmp_path, alert="AzureBackupVault.*")


def test_without_any_target_the_exporter_counts_as_down(tmp_path: Path) -> None:
    [down] = [one for one in SCENARIOS if one.alert == "AzureBackupExporterDown"]
    expected = {
        "exp_labels": {"job": "azure-backup-exporter", "severity": "critical"},
        "exp_annotations": {
            "summary": "The Azure Backup exporter is down",
            "description": down.description,
            "runbook_url": "docs/runbooks.md#azurebackupexporterdown",
            "dashboard_url": dashboard_url({"job": VAULT["job"]}),
        },
    }
    checks: list[dict[str, Any]] = [
        {"eval_time": "4m", "alertname": "AzureBackupExporterDown"},
        {"eval_time": "5m", "alertname": "AzureBackupExporterDown", "exp_alerts": [expected]},
    ]
    promtool([rule_test([], checks)], tmp_path, alert=down.alert)
