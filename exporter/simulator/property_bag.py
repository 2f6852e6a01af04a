"""The property bags of job details, with the keys of F§7 as Azure spells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.simulator import ticks
from exporter.simulator.inventory import Workload

if TYPE_CHECKING:
    from exporter.simulator.job import Job
    from exporter.simulator.lifecycle import Observation

Bag = dict[str, str]

_DAY: Final = 86_400 * ticks.PER_SECOND
_POLICY: Final = "NightlyPolicy"


def property_bag(job: Job, seen: Observation) -> Bag:
    """The bag of a job as seen at one moment."""
    match job.item.workload:
        case Workload.VIRTUAL_MACHINE:
            return _machine_bag(job, seen)
        case Workload.FILE_SHARE:
            return _share_bag(job, seen)
        case _:
            return _database_bag(job, seen)


def internal_property_bag(job: Job, seen: Observation) -> Bag:
    """The second bag, on virtual machines only (F§6)."""
    match job.schedule.operation:
        case "Backup":
            return {} if seen.opening else {"IsInstantRpJob": "True"}
        case "Restore":
            return {"restoreLocationType": "AlternateLocation"}
        case _:
            return {}


def _machine_bag(job: Job, seen: Observation) -> Bag:
    vm_name = {"VM Name": job.spelling}
    match job.schedule.operation:
        case "Backup":
            midnight = job.start // _DAY * _DAY
            bag = {
                **vm_name,
                "Recovery Point Expiry Time in UTC": ticks.american_text(midnight + 30 * _DAY),
            }
            # Only finished backups have a size, and those that failed or warn have none of it.
            if seen.end is not None:
                moved = job.size_mb if _transferred(job) else 0
                bag["Backup Size"] = f"{moved:.0f} MB"
            return bag
        case "Restore":
            return {
                "Job Type": "Recover VM to an alternate location",
                "Original VM Name": job.spelling,
                "Target VM Name": f"{job.spelling}-restored",
                "Target VNet Name": "vnet-restore",
                "Target Storage Account Name": "strestore",
                # The trailing space is Azure's.
                "Recovery point time ": _recovery_point(job),
                "Target resource group": job.item.container,
            }
        case "DeleteBackupData":
            return {**vm_name, "Number of Recovery Points": "5"}
        case _:
            return {**vm_name, "Policy Name": _POLICY}


def _share_bag(job: Job, seen: Observation) -> Bag:
    share, account = job.spelling, job.item.container
    match job.schedule.operation:
        case "Backup":
            return {
                "Data Transferred (in MB)": _transferred_mb(job, seen, ".2f"),
                "File Share Name": share,
                # The trailing dot is Azure's.
                "Whether job is adhoc or scheduled.": "False",
            }
        case "Restore":
            return {
                "Source File Share Name": share,
                "Source Storage Account Name": account,
                "Job Type": "Recovering to the original file share",
                "RestoreRecoveryPointTime": _recovery_point(job),
                "RestoreDestination": f"{account}/{share}/",
                "Data Transferred (in MB)": _transferred_mb(job, seen, ".0f"),
                "Number Of Restored Files": f"{seen.progress * 4000:.0f}",
                "Number Of Skipped Files": "0",
                "Number Of Failed Files": "0",
            }
        case _:
            return {
                "File Share Name": share,
                "Storage Account Name": account,
                "Policy Name": _POLICY,
            }


def _database_bag(job: Job, seen: Observation) -> Bag:
    """A running backup has an empty bag, and so has one that never got going (F§7)."""
    match job.schedule.operation:
        case "Backup":
            known = seen.named and seen.end is not None
            return {"Data Transferred (in MB)": _transferred_mb(job, seen, ".4f")} if known else {}
        case "Restore":
            bag = {
                "Job Type": "Recovery to an alternate database",
                "RestoreRecoveryPointTime": _recovery_point(job),
                "RestoreDestination": f"{job.item.container}/MSSQLSERVER/{job.spelling}",
            }
            if seen.end is not None:
                bag["Data Transferred (in MB)"] = _transferred_mb(job, seen, ".4f")
            return bag if seen.named else {}
        case "RestoreWithRehydrate":
            return {"Rehydration Priority": "High", "Rehydrated Recovery Point Retention": "P15D"}
        case _:
            # The name of the job says no server.
            machine = f"Compute;rg-databases;{job.item.container}"
            return {"Policy Name": _POLICY, "ContainerUniqueName": machine}


def _transferred(job: Job) -> bool:
    return job.outcome.tasks[-1] == "Completed"


def _transferred_mb(job: Job, seen: Observation, digits: str) -> str:
    """A number without unit; a share's job has it also while running (F§7)."""
    if seen.end is None or not _transferred(job):
        return "0"
    return f"{job.size_mb:{digits}}"


def _recovery_point(job: Job) -> str:
    return ticks.american_text(job.start - _DAY)
