"""What successive reads of one address find: operations, and jobs as they were recorded (F§12)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from exporter.simulator.answers import Answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Readings:
    """Answers by path, in order; the last one stays. Paths compare without case."""

    def __init__(self) -> None:
        self._answers: dict[str, deque[Answer]] = {}

    def put(self, path: str, bodies: Iterable[Any], headers: Mapping[str, str]) -> None:
        """Let reads of a path find these bodies, one after the other.

        Args:
            path: Decoded.
            bodies: None or ``{}`` is a 202, as ``operationResults`` answers at first.
            headers: Of every answer.
        """
        self._answers[path.lower()] = deque(_answer(body).with_headers(headers) for body in bodies)

    def next(self, path: str) -> Answer | None:
        """What the next read of a path finds; None where nothing was put."""
        answers = self._answers.get(path.lower())
        if not answers:
            return None
        return answers.popleft() if len(answers) > 1 else answers[0]


def _answer(body: Any) -> Answer:
    if body is None:
        return Answer(status=202)
    return json_answer(body, status=200 if body else 202)


def operation(operation_id: str, status: str, **more: Any) -> dict[str, Any]:
    """The status of an operation; ``more`` is e.g. its properties."""
    return {
        "id": operation_id,
        "name": operation_id,
        "status": status,
        "startTime": "2024-06-11T08:18:22.3506489Z",
        "endTime": "0001-01-01T00:00:00" if status == "InProgress" else "2024-06-11T08:18:22Z",
        **more,
    }
