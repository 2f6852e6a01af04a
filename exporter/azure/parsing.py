"""Reading answers, with what cannot be read counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from exporter.errors import ArmError, ErrorKind, PayloadError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from exporter.metrics.selfmetrics import SelfMetrics

T = TypeVar("T")


def parsed(parse: Callable[[], T], metrics: SelfMetrics) -> T:
    """What a parser makes of a whole answer.

    Raises:
        ArmError: The answer has a shape that nobody reads.
    """
    try:
        return parse()
    except PayloadError as error:
        metrics.payload_errors.labels("answer").inc()
        raise ArmError(ErrorKind.PAYLOAD, str(error)) from error


def count_problems(problems: Counter[str], metrics: SelfMetrics) -> None:
    """Count fields that are there but cannot be read."""
    for name, count in problems.items():
        metrics.payload_errors.labels(name).inc(count)
