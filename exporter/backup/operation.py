"""What the status of an operation says: whether it goes on, and which jobs it has made (FACTS 12).

Succeeded means that a job was made, not that the job succeeded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from exporter.backup.fields import Fields, clean, quote
from exporter.backup.formats import parse_timestamp
from exporter.errors import PayloadError

if TYPE_CHECKING:
    from collections.abc import Mapping

_RUNNING: Final = frozenset({"inprogress", "accepted", "running", "provisioning"})
_CANCELLED: Final = frozenset({"canceled", "cancelled"})  # one l, though a job's has two
_FILE_RECOVERY: Final = "OperationStatusProvisionILRExtendedInfo"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStatus:
    """One answer about an operation.

    Attributes:
        status: As Azure spells it.
        running: Whether to ask again.
        cancelled: Whether it was cancelled.
        failed: Whether it ended badly in another way.
        jobs: What it has made: GUIDs in lower case, or full resource ids (Backup vaults).
        errors: For people; a success may carry one, too.
        file_recovery: Whether it has mounted a recovery point. What Azure sends then, a script and
            its password, is not read.
    """

    status: str
    running: bool = False
    cancelled: bool = False
    failed: bool = False
    jobs: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    file_recovery: bool = False


def parse_operation(body: object) -> OperationStatus:
    """Read an answer about an operation.

    Args:
        body: Decoded JSON of ``backupOperations``, ``operationsStatus`` or ``operationResults``.

    Raises:
        PayloadError: It says nothing of an operation.
    """
    if not isinstance(body, dict):
        raise PayloadError(f"not the status of an operation: {quote(body)}")
    problems: Counter[str] = Counter()
    fields = Fields(body, problems)
    status, more = fields.text("status"), _object(body, "properties")
    if not status:
        return _result(body)
    folded = status.lower()
    running = folded in _RUNNING or (
        # A status that nobody knows goes on until it has an end.
        folded not in {"succeeded", "failed", "invalid", *_CANCELLED}
        and fields.read("endTime", parse_timestamp) is None
    )
    jobs, errors = _jobs(more), [*_error(body.get("error")), *_failed_jobs(more)]
    errors += [text for one in _validations(more) for text in _error(one)]
    return OperationStatus(
        status=status,
        running=running,
        cancelled=folded in _CANCELLED,
        failed=not running
        and (folded in ("failed", "invalid") or bool(_failed_jobs(more) or _validations(more))),
        jobs=jobs,
        errors=tuple(errors),
        file_recovery=more.get("objectType") == _FILE_RECOVERY,
    )


def _result(body: Mapping[str, object]) -> OperationStatus:
    """An ``operationResults`` answer: the resource itself, or for Backup vaults the job."""
    if not body.keys() & {"id", "objectType", "jobId"}:
        raise PayloadError(f"not the status of an operation: {quote(body)}")
    return OperationStatus(status="Succeeded", jobs=_jobs(body))


def _jobs(more: Mapping[str, object]) -> tuple[str, ...]:
    several = more.get("jobIds")
    # The specification says an array; a map from a name to the id would fit its twin.
    if isinstance(several, dict):
        several = list(several.values())
    ids = [more.get("jobId"), *(several if isinstance(several, list) else ())]
    found = [clean(one).strip() for one in ids if isinstance(one, str) and one.strip()]
    return tuple(dict.fromkeys(one if "/" in one else one.lower() for one in found))


def _failed_jobs(more: Mapping[str, object]) -> list[str]:
    return [f"{name}: {reason}" for name, reason in _object(more, "failedJobsError").items()]


def _validations(more: Mapping[str, object]) -> list[object]:
    results = _object(more, "validateOperationResponse").get("validationResults")
    return results if isinstance(results, list) else []


def _error(error: object) -> list[str]:
    if not isinstance(error, dict):
        return []
    parts = [error.get("code"), error.get("message")]
    text = ": ".join(clean(str(part)) for part in parts if part)
    advice = error.get("recommendations")
    tips = [str(tip).strip() for tip in advice] if isinstance(advice, list) else []
    return [" ".join([text, *tips]).strip()] if text else []


def _object(values: Mapping[str, object], name: str) -> dict[str, object]:
    value = values.get(name)
    return value if isinstance(value, dict) else {}
