"""A small company's backups, with every situation worth watching."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from exporter.simulator import outcomes
from exporter.simulator.clock import Timescale, system_clock
from exporter.simulator.fleet import Fleet
from exporter.simulator.inventory import ProtectedItem, Vault, Workload
from exporter.simulator.outcomes import COMPLETED, Outcome
from exporter.simulator.schedule import DAY, Schedule

_HISTORY_DAYS: Final = 5
_PRODUCTION: Final = "5f2c1f0e-8a63-4d0b-9c57-1d6a0e3b7f21"
_DATA: Final = "c8b7a3d4-2e19-4f6a-8d05-7be1490c5a36"


def demo_fleet(*, seed: int = 1, speed: float = 1.0, anchor: datetime | None = None) -> Fleet:
    """Make the fleet of the demo: 3 vaults, 22 items, 5 days of history.

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
        ),
        Vault(
            subscription_id=_PRODUCTION,
            resource_group="rg-backup-branch",
            name="rsv-branch-neu",
            location="northeurope",
            items=(*_branch_machines(), *_shares()),
        ),
        Vault(
            subscription_id=_DATA,
            resource_group="rg-backup-data",
            name="rsv-data-weu",
            location="westeurope",
            items=(*_sql_databases(), *_hana_databases()),
        ),
    )
    timescale = Timescale(anchor or system_clock(), speed)
    return Fleet(vaults, timescale, seed=seed, retention=_HISTORY_DAYS * DAY)


