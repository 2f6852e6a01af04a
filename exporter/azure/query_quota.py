"""Resource Graph's own quota: so many queries, then a wait until it is reset (FACTS 10, 15).

Pure: time is an argument, in monotonic seconds.
"""

from __future__ import annotations

import re
from threading import Lock
from typing import TYPE_CHECKING, Final

from exporter.backup.formats import parse_timespan
from exporter.errors import PayloadError

if TYPE_CHECKING:
    from collections.abc import Mapping

_REMAINING_HEADER: Final = "x-ms-user-quota-remaining"
_RESET_HEADER: Final = "x-ms-user-quota-resets-after"


class QueryQuota:
    """What is left of it, learnt from each answer; any thread may ask."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._left: int | None = None
        self._reset_at = float("-inf")

    def take(self, now: float) -> float:
        """Spend a query; returns 0, or for how many seconds none is left."""
        with self._lock:
            if now >= self._reset_at:
                # How many there are then only an answer tells; whoever asks too much gets a 429.
                self._left = None
            if self._left is None:
                return 0
            if self._left > 0:
                self._left -= 1
                return 0
            return self._reset_at - now

    def answered(self, headers: Mapping[str, str], now: float) -> None:
        """Take in an answer's headers; those that say nothing readable are passed over."""
        remaining, resets_after = headers.get(_REMAINING_HEADER, ""), headers.get(_RESET_HEADER, "")
        if not re.fullmatch(r"[0-9]{1,6}", remaining):
            return
        try:
            seconds = parse_timespan(resets_after)
        except PayloadError:
            return
        with self._lock:
            # Answers of queries side by side come in any order; the lowest number is the safe one.
            left = int(remaining) if self._left is None else min(self._left, int(remaining))
            self._left, self._reset_at = left, now + max(seconds, 0)

    def throttled(self, now: float, retry_after: float) -> None:
        """Take in a 429: nothing until ``retry_after`` seconds are over."""
        with self._lock:
            self._left, self._reset_at = 0, max(self._reset_at, now + retry_after)
