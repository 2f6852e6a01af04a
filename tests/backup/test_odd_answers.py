"""Whatever JSON Azure sends about an operation or a job: an answer or a PayloadError."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from exporter.backup.operation import parse_operation
from exporter.backup.progress import changes, summary
from exporter.backup.tracked import parse_tracked
from exporter.errors import PayloadError

KEYS = st.sampled_from(
    [
        *("id", "name", "type", "status", "startTime", "endTime", "error", "properties"),
        *("objectType", "jobId", "jobIds", "failedJobsError", "validateOperationResponse"),
        *("validationResults", "code", "message", "recommendations", "recommendedAction"),
        *("operation", "duration", "errorDetails", "errorCode", "errorString", "extendedInfo"),
        *("tasksList", "subTasks", "taskId", "taskName", "taskStatus", "taskExecutionDetails"),
        *("progressPercentage", "estimatedRemainingDuration", "dataTransferredInBytes"),
        *("propertyBag", "Backup Size"),
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            *("InProgress", "Succeeded", "Failed", "Canceled", "Completed", "PT1H", "7 MB"),
            *("2024-06-11T08:18:22Z", "0001-01-01T00:00:00", "P99999999D"),
            "Microsoft.DataProtection/backupVaults/backupJobs",
        ]
    )
)
ANSWERS: Any = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)


@given(ANSWERS)
def test_an_operation(body: Any) -> None:
    with suppress(PayloadError):
        parse_operation(body)


@given(ANSWERS)
def test_the_parts_of_an_operation(more: Any) -> None:
    parse_operation({"status": "Succeeded", "properties": more, "error": more})


@given(ANSWERS, ANSWERS)
def test_a_job(first: Any, second: Any) -> None:
    tracked = []
    for kind in ("Microsoft.DataProtection/backupVaults/backupJobs", ""):
        for properties in (first, second):
            with suppress(PayloadError):
                tracked.append(parse_tracked({"name": "j", "type": kind, "properties": properties}))
    for before, after in zip([None, *tracked], tracked, strict=False):
        assert summary(after)
        list(changes(before, after))
