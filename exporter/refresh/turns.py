"""When a reading is made again: in an interval, and after a fault at once or later. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

from exporter.azure.room import MARGIN_SECONDS
from exporter.errors import ErrorKind
from exporter.refresh.fetch import Again
from exporter.refresh.records import Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.errors import ArmError
    from exporter.refresh.fetch import Request

_ATTEMPTS: Final = 4
_LONGEST_SECONDS: Final = 15.0
_FIRST_REST_SECONDS: Final = 30.0
SHARE_OF_INTERVAL: Final = 0.8
"""Retries end before the next turn is due."""

_PASSES: Final = frozenset({ErrorKind.SERVER, ErrorKind.TIMEOUT, ErrorKind.NETWORK})


def began_at(turn: Turn, request: Request) -> float:
    """Monotonic time when the round of a request began."""
    return request.asked.monotonic if turn.round_began is None else turn.round_began


def next_turn(
    turn: Turn,
    request: Request,
    again: Again,
    due_in_an_interval: Callable[[float], float],
    now: float,
) -> Turn:
    """How a reading stands after an answer: nowhere else is a due made.

    Args:
        turn: How it stood.
        request: That was answered.
        again: When it is to be made again.
        due_in_an_interval: When that is, of a round that began at a monotonic time.
        now: Monotonic seconds.
    """
    began = began_at(turn, request)
    if again.after is None:
        due = due_in_an_interval(began)
        interval = max(0.0, due - began)
    else:
        due, interval = now + again.after, turn.interval
    return Turn(
        due=due,
        began=began if again.ends else turn.began,
        interval=interval,
        round_began=None if again.ends else began,
        attempts=turn.attempts + 1 if again.failed and again.after is not None else 0,
        hung=again.hung,
    )


def backoff(attempts: int, name: str) -> float:
    """Seconds until the next attempt after so many: twice as long each time, with jitter.

    The jitter comes from a hash of the name, so that a test sees what an operator does.
    """
    jitter = 0.5 + 0.5 * crc32(f"{name}{attempts}".encode()) / 2**32
    return jitter * min(2.0 ** (attempts - 1), _LONGEST_SECONDS)


def retry_after(
    fault: ArmError, turn: Turn, *, began: float, interval: float, name: str, now: float
) -> Again:
    """What a fault means for a reading.

    A fault that may pass is tried again at once, so often that the vault need not go down; and
    then ever more seldom, up to the interval, so that it does not stay down for longer than the
    fault lasts. A 429 is waited out. Others have their next turn.
    """
    attempts = turn.attempts + 1
    if fault.kind is ErrorKind.THROTTLED:
        asked = fault.retry_after.total_seconds() if fault.retry_after else _FIRST_REST_SECONDS
        return Again(asked + MARGIN_SECONDS, failed=True)
    if not fault.retryable:
        return Again(failed=True)
    asked = fault.retry_after.total_seconds() if fault.retry_after else 0.0
    soon = asked or backoff(attempts, name)
    if attempts < _ATTEMPTS and now + soon < began + SHARE_OF_INTERVAL * interval:
        return Again(soon, ends=False, failed=True)
    if fault.kind not in _PASSES:
        return Again(failed=True)
    rest = _FIRST_REST_SECONDS * 2.0 ** max(0, min(attempts - _ATTEMPTS, 20))
    return Again(min(interval, max(asked, rest)), failed=True)
