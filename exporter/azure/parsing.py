"""Reading answers, with what cannot be read counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from exporter.azure.error_body import read_ids
from exporter.errors import ArmError, ErrorKind, PayloadError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from exporter.azure.session import Answer
    from exporter.metrics.selfmetrics import SelfMetrics

T = TypeVar("T")


def parsed(parse: Callable[[object], T], answer: Answer, metrics: SelfMetrics, api: str) -> T:
    """What a parser makes of the body of an answer.

    Raises:
        ArmError: The answer has a shape that nobody reads.
    """
    try:
        return parse(answer.body)
    except PayloadError as error:
        metrics.payload_errors.labels(api, "answer").inc()
        raise ArmError(ErrorKind.PAYLOAD, str(error), ids=read_ids(answer.headers)) from error


def count_problems(problems: Counter[str], metrics: SelfMetrics, api: str) -> None:
    """Count fields that are there but cannot be read."""
    for name, count in problems.items():
        metrics.payload_errors.labels(api, name).inc(count)


def none_readable(number: int) -> ArmError:
    """The fault of a vault whose jobs came, and of which none is what a job should be."""
    shape = "has the shape of a job" if number == 1 else "has the shape of jobs"
    return ArmError(ErrorKind.PAYLOAD, f"nothing of what Azure listed ({number}) {shape}")
