"""One job as a person follows it: with messages and advice, and jobs of Backup vaults, too."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from exporter.backup.fields import Fields, clean, quote
from exporter.backup.formats import parse_timespan, parse_timestamp
from exporter.backup.model import BackupJob, JobDetail, JobError, Task
from exporter.backup.parse import parse_job_detail
from exporter.errors import PayloadError

_BACKUP_VAULT: Final = "microsoft.dataprotection/"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFault:
    """Why a job failed, or has warnings.

    Attributes:
        code: Azure's.
        message: For people.
        advice: What Azure recommends.
    """

    code: str
    message: str
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedJob:
    """A job with what only a person wants to know.

    Attributes:
        job: The job, with its detail.
        faults: Its errors.
        notes: By step: what a task says of itself, e.g. "115.13 GBs / 127 GBs Transferred".
    """

    job: BackupJob
    faults: tuple[JobFault, ...] = ()
    notes: dict[int, str]


def parse_tracked(body: object) -> TrackedJob:
    """Read an answer of ``GET .../backupJobs/{job}`` of either kind of vault.

    Raises:
        PayloadError: The body is no job.
    """
    problems: Counter[str] = Counter()
    if not isinstance(body, dict):
        raise PayloadError(f"not a job object: {quote(body)}")
    kind, properties = str(body.get("type")).lower(), body.get("properties")
    if kind.startswith(_BACKUP_VAULT) and isinstance(properties, dict):
        job = _backup_vault_job(clean(str(body.get("name"))).lower(), Fields(properties, problems))
    else:
        job = parse_job_detail(body, problems)
    values = properties if isinstance(properties, dict) else {}
    extended = values.get("extendedInfo")
    tasks = extended.get("tasksList") if isinstance(extended, dict) else None
    return TrackedJob(job=job, faults=_faults(values.get("errorDetails")), notes=_notes(tasks))


def _backup_vault_job(name: str, job: Fields) -> BackupJob:
    """A job of ``Microsoft.DataProtection`` (FACTS 14)."""
    extended = job.child("extendedInfo")
    moved = extended.number("dataTransferredInBytes")
    if moved is None:
        moved = extended.number("dataTransferedInBytes")  # one r in older answers
    tasks = tuple(
        Task(
            name=task.text("taskName"),
            status=task.text("taskStatus"),
            step=step,
            duration_seconds=None,
        )
        for step, task in extended.objects("subTasks")
    )
    duration = job.read("duration", parse_timespan)
    return BackupJob(
        job_id=name,
        job_type="",
        backup_management_type="",
        item=job.text("backupInstanceFriendlyName"),
        protection_container="",
        operation=job.text("operation"),
        backup_type="",
        status=job.text("status"),
        workload_type=job.text("dataSourceType"),
        activity_id=job.unique("activityID"),
        start_time=job.read("startTime", parse_timestamp),
        end_time=job.read("endTime", parse_timestamp),
        duration_seconds=None if duration is None else max(duration, 0.0),
        errors=tuple(
            JobError(code=e.code("code"), title="") for _, e in job.objects("errorDetails")
        ),
        detail=JobDetail(
            tasks=tasks,
            # One r in older answers.
            data_transferred_bytes=extended.number("dataTransferedInBytes")
            if moved is None
            else moved,
        ),
    )


def _faults(errors: object) -> tuple[JobFault, ...]:
    """Recovery Services and Backup vaults name the same things differently (FACTS 8, 14)."""
    found = []
    for error in errors if isinstance(errors, list) else ():
        if not isinstance(error, dict):
            continue
        advice = error.get("recommendations") or error.get("recommendedAction")
        tips = advice if isinstance(advice, list) else [advice]
        title = error.get("errorTitle")
        message = error.get("errorString") or error.get("message") or ""
        found.append(
            JobFault(
                code=clean(str(error.get("errorCode") or error.get("code") or "")),
                message=clean(f"{title}: {message}" if title else str(message)),
                advice=tuple(
                    clean(tip).strip() for tip in tips if isinstance(tip, str) and tip.strip()
                ),
            )
        )
    return tuple(found)


def _notes(tasks: object) -> dict[int, str]:
    notes = {}
    for step, task in enumerate(tasks if isinstance(tasks, list) else (), 1):
        text = task.get("taskExecutionDetails") if isinstance(task, dict) else None
        if isinstance(text, str) and text.strip():
            notes[step] = clean(text)
    return notes
