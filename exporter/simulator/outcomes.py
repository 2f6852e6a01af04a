"""How jobs end, and the error details they carry then.

Error codes and titles are those of F§8; the sentences are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """One element of errorDetails."""

    code: int
    title: str
    text: str
    recommendations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job ends.

    Attributes:
        tasks: The last status of each task; the last one holds for all that follow. None: the
            task is not in the list at all.
        lasts: Share of the usual duration.
        named: Whether a database's job ever learns its backup type and host (F§1.3).
        cancelled: Whether it passes through Cancelling before.
    """

    status: str
    tasks: tuple[str | None, ...]
    error: ErrorDetail | None = None
    lasts: float = 1.0
    named: bool = True
    cancelled: bool = False


_CANCELLED_ERROR: Final = ErrorDetail(
    400158, "UserErrorJobSuccessfullyCancelled", "The job was cancelled."
)

COMPLETED: Final = Outcome(status="Completed", tasks=("Completed",))
NOT_TRANSFERRED: Final = Outcome(status="Completed", tasks=("Completed", "NotStarted"), lasts=0.3)
TRANSFER_SKIPPED: Final = Outcome(status="Completed", tasks=("Completed", "Cancelled"), lasts=0.4)
TRANSFER_ABSENT: Final = Outcome(status="Completed", tasks=("Completed", None), lasts=0.3)
TRANSFER_FAILED: Final = Outcome(
    status="CompletedWithWarnings",
    tasks=("Completed", "Failed"),
    lasts=0.7,
    error=ErrorDetail(
        400309,
        "UserErrorGenericResourceNotFound",
        "A resource that the transfer needs was not found.",
        ("Check that the storage and the snapshot still exist, then run the backup again.",),
    ),
)
TRANSFER_CANCELLED: Final = Outcome(
    status="CompletedWithWarnings",
    tasks=("Completed", "Cancelled"),
    lasts=0.6,
    error=_CANCELLED_ERROR,
    cancelled=True,
)
CANCELLED: Final = Outcome(
    status="Cancelled",
    tasks=("Completed", "Cancelled"),
    lasts=0.6,
    error=_CANCELLED_ERROR,
    cancelled=True,
)
SNAPSHOT_FAILED: Final = Outcome(
    status="Failed",
    tasks=("Failed", "NotStarted"),
    lasts=0.25,
    error=ErrorDetail(
        400136,
        "UserErrorVmNotFoundV2",
        "The virtual machine was not found.",
        ("If it was deleted, stop its protection. If it was moved, configure backup again.",),
    ),
)
BACKUP_IN_PROGRESS: Final = Outcome(
    status="Failed",
    tasks=("Failed", "NotStarted"),
    error=ErrorDetail(
        400249,
        "UserErrorBackupOperationInProgress",
        "The backup was not started, because another backup of the item is in progress.",
        # The trailing space is Azure's (F§8).
        ("Wait until the running backup has ended, then try again. ",),
    ),
)
SHARE_NOT_FOUND: Final = Outcome(
    status="Failed",
    tasks=("Failed", "NotStarted"),
    lasts=0.1,
    error=ErrorDetail(
        320001,
        "ResourceNotFound",
        "The file share was not found.",
        ("If it was deleted, stop its protection.",),
    ),
)
RESTORE_FAILED: Final = Outcome(
    status="Failed",
    tasks=("Failed", "NotStarted"),
    lasts=0.5,
    error=ErrorDetail(
        400003,
        "RestoreOperationFailed",
        "The restore failed inside the service.",
        ("Try again in a few minutes.",),
    ),
)
DATABASE_UNREACHABLE: Final = Outcome(
    status="Failed",
    tasks=(None,),
    lasts=0.1,
    named=False,
    # Codes exceed 16 bits (F§8).
    error=ErrorDetail(
        1073871825,
        "UserErrorSQLNoSysadminMembership",
        "The backup service may not sign in to the instance.",
        ("Make its service account a member of the sysadmin role.",),
    ),
)
DATABASE_TRANSFER_FAILED: Final = Outcome(
    status="Failed",
    tasks=("Failed",),
    lasts=0.4,
    error=ErrorDetail(
        520512,
        "UserErrorWorkloadBackupFailed",
        "The database broke the backup off.",
        ("Look into the log of the database, then run the backup again.",),
    ),
)
