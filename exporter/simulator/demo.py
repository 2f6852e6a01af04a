"""A small company's backups, with every situation worth watching."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.simulator import outcomes
from exporter.simulator.clock import Timescale, system_clock
from exporter.simulator.demo_items import (
    HISTORY,
    database,
    log,
    machine,
    minutes,
    schedule,
    share,
)
from exporter.simulator.fleet import Fleet
from exporter.simulator.inventory import ProtectedItem, Vault, Workload
from exporter.simulator.outcomes import COMPLETED
from exporter.simulator.schedule import DAY

if TYPE_CHECKING:
    from datetime import datetime

_PRODUCTION: Final = "5f2c1f0e-8a63-4d0b-9c57-1d6a0e3b7f21"
_DATA: Final = "c8b7a3d4-2e19-4f6a-8d05-7be1490c5a36"


def demo_fleet(*, seed: int = 1, speed: float = 1.0, anchor: datetime | None = None) -> Fleet:
    """Make the fleet of the demo: 3 vaults, 24 items, 5 days of history.

    Its subscriptions are in the management group ``mg-demo``.

    At the anchor some jobs run already, and others start, progress and end all the time.

    Args:
        seed: What chance depends on.
        speed: Schedule seconds per second; at 120 a night is 12 minutes, a job of 40 minutes
            20 seconds. Schedules start at the anchor, whatever the time of day.
        anchor: The present if None.
    """
    vaults = (
        Vault(
            subscription_id=_PRODUCTION,
            resource_group="rg-backup-prod",
            name="rsv-prod-weu",
            location="westeurope",
            items=(*_machines(), *_long_backup()),
            tags={"environment": "production", "team": "platform", "cost-center": "4711"},
            cross_region_restore=True,
        ),
        Vault(
            subscription_id=_PRODUCTION,
            resource_group="rg-backup-branch",
            name="rsv-branch-neu",
            location="northeurope",
            items=(*_branch_machines(), *_shares()),
            tags={"environment": "branch", "team": "field-it"},
            sku="Standard",
            redundancy="LocallyRedundant",
        ),
        Vault(
            subscription_id=_DATA,
            resource_group="rg-backup-data",
            name="rsv-data-weu",
            location="westeurope",
            items=(*_sql_databases(), *_hana_databases()),
            redundancy="ZoneRedundant",
        ),
    )
    timescale = Timescale(anchor or system_clock(), speed)
    return Fleet(
        vaults,
        timescale,
        seed=seed,
        retention=HISTORY,
        management_groups={"mg-demo": (_PRODUCTION, _DATA)},
    )


def _machines() -> tuple[ProtectedItem, ...]:
    # Four nights in a row before the anchor, one good one, and four bad ones again.
    bad_nights = (COMPLETED, *[outcomes.SNAPSHOT_FAILED] * 4)
    return (
        machine("web-01", schedule("Backup", -12, 40), size_mb=7200),
        machine(
            "web-02",
            schedule("Backup", 20, 42),
            schedule("Restore", -60, 240, every=minutes(600)),
            size_mb=7400,
        ),
        machine("app-01", schedule("Backup", 45, 55), size_mb=11_800, job_type="AzureIaaSVMJobV2"),
        machine("app-02", schedule("Backup", 90, 50, outcomes.TRANSFER_FAILED), size_mb=9600),
        machine(
            "build-01",
            schedule("Backup", 140, 35, COMPLETED, outcomes.TRANSFER_CANCELLED),
            size_mb=15_000,
        ),
        machine("mail-01", schedule("Backup", 200, 45, *bad_nights), size_mb=21_000),
        machine(
            "jump-01",
            schedule("Backup", -26, 45, outcomes.CANCELLED, COMPLETED, COMPLETED),
            size_mb=1200,
        ),
        machine(
            "print-01",
            schedule("Backup", 280, 25),
            spellings=("print-01", "PRINT-01"),
            size_mb=900,
        ),
        machine("dc-01", schedule("Backup", 330, 30, outcomes.NOT_TRANSFERRED), size_mb=2500),
    )


def _long_backup() -> tuple[ProtectedItem, ...]:
    """A backup that takes hours, and a second one that someone starts meanwhile."""
    return (
        machine(
            "erp-db-01",
            schedule("Backup", -100, 300),
            schedule("Backup", 5, 1, outcomes.BACKUP_IN_PROGRESS),
            group="rg-erp",
            size_mb=320_000,
        ),
    )


def _branch_machines() -> tuple[ProtectedItem, ...]:
    """Some go through the life of a protection: configured, stopped, deleted."""
    return (
        machine("branch-01", schedule("Backup", -5, 30), group="rg-branch", size_mb=3300),
        machine(
            "branch-02",
            schedule("Backup", 60, 38, outcomes.TRANSFER_SKIPPED, COMPLETED),
            group="rg-branch",
            size_mb=3600,
            transfer_task="Transfer Data to Vault",
        ),
        machine(
            "branch-03",
            schedule("Backup", 130, 33, outcomes.TRANSFER_ABSENT),
            group="rg-branch",
            size_mb=2900,
        ),
        machine(
            "branch-old",
            schedule("ConfigureBackup", -1300, 1, every=2 * DAY),
            schedule("DisableBackup", -400, 1, every=2 * DAY),
            schedule("DeleteBackupData", -380, 3, every=2 * DAY),
            group="rg-branch",
        ),
        machine(
            "branch-app",
            schedule("Backup", 250, 36),
            schedule("Restore", 10, 150, COMPLETED, outcomes.RESTORE_FAILED, every=minutes(360)),
            group="rg-branch",
            size_mb=5100,
        ),
    )


def _shares() -> tuple[ProtectedItem, ...]:
    return (
        share("projects", schedule("Backup", 15, 35), size_mb=1800, vaulted=True),
        share(
            "home",
            schedule("Backup", -3, 6, every=minutes(240)),
            schedule("Restore", 35, 20, every=minutes(720)),
            size_mb=240,
            vaulted=False,
        ),
        share(
            "scans",
            schedule("Backup", 170, 10, COMPLETED, COMPLETED, outcomes.SHARE_NOT_FOUND),
            schedule("ConfigureBackup", -1000, 1, every=4 * DAY),
            size_mb=60,
            vaulted=False,
        ),
    )


def _sql_databases() -> tuple[ProtectedItem, ...]:
    sql = Workload.SQL_DATABASE
    return (
        database(
            sql,
            "orders",
            "sql-01",
            schedule("Backup", 30, 50, backup_type="Full"),
            schedule("Backup", 750, 15, backup_type="Differential"),
            log(3, 30),
            size_mb=42_000,
        ),
        database(
            sql,
            "msdb",
            "sql-01",
            # Every other night it fails before Azure knows its type, and stays `Backup` of `msdb`.
            schedule(
                "Backup", 65, 12, COMPLETED, outcomes.DATABASE_UNREACHABLE, backup_type="Full"
            ),
            size_mb=38,
        ),
        database(
            sql,
            "staging",
            "sql-02",
            # Nobody gave the backup service its rights: no backup has ever been good.
            schedule("Backup", 95, 2, outcomes.DATABASE_UNREACHABLE, backup_type="Full"),
            size_mb=900,
        ),
        database(
            sql,
            "crm",
            "sql-02",
            schedule(
                "Backup", -8, 45, COMPLETED, outcomes.DATABASE_TRANSFER_FAILED, backup_type="Full"
            ),
            schedule("Restore", 85, 60, backup_type="Full", every=minutes(960)),
            size_mb=17_500,
        ),
        database(
            sql,
            "archive",
            "sql-02",
            schedule("Backup", 400, 70, backup_type="Full"),
            schedule("RestoreWithRehydrate", -90, 400, every=2 * DAY),
            size_mb=64_000,
        ),
    )


def _hana_databases() -> tuple[ProtectedItem, ...]:
    hana = Workload.HANA_DATABASE
    return (
        database(
            hana,
            "SYSTEMDB",
            "hana-01",
            schedule("Backup", 8, 20, backup_type="Full"),
            schedule("ConfigureBackup", -700, 1, every=4 * DAY),
            size_mb=1520,
        ),
        database(
            hana,
            "PRD",
            "hana-01",
            schedule("Backup", 110, 65, backup_type="Full"),
            log(11, 20),
            size_mb=88_000,
        ),
    )
