"""ARM JSON to model: the only place that knows the field names of a backup job."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from msgspec import structs

from exporter.backup.fields import Fields, clean, quote
from exporter.backup.formats import parse_size, parse_timespan, parse_timestamp
from exporter.backup.model import RUNNING_STATUSES, BackupJob, JobDetail, JobError, Task
from exporter.errors import PayloadError

TASK_SPELLINGS: Final = {
    name.lower(): name
    for name in (
        "Take Snapshot",
        "Transfer data to vault",
        "Transfer data from vault",
        "Create the restored virtual machine",
        "Update the virtual machine",
        "Rehydrate from Archive storage",
    )
}
"""The newer spelling of each task seen; ``Transfer Data to Vault`` was used in 2019 (FACTS 6)."""


_AHEAD: Final = timedelta(hours=1)
_LONGEST_SECONDS: Final = timedelta(days=36500).total_seconds()


@dataclass(slots=True)
class JobPage:
    """One page of a job list.

    Attributes:
        jobs: The jobs that could be read, in Azure's order.
        problems: Fields that could not be read, by Azure's name; ``job`` for a job left out.
        next_link: URL of the next page; None on the last one.
    """

    jobs: list[BackupJob] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)
    next_link: str | None = None


def parse_job_page(body: object) -> JobPage:
    """Read an answer of ``GET .../backupJobs``.

    A job that cannot be read is left out and counted; it never costs the list.

    Raises:
        PayloadError: The body is no list of jobs at all.
    """
    if not isinstance(body, dict) or not isinstance(body.get("value"), list):
        raise PayloadError(f"not a job list, no array 'value': {quote(body)}")
    next_link = body.get("nextLink") or None
    if next_link is not None and not isinstance(next_link, str):
        raise PayloadError(f"nextLink is not a URL: {quote(next_link)}")
    page = JobPage(next_link=next_link)
    for payload in body["value"]:
        try:
            page.jobs.append(parse_job(payload, page.problems))
        except PayloadError:
            page.problems["job"] += 1
    return page


def parse_job_detail(body: object, problems: Counter[str]) -> BackupJob:
    """Read an answer of ``GET .../backupJobs/{job}``; ``detail`` is set even if Azure sent none.

    Raises:
        PayloadError: The body is no job.
    """
    return parse_job(body, problems, with_detail=True)


def parse_job(payload: object, problems: Counter[str], *, with_detail: bool = False) -> BackupJob:
    """Read one job object, as it stands in lists and details.

    Args:
        payload: The decoded JSON object.
        problems: Counts the fields that are there but cannot be read; those stay empty.
        with_detail: Whether it is a detail in any case. An entry of a list or a row is one if it
            brings tasks or sizes; ARM's lists have been seen without them only (FACTS 1.6).

    Raises:
        PayloadError: There is no name or no ``properties``: nothing to hang a series on.
    """
    if not isinstance(payload, dict):
        raise PayloadError(f"not a job object: {quote(payload)}")
    name, properties = payload.get("name"), payload.get("properties")
    if not isinstance(name, str) or not name.strip():
        raise PayloadError(f"a job without a name: {quote(payload)}")
    if not isinstance(properties, dict):
        raise PayloadError(f"job {quote(name)} has no properties")

    job = Fields(properties, problems)
    item, host = _split_host(job.text("entityFriendlyName"))
    operation, backup_type = _split_operation(job.text("operation"))
    container = (
        job.text("containerName")
        or job.text("storageAccountName")
        or job.text("mabServerName")
        or job.text("dpmServerName")
        or host
    )
    duration = job.read("duration", parse_timespan)
    status = job.text("status")
    end_time = job.read("endTime", parse_timestamp)
    return BackupJob(
        job_id=clean(name).lower(),
        job_type=job.text("jobType"),
        backup_management_type=job.text("backupManagementType"),
        item=sys.intern(item),
        protection_container=sys.intern(container.lower()),
        operation=sys.intern(operation),
        backup_type=sys.intern(backup_type),
        status=status,
        workload_type=job.text("workloadType"),
        activity_id=job.unique("activityId"),
        start_time=job.read("startTime", parse_timestamp),
        end_time=None if status in RUNNING_STATUSES else end_time,
        # A job that runs can lie ahead of the server's clock (FACTS 1.2).
        duration_seconds=None if duration is None else max(duration, 0.0),
        errors=_parse_errors(job),
        detail=_parse_detail(job) if with_detail or _brings_detail(properties) else None,
    )


def without_future(job: BackupJob, now: datetime, problems: Counter[str]) -> BackupJob:
    """The job without what would only be true later: such an instant is unknown, and counted.

    An end in 2099 would hide every later failure, and never age.

    Args:
        job: As Azure sent it.
        now: By Azure's clock; some of its servers are ahead of others (FACTS 1.2).
        problems: Counts what was taken out, by Azure's name.
    """
    latest = now + _AHEAD
    start, end, took = job.start_time, job.end_time, job.duration_seconds
    if start and start > latest:
        problems["startTime"] += 1
        start = None
    if end and end > latest:
        problems["endTime"] += 1
        end = None
    if took and start and start > latest - timedelta(seconds=min(took, _LONGEST_SECONDS)):
        problems["duration"] += 1
        took = None
    if (start, end, took) == (job.start_time, job.end_time, job.duration_seconds):
        return job
    return structs.replace(job, start_time=start, end_time=end, duration_seconds=took)


def _brings_detail(properties: dict[str, Any]) -> bool:
    extended = properties.get("extendedInfo")
    return isinstance(extended, dict) and any(map(extended.get, ("tasksList", "propertyBag")))


def _parse_detail(job: Fields) -> JobDetail:
    extended = job.child("extendedInfo")
    # Keys differ in case and one ends with a space (FACTS 7).
    bag = extended.child("propertyBag", folded=True)
    percentage = extended.number("progressPercentage")
    if percentage is not None and not 0 <= percentage <= 100:  # noqa: PLR2004 - it is a percentage
        extended.fault("progressPercentage")
        percentage = None
    remaining = extended.read("estimatedRemainingDuration", parse_timespan)
    return JobDetail(
        tasks=_parse_tasks(extended),
        backup_size_bytes=bag.read("Backup Size", parse_size),
        data_transferred_bytes=bag.read(
            "Data Transferred (in MB)", partial(parse_size, default_unit="MB")
        ),
        progress_ratio=None if percentage is None else percentage / 100,
        estimated_remaining_seconds=None if remaining is None else max(remaining, 0.0),
        machine=sys.intern(bag.text("ContainerUniqueName").rpartition(";")[2].strip().lower()),
    )


def _parse_tasks(extended: Fields) -> tuple[Task, ...]:
    tasks = []
    for step, task in extended.objects("tasksList"):
        name = task.text("taskId")
        tasks.append(
            Task(
                name=sys.intern(TASK_SPELLINGS.get(name.lower(), name)),
                status=task.text("status"),
                step=step,
                duration_seconds=_task_duration(task),
            )
        )
    return tuple(tasks)


def _task_duration(task: Fields) -> float | None:
    """End minus start where Azure sends both, else ``duration``; None for zero (FACTS 6)."""
    start, end = task.read("startTime", parse_timestamp), task.read("endTime", parse_timestamp)
    duration = task.read("duration", parse_timespan)
    if start is not None and end is not None and end > start:
        duration = (end - start).total_seconds()
    return duration if duration is not None and duration > 0 else None


def _parse_errors(job: Fields) -> tuple[JobError, ...]:
    errors = []
    for _, error in job.objects("errorDetails"):
        errors.append(JobError(code=error.code("errorCode"), title=error.text("errorTitle")))
    return tuple(dict.fromkeys(errors))


def _split_host(friendly_name: str) -> tuple[str, str]:
    """``msdb [host]`` to item and host; the host is empty when the name shows none (FACTS 4)."""
    item, bracket, host = friendly_name.rpartition(" [")
    if not bracket or not host.endswith("]") or not item.strip():
        return friendly_name, ""
    return item.rstrip(), host[:-1]


def _split_operation(operation: str) -> tuple[str, str]:
    """``Backup (Full)`` to operation and backup type; cut at `` (`` (FACTS 6)."""
    name, parenthesis, rest = operation.partition(" (")
    if not parenthesis or not rest.endswith(")"):
        return operation, ""
    backup_type = rest[:-1]
    return name, "" if backup_type == "Invalid" else backup_type
