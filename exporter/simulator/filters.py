"""The ``$filter`` of job lists: ``eq`` and ``and`` only (F§3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from exporter.simulator import ticks

_STATUSES: Final = (
    "Invalid",
    "InProgress",
    "Completed",
    "Failed",
    "CompletedWithWarnings",
    "Cancelled",
    "Cancelling",
)
_OPERATIONS: Final = (
    "Invalid",
    "Register",
    "UnRegister",
    "ConfigureBackup",
    "Backup",
    "Restore",
    "DisableBackup",
    "DeleteBackupData",
    "CrossRegionRestore",
    "Undelete",
    "UpdateCustomerManagedKey",
)
_MANAGEMENT_TYPES: Final = (
    "Invalid",
    "AzureIaasVM",
    "MAB",
    "DPM",
    "AzureBackupServer",
    "AzureSql",
    "AzureStorage",
    "AzureWorkload",
    "DefaultBackup",
)
_CHOICES: Final = {
    "status": _STATUSES,
    # Empty means any operation.
    "operation": ("", *_OPERATIONS),
    "backupManagementType": _MANAGEMENT_TYPES,
}
_FIELDS: Final = (*_CHOICES, "startTime", "endTime", "jobId")

_CONDITION: Final = re.compile(r"(\w+) eq '([^']*)'")
_INSTANT: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) (AM|PM)")
_NOON: Final = 12

RULES: Final = (
    "The filter is not valid. It is a list of conditions joined by ' and '. Supported conditions:"
    f" status eq {{{', '.join(_STATUSES)}}};"
    f" backupManagementType eq {{{', '.join(_MANAGEMENT_TYPES)}}};"
    f" operation eq {{{', '.join(_OPERATIONS)}}};"
    " jobId eq {GUID};"
    " startTime eq {yyyy-MM-dd hh:mm:ss AM/PM}; endTime eq {yyyy-MM-dd hh:mm:ss AM/PM}."
    " Values stand in single quotes, times are UTC."
)


class FilterError(ValueError):
    """A filter that Azure refuses; the message says what it found and lists the rules."""

    def __init__(self, found: str) -> None:
        super().__init__(f"{RULES} Found: {found}")


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a filter asks for; empty and None mean any. Times bound the jobs' start, in ticks."""

    status: str = ""
    operation: str = ""
    backup_management_type: str = ""
    job_id: str = ""
    start: int | None = None
    end: int | None = None

    @property
    def any_job(self) -> bool:
        """Whether it asks for nothing but a time."""
        return not (self.status or self.operation or self.backup_management_type or self.job_id)

    def accept(self, *, status: str, operation: str, backup_management_type: str) -> bool:
        """Whether a job has what is asked for; its backup type is no part of the operation."""
        return (
            self.status in ("", status)
            and self.operation in ("", operation.partition(" (")[0])
            and self.backup_management_type in ("", backup_management_type)
        )


def parse_filter(text: str) -> Criteria:
    """Read a filter.

    Raises:
        FilterError: Azure would refuse it.
    """
    values: dict[str, str] = {}
    for condition in text.split(" and ") if text else ():
        match = _CONDITION.fullmatch(condition.strip())
        if match is None or match[1] not in _FIELDS or match[1] in values:
            raise FilterError(condition)
        field, value = match.groups()
        if field in _CHOICES and value not in _CHOICES[field]:
            raise FilterError(condition)
        values[field] = value
    return Criteria(
        status=values.get("status", ""),
        operation=values.get("operation", ""),
        backup_management_type=values.get("backupManagementType", ""),
        job_id=values.get("jobId", "").lower(),
        start=_instant(values["startTime"]) if "startTime" in values else None,
        end=_instant(values["endTime"]) if "endTime" in values else None,
    )


def _instant(text: str) -> int:
    """An instant on the 12-hour clock, in ticks. ``00:00:00 AM`` works as well (F§3)."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise FilterError(text)
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    half = match[7]
    if hour > _NOON or (hour == 0 and half == "PM"):
        raise FilterError(text)
    hour = hour % _NOON + (_NOON if half == "PM" else 0)
    try:
        return ticks.from_datetime(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
    except ValueError as error:
        raise FilterError(text) from error
