"""Faults to inject: each one turns the answer that would have been sent into another."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from email.utils import format_datetime
from http import HTTPStatus
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from exporter.simulator.answers import Answer, Ending
from exporter.simulator.arm_errors import ErrorKind, azure_error
from exporter.simulator.graph_errors import access_denied, rate_limited
from exporter.simulator.limits import RateLimit, throttled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

_HTML: Final = (
    b"<!DOCTYPE html>\r\n<html><head><title>Runtime Error</title></head>"
    b"<body><h1>Server Error in '/' Application.</h1></body></html>\r\n"
)

Page = dict[str, Any]

_NOTHING: Final = object()

# Jobs no client can read; good ones stand around them.
MALFORMED_JOBS: Final[tuple[Any, ...]] = (
    None,
    "not a job",
    [],
    {},
    {"name": "11111111-1111-4111-8111-111111111111", "properties": None},
    {"properties": {"status": "Completed", "operation": "Backup"}},
    {
        "name": 7,
        "properties": {"status": 1, "operation": [], "startTime": float("nan"), "duration": {}},
    },
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a fault may need to know of the request it spoils.

    Attributes:
        api: As in RecordedRequest.
        url: Of the request, with its query.
    """

    api: str
    url: str
    path: str
    now: datetime


class Fault(Protocol):
    """Something that goes wrong with an answer."""

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The answer to send in place of the right one."""


@dataclass(frozen=True, slots=True)
class HttpError:
    """An HTTP error with Azure's body for it."""

    kind: ErrorKind

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The error instead; Resource Graph says in its own way that something is forbidden."""
        if circumstances.api == "graph" and self.kind == "forbidden":
            return access_denied(circumstances.now)
        return azure_error(self.kind, circumstances.path)


@dataclass(frozen=True, slots=True)
class Throttled:
    """A 429, whatever the limit.

    Attributes:
        wait: After this the client may try again; whole seconds.
        told: Where the wait stands besides the message (with Resource Graph: besides its quota
            header): as seconds or as a date in the Retry-After header, or nowhere.
    """

    wait: timedelta
    told: Literal["seconds", "date", "message"] = "seconds"

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The 429 instead."""
        seconds = round(self.wait.total_seconds())
        if circumstances.api == "graph":
            refused = rate_limited(circumstances.now, seconds)
        else:
            refused = throttled(RateLimit(), seconds)
        headers = dict(refused.headers)
        del headers["Retry-After"]
        if self.told == "seconds":
            return refused
        if self.told == "date":
            headers["Retry-After"] = format_datetime(circumstances.now + self.wait, usegmt=True)
        return replace(refused, headers=headers)


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """An HTML page labelled as JSON (F§1.9)."""

    status: int = 500

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The page instead."""
        return Answer(status=self.status, headers={"Content-Type": "application/json"}, body=_HTML)


@dataclass(frozen=True, slots=True)
class TruncatedJson:
    """The first half of the JSON text, as if that were all."""

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """Half of it."""
        return replace(answer, body=answer.body[: len(answer.body) // 2])


@dataclass(frozen=True, slots=True)
class WrongContentType:
    """The right body under a wrong name."""

    content_type: str = "text/plain"

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The same body."""
        return answer.with_headers({"Content-Type": self.content_type})


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing comes any more, though the connection stays open.

    Attributes:
        after_headers: First come headers and half of the body.
    """

    after_headers: bool = True

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The same answer, held back."""
        return replace(answer, ending=Ending.STALLED if self.after_headers else Ending.SILENT)


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset."""

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """No answer."""
        return replace(answer, ending=Ending.RESET)


@dataclass(frozen=True, slots=True)
class Delay:
    """The right answer, late."""

    by: timedelta

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The same, later."""
        return replace(answer, delay=answer.delay + self.by)


@dataclass(frozen=True, slots=True)
class MalformedJobs:
    """Things that are no jobs, among the good jobs of a list."""

    jobs: Sequence[Any] = MALFORMED_JOBS

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The list with one of them before each good job, the rest at its end."""

        def mixed(page: Page) -> Page:
            key = "data" if "data" in page else "value"
            pairs = zip_longest(self.jobs, page[key], fillvalue=_NOTHING)
            value = [job for pair in pairs for job in pair if job is not _NOTHING]
            return {**page, key: value}

        return _with_page(answer, mixed)


@dataclass(frozen=True, slots=True)
class ReshapedJobs:
    """The jobs of a list, or rows of Resource Graph, each in another shape.

    Attributes:
        shape: From an entry or row to what is sent.
    """

    shape: Callable[[Any], Any]

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The list of what the shape makes of each."""

        def reshaped(page: Page) -> Page:
            key = "data" if "data" in page else "value"
            return {**page, key: [self.shape(job) for job in page[key]]}

        return _with_page(answer, reshaped)


@dataclass(frozen=True, slots=True)
class LoopingNextLink:
    """The nextLink leads back to the same page; Resource Graph has none."""

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The list with that link."""
        return _with_page(answer, lambda page: {**page, "nextLink": circumstances.url})


@dataclass(frozen=True, slots=True)
class ForeignNextLink:
    """The nextLink leads to another host, which must not see the token; not in Resource Graph."""

    url: str

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The list with that link."""
        return _with_page(answer, lambda page: {**page, "nextLink": self.url})


@dataclass(frozen=True, slots=True)
class EmptyList:
    """A list without jobs, though there are some."""

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        """The empty list, or a result without rows."""

        def emptied(page: Page) -> Page:
            if "data" not in page:
                return {"value": []}
            return {
                "totalRecords": 0,
                "count": 0,
                "data": [],
                "facets": [],
                "resultTruncated": "false",
            }

        return _with_page(answer, emptied)


def _with_page(answer: Answer, change: Callable[[Page], Page]) -> Answer:
    """A changed list; an answer that is none stays as it is."""
    if answer.status != HTTPStatus.OK:
        return answer
    return replace(answer, body=json.dumps(change(json.loads(answer.body))).encode())
