"""Errors in the shape of Resource Graph: the outer code is general, the details tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

from exporter.simulator import ticks
from exporter.simulator.answers import Answer, json_answer

if TYPE_CHECKING:
    from datetime import datetime

RESETS_AFTER_HEADER: Final = "x-ms-user-quota-resets-after"


def graph_error(status: int, code: str, now: datetime, *details: tuple[str, str]) -> Answer:
    """An error with its details, each a code and a message."""
    timestamp = ticks.instant_text(ticks.from_datetime(now))
    message = (
        f"When asking for support, tell this: timestamp = {timestamp}, correlationId = {uuid4()}."
    )
    error = {
        "code": code,
        "message": message,
        "details": [{"code": detail, "message": text} for detail, text in details],
    }
    return json_answer({"error": error}, status=status)


def bad_request(now: datetime, code: str, message: str) -> Answer:
    """A 400."""
    return graph_error(400, "BadRequest", now, (code, message))


def invalid_query(now: datetime, found: str) -> Answer:
    """The query cannot be read, or the simulator does not know its like."""
    return graph_error(
        400,
        "BadRequest",
        now,
        ("InvalidQuery", "The query is invalid. Correct it before trying again."),
        ("ParserFailure", f"Not expected: {found}"),
    )


def access_denied(now: datetime) -> Answer:
    """Nothing of what is asked for may be read, which is also said of what does not exist."""
    message = "Access to the resource is denied. The caller may lack a permission."
    return graph_error(403, "AccessDenied", now, ("AccessDenied", message))


def rate_limited(now: datetime, wait_seconds: int) -> Answer:
    """Too many queries."""
    message = "The client is throttled. It must not repeat the request until some time is over."
    answer = graph_error(429, "RateLimiting", now, ("RateLimiting", message))
    resets_after = ticks.timespan_text(wait_seconds * ticks.PER_SECOND)
    return answer.with_headers(
        {"Retry-After": str(wait_seconds), RESETS_AFTER_HEADER: resets_after}
    )
