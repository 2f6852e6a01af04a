"""Jobs for programs: as JSON, and as lines of tab-separated fields. The keys are a contract."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from exporter.cli.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from exporter.backup.job_filter import ListedJob

SCHEMA_VERSION: Final = 1

KEYS: Final = {
    "start_time": "when it started, UTC",
    "end_time": "when it ended, UTC; null while it runs",
    "status": "as Azure spells it",
    "operation": "without the backup type",
    "backup_type": "`Full` for `Backup (Full)`; often empty",
    "item": "friendly name of what is protected",
    "protection_container": "where it lives, lower case",
    "backup_management_type": "`AzureIaasVM`, `AzureStorage`, `AzureWorkload` or other",
    "vault": "name of the vault",
    "resource_group": "of the vault",
    "subscription_id": "of the vault, lower case",
    "duration_seconds": "as Azure measured it; so far while it runs",
    "job_id": "GUID, lower case: what `track --job` takes",
    "errors": "array of `{code, title}`; tab-separated: `code title`, joined by `; `",
    "backup_size_bytes": "with `--details`; MB = 2^20",
    "data_transferred_bytes": "with `--details`; MB = 2^20",
    "progress_ratio": "with `--details`; 0 to 1, restores of virtual machines only",
    "tasks": "with `--details`: array of `{name, status}`; tab-separated: `name: status`",
}
"""Each key with its meaning. What is not known is null, and empty between tabs."""


def record(listed: ListedJob) -> dict[str, Any]:
    """One job, with every key."""
    vault, job = listed
    detail = job.detail
    values = (
        _instant(job.start_time),
        _instant(job.end_time),
        job.status,
        job.operation,
        job.backup_type,
        job.item,
        job.protection_container,
        job.backup_management_type,
        vault.name,
        vault.resource_group,
        vault.subscription_id,
        job.duration_seconds,
        job.job_id,
        [error._asdict() for error in job.errors],
        detail and detail.backup_size_bytes,
        detail and detail.data_transferred_bytes,
        detail and detail.progress_ratio,
        detail and [{"name": task.name, "status": task.status} for task in detail.tasks],
    )
    return dict(zip(KEYS, values, strict=True))


def as_json(jobs: Iterable[ListedJob], problems: Iterable[str], read_at: datetime) -> str:
    """One document: jobs newest first, and why some may be missing."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "read_at": _instant(read_at),
        "jobs": [record(job) for job in jobs],
        "problems": list(problems),
    }
    return json.dumps(document, indent=2)


def heading() -> str:
    """The names of the fields of ``line``."""
    return "\t".join(KEYS)


def line(listed: ListedJob) -> str:
    """One job, its fields between tabs."""
    return "\t".join(safe(_flat(value)) for value in record(listed).values())


def _flat(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        if value and "code" in value[0]:
            return "; ".join(f"{one['code']} {one['title']}".strip() for one in value)
        return "; ".join(f"{one['name']}: {one['status']}" for one in value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _instant(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
