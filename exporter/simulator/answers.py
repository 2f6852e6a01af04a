"""Answers of Resource Manager, before they become HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

JSON_TYPE: Final = "application/json; charset=utf-8"


class Ending(Enum):
    """What becomes of the connection."""

    COMPLETE = auto()
    STALLED = auto()  # half of the body, then nothing
    SILENT = auto()  # accepted, then nothing
    RESET = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent for a request.

    Attributes:
        delay: How long the sender waits first.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: timedelta = timedelta()
    ending: Ending = Ending.COMPLETE

    def with_headers(self, headers: Mapping[str, str]) -> Answer:
        """The same with more headers."""
        return replace(self, headers={**self.headers, **headers})


to_json: Final = json.JSONEncoder(separators=(",", ":")).encode


def json_answer(document: Any, *, status: int = 200) -> Answer:
    """A document as answer."""
    return text_answer(to_json(document), status=status)


def text_answer(text: str, *, status: int = 200) -> Answer:
    """A document that is JSON already."""
    return Answer(status=status, headers={"Content-Type": JSON_TYPE}, body=text.encode())


def with_array(document: dict[str, Any], key: str, elements: Iterable[str]) -> str:
    """The JSON of a document that has one array more, whose elements are JSON already."""
    others = to_json(document)[1:]
    return f'{{"{key}":[{",".join(elements)}]{"," if document else ""}{others}'


def gateway_error(status: int, code: str, message: str, **more: Any) -> Answer:
    """An error of Resource Manager itself, in its newer shape (F§9)."""
    answer = json_answer({"error": {"code": code, "message": message, **more}}, status=status)
    return answer.with_headers({"x-ms-failure-cause": "gateway"})
