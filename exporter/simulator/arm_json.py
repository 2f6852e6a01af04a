"""Jobs as Azure Resource Manager writes them, by api-version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exporter.simulator import ticks
from exporter.simulator.inventory import Workload
from exporter.simulator.lifecycle import observe, tasks
from exporter.simulator.property_bag import internal_property_bag, property_bag

if TYPE_CHECKING:
    from exporter.simulator.job import Job
    from exporter.simulator.lifecycle import Observation, Task
    from exporter.simulator.outcomes import ErrorDetail

Document = dict[str, Any]

# What is new in which api-version; their texts compare as dates do (F§1, F§4, F§6).
_NO_NULLS: Final = "2016-05-01"
_ISO_DURATIONS: Final = "2017-07-01"
_NO_SENTINEL_END: Final = "2016-06-01"
_LOWER_CASE_IDS: Final = "2021-01-01"
_ACTION_TEXTS: Final = "2023-02-01"
_USER_TRIGGERED: Final = "2019-06-15"
_TASK_TIMES: Final = "2022-02-01"
_TASK_TYPES: Final = "2024-01-01"

_NOT_YET: Final = "0001-01-01T00:00:00"
_DISK_GB: Final = 127
_WITHOUT_ACTIONS: Final = ("ConfigureBackup", "DisableBackup", "DeleteBackupData")


def job_head(job: Job, api_version: str) -> Document:
    """A job but for its ``properties``."""
    path = f"{job.vault.id}/backupJobs/{job.name}"
    if api_version < _LOWER_CASE_IDS:
        path = path.replace("/subscriptions/", "/Subscriptions/", 1)
    head: Document = {
        "id": path,
        "name": job.name,
        "type": "Microsoft.RecoveryServices/vaults/backupJobs",
    }
    return head if api_version >= _NO_NULLS else head | dict.fromkeys(("location", "tags", "eTag"))


def list_properties(job: Job, seen: Observation, api_version: str) -> Document:
    """The properties as lists have them: no extendedInfo, but error details (F§1.6)."""
    properties = _properties(job, seen, api_version)
    if api_version < _NO_NULLS:
        return {"errorDetails": None, "extendedInfo": None, **properties}
    return properties


def detail_document(job: Job, now: int, api_version: str) -> Document:
    """A job as its own address has it."""
    seen = observe(job, now)
    properties = list_properties(job, seen, api_version)
    properties["extendedInfo"] = _extended_info(job, seen, api_version)
    return {**job_head(job, api_version), "properties": properties}


def _properties(job: Job, seen: Observation, api_version: str) -> Document:
    properties: Document = {
        "jobType": job.item.job_type or job.item.workload.job_type,
        "duration": _duration(seen.elapsed, api_version),
        "entityFriendlyName": seen.entity_friendly_name,
        "backupManagementType": job.item.workload.backup_management_type,
        "operation": seen.operation,
        "status": seen.status,
        "startTime": ticks.instant_text(job.start),
        "activityId": job.activity_id,
        **_own_properties(job, seen, api_version),
    }
    if seen.end is not None:
        properties["endTime"] = ticks.instant_text(seen.end)
    elif api_version < _NO_SENTINEL_END:
        properties["endTime"] = "2001-01-01T00:00:00Z"
    if _cancellable(job, seen):
        properties["actionsInfo"] = ["Cancellable" if api_version >= _ACTION_TEXTS else 1]
    if seen.end is not None and job.outcome.error is not None:
        properties["errorDetails"] = [_error_detail(job.item.workload, job.outcome.error)]
    return properties


def _own_properties(job: Job, seen: Observation, api_version: str) -> Document:
    """What only jobs of this type have (F§5)."""
    own: Document = {}
    match job.item.workload:
        case Workload.VIRTUAL_MACHINE:
            own["virtualMachineVersion"] = "Compute"
            if api_version >= _ISO_DURATIONS:
                # Lower case, whatever the item's is.
                own["containerName"] = (
                    f"iaasvmcontainerv2;{job.item.container};{job.item.name}".lower()
                )
            return own
        case Workload.FILE_SHARE:
            own["storageAccountName"] = job.item.container
            own["storageAccountVersion"] = "MicrosoftStorage"
        case _ if seen.named:
            own["workloadType"] = job.item.workload.value
    if api_version >= _USER_TRIGGERED:
        own["isUserTriggered"] = (
            job.item.workload.is_database and job.schedule.operation != "Backup"
        )
    return own


def _cancellable(job: Job, seen: Observation) -> bool:
    """Azure offers it on finished jobs too, not on a share's backup nor at once (F§4)."""
    if job.schedule.operation in _WITHOUT_ACTIONS:
        return False
    return job.item.workload is not Workload.FILE_SHARE and not (
        seen.opening and job.item.workload is Workload.VIRTUAL_MACHINE
    )


def _error_detail(workload: Workload, error: ErrorDetail) -> Document:
    """Storage jobs have no title (F§8)."""
    document = {
        "errorCode": error.code,
        "errorString": error.text,
        "recommendations": list(error.recommendations),
    }
    return document if workload is Workload.FILE_SHARE else document | {"errorTitle": error.title}


def _extended_info(job: Job, seen: Observation, api_version: str) -> Document:
    extended: Document = {
        "tasksList": [_task(job, seen, task, api_version) for task in tasks(job, seen)],
        "propertyBag": property_bag(job, seen),
    }
    if job.item.workload is not Workload.VIRTUAL_MACHINE:
        return extended
    if api_version >= _ISO_DURATIONS:
        extended["internalPropertyBag"] = internal_property_bag(job, seen)
    if job.schedule.operation == "Restore":
        extended["progressPercentage"] = 100.0 * seen.progress
        remaining = job.end - job.start - seen.elapsed
        extended["estimatedRemainingDuration"] = _duration(remaining, api_version)
    return extended


def _task(job: Job, seen: Observation, task: Task, api_version: str) -> Document:
    document: Document = {"taskId": task.task_id, "status": task.status}
    if api_version >= _TASK_TYPES:
        document["taskType"] = "Normal"
    if job.item.workload is not Workload.VIRTUAL_MACHINE:
        return document
    # Half of the jobs tell their tasks' times; the others send zero durations (F§6).
    if api_version >= _TASK_TIMES and job.dice[9] % 2:
        times = (task.start, task.end)
        document["startTime"], document["endTime"] = (
            _NOT_YET if at is None else ticks.instant_text(at) for at in times
        )
        begun = job.start + seen.elapsed if task.start is None else task.start
        ended = job.start + seen.elapsed if task.end is None else task.end
        document["duration"] = _duration(ended - begun, api_version)
    else:
        document["duration"] = _duration(0, api_version)
    if task.task_id == "Transfer data from vault" and task.status != "NotStarted":
        document["taskExecutionDetails"] = _transfer_text(task, job.start + seen.elapsed)
    return document


def _transfer_text(task: Task, now: int) -> str:
    """How far a transfer is, as in ``115.13 GBs / 127 GBs Transferred`` (F§6)."""
    if task.end is not None or task.start is None:
        moved = f"{_DISK_GB}"
    else:
        # Ever slower, as its end is not known here.
        seconds = (now - task.start) / ticks.PER_SECOND
        moved = f"{_DISK_GB * (1 - 1 / (1 + seconds / 30)):.2f}"
    return f"{moved} GBs / {_DISK_GB} GBs Transferred"


def _duration(span: int, api_version: str) -> str:
    if api_version >= _ISO_DURATIONS:
        return ticks.iso_duration_text(span)
    return ticks.timespan_text(span)