def _minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def _schedule(
    operation: str,
    at: float,
    takes: float,
    *ends: Outcome,
    every: timedelta = DAY,
    backup_type: str = "",
    history: timedelta = _HISTORY_DAYS * DAY,
) -> Schedule:
    """A schedule whose slot 0 starts so many minutes after the anchor, or before it."""
    return Schedule(
        operation=operation,
        backup_type=backup_type,
        every=every,
        offset=_minutes(at),
        takes=_minutes(takes),
        outcomes=ends or (COMPLETED,),
        first_slot=-(history // every),
    )


def _machine(
    name: str,
    *schedules: Schedule,
    group: str = "rg-app",
    size_mb: int = 6000,
    transfer_task: str = "Transfer data to vault",
    job_type: str = "",
    spellings: tuple[str, ...] = (),
) -> ProtectedItem:
    return ProtectedItem(
        workload=Workload.VIRTUAL_MACHINE,
        container=group,
        spellings=spellings or (name,),
        schedules=schedules,
        size_mb=size_mb,
        transfer_task=transfer_task,
        job_type=job_type,
    )


def _machines() -> tuple[ProtectedItem, ...]:
    bad_nights = (*[outcomes.SNAPSHOT_FAILED] * 4, COMPLETED)
    return (
        _machine("web-01", _schedule("Backup", -12, 40), size_mb=7200),
        _machine(
            "web-02",
            _schedule("Backup", 20, 42),
            _schedule("Restore", -60, 240, every=_minutes(600)),
            size_mb=7400,
        ),
        _machine(
            "app-01", _schedule("Backup", 45, 55), size_mb=11_800, job_type="AzureIaaSVMJobV2"
        ),
        _machine("app-02", _schedule("Backup", 90, 50, outcomes.TRANSFER_FAILED), size_mb=9600),
        _machine(
            "build-01",
            _schedule("Backup", 140, 35, COMPLETED, outcomes.TRANSFER_CANCELLED),
            size_mb=15_000,
        ),
        # Slots -4 to -1 failed, and so will slot 1 to 4.
        _machine(
            "mail-01", _schedule("Backup", 200, 45, COMPLETED, *bad_nights[:4]), size_mb=21_000
        ),
        _machine(
            "jump-01",
            _schedule("Backup", -26, 45, outcomes.CANCELLED, COMPLETED, COMPLETED),
            size_mb=1200,
        ),
        _machine(
            "print-01",
            _schedule("Backup", 280, 25),
            spellings=("print-01", "PRINT-01"),
            size_mb=900,
        ),
        _machine("dc-01", _schedule("Backup", 330, 30, outcomes.NOT_TRANSFERRED), size_mb=2500),
    )


def _long_backup() -> tuple[ProtectedItem, ...]:
    """A backup that takes hours, and a second one that someone starts meanwhile."""
    return (
        _machine(
            "erp-db-01",
            _schedule("Backup", -100, 300),
            _schedule("Backup", 5, 1, outcomes.BACKUP_IN_PROGRESS),
            group="rg-erp",
            size_mb=320_000,
        ),
    )


def _branch_machines() -> tuple[ProtectedItem, ...]:
    """Some go through the life of a protection: configured, stopped, deleted."""
    return (
        _machine("branch-01", _schedule("Backup", -5, 30), group="rg-branch", size_mb=3300),
        _machine(
            "branch-02",
            _schedule("Backup", 60, 38, outcomes.TRANSFER_SKIPPED, COMPLETED),
            group="rg-branch",
            size_mb=3600,
            transfer_task="Transfer Data to Vault",
        ),
        _machine(
            "branch-03",
            _schedule("Backup", 130, 33, outcomes.TRANSFER_ABSENT),
            group="rg-branch",
            size_mb=2900,
        ),
        _machine(
            "branch-old",
            _schedule("ConfigureBackup", -1300, 1, every=2 * DAY),
            _schedule("DisableBackup", -400, 1, every=2 * DAY),
            _schedule("DeleteBackupData", -380, 3, every=2 * DAY),
            group="rg-branch",
        ),
        _machine(
            "branch-app",
            _schedule("Backup", 250, 36),
            _schedule("Restore", 10, 150, COMPLETED, outcomes.RESTORE_FAILED, every=_minutes(360)),
            group="rg-branch",
            size_mb=5100,
        ),
    )


def _share(name: str, *schedules: Schedule, size_mb: int, vaulted: bool) -> ProtectedItem:
    return ProtectedItem(
        workload=Workload.FILE_SHARE,
        container="stcompanyfiles",
        spellings=(name,),
        schedules=schedules,
        size_mb=size_mb,
        transfer_task="Transfer data to vault" if vaulted else "",
    )


def _shares() -> tuple[ProtectedItem, ...]:
    return (
        _share("projects", _schedule("Backup", 15, 35), size_mb=1800, vaulted=True),
        _share(
            "home",
            _schedule("Backup", -3, 6, every=_minutes(240)),
            _schedule("Restore", 35, 20, every=_minutes(720)),
            size_mb=240,
            vaulted=False,
        ),
    )


def _database(
    workload: Workload, name: str, host: str, *schedules: Schedule, size_mb: int
) -> ProtectedItem:
    return ProtectedItem(
        workload=workload, container=host, spellings=(name,), schedules=schedules, size_mb=size_mb
    )


def _log(at: float, every: float) -> Schedule:
    """Log backups are many; half a day of them is history enough."""
    return _schedule("Backup", at, 4, every=_minutes(every), backup_type="Log", history=DAY / 2)


def _sql_databases() -> tuple[ProtectedItem, ...]:
    sql = Workload.SQL_DATABASE
    return (
        _database(
            sql,
            "orders",
            "sql-01",
            _schedule("Backup", 30, 50, backup_type="Full"),
            _schedule("Backup", 750, 15, backup_type="Differential"),
            _log(3, 30),
            size_mb=42_000,
        ),
        _database(
            sql,
            "msdb",
            "sql-01",
            # Every other night it fails before Azure knows its type, and stays `Backup` of `msdb`.
            _schedule(
                "Backup", 65, 12, COMPLETED, outcomes.DATABASE_UNREACHABLE, backup_type="Full"
            ),
            size_mb=38,
        ),
        _database(
            sql,
            "crm",
            "sql-02",
            _schedule(
                "Backup", -8, 45, COMPLETED, outcomes.DATABASE_TRANSFER_FAILED, backup_type="Full"
            ),
            _schedule("Restore", 85, 60, backup_type="Full", every=_minutes(960)),
            size_mb=17_500,
        ),
        _database(
            sql,
            "archive",
            "sql-02",
            _schedule("Backup", 400, 70, backup_type="Full"),
            _schedule("RestoreWithRehydrate", -90, 400, every=2 * DAY),
            size_mb=64_000,
        ),
    )


def _hana_databases() -> tuple[ProtectedItem, ...]:
    hana = Workload.HANA_DATABASE
    return (
        _database(
            hana,
            "SYSTEMDB",
            "hana-01",
            _schedule("Backup", 8, 20, backup_type="Full"),
            _schedule("ConfigureBackup", -700, 1, every=4 * DAY),
            size_mb=1520,
        ),
        _database(
            hana,
            "PRD",
            "hana-01",
            _schedule("Backup", 110, 65, backup_type="Full"),
            _log(11, 20),
            size_mb=88_000,
        ),
    )
