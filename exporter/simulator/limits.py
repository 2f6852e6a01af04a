"""The read limit on ``backupJobs`` (F§1.5, F§10)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.simulator import ticks
from exporter.simulator.answers import Answer, gateway_error

if TYPE_CHECKING:
    from datetime import datetime

REMAINING_HEADER: Final = "x-ms-ratelimit-remaining-subscription-resource-requests"

# Several front ends answer, each with its own view of the counter (F§10).
_FRONT_END_VIEWS: Final = (-1, 9, -3, 4, 0)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many reads per subscription and location in each window of time.

    Attributes:
        wavering: The remaining-requests header goes up and down, as if of several front ends.
    """

    requests: int = 150
    per: timedelta = timedelta(hours=1)
    wavering: bool = False


@dataclass(slots=True)
class _Window:
    end: datetime
    used: int = 0


class ReadLimiter:
    """Counts reads in fixed windows: after the wait the counter is full again (F§10)."""

    def __init__(self, limit: RateLimit | None) -> None:
        self.limit = limit
        self._windows: dict[tuple[str, str], _Window] = {}

    def refusal(self, subscription_id: str, location: str, now: datetime) -> Answer | None:
        """Count one read; the answer instead of it when there are none left."""
        if self.limit is None:
            return None
        key = (subscription_id.lower(), location)
        window = self._windows.get(key)
        if window is None or now >= window.end:
            window = self._windows[key] = _Window(now + self.limit.per)
        if window.used < self.limit.requests:
            window.used += 1
            return None
        return throttled(self.limit, max(1, math.ceil((window.end - now).total_seconds())))

    def headers(self, subscription_id: str, location: str) -> dict[str, str]:
        """What an answer tells of the reads left; nothing where there is no limit."""
        window = self._windows.get((subscription_id.lower(), location))
        if self.limit is None or window is None:
            return {}
        remaining = self.limit.requests - window.used
        if self.limit.wavering:
            # It was seen to reach -1 on a 200 (F§10).
            remaining = max(-1, remaining + _FRONT_END_VIEWS[window.used % len(_FRONT_END_VIEWS)])
        return {REMAINING_HEADER: str(remaining)}


def throttled(limit: RateLimit, wait_seconds: int) -> Answer:
    """A 429, word for word (F§10)."""
    interval = ticks.timespan_text(ticks.from_timedelta(limit.per))
    message = (
        "Number of requests for action 'Microsoft.RecoveryServices/vaults/backupJobs/read'"
        f" exceeded the limit of '{limit.requests}' for time interval '{interval}'."
        f" Please try again after '{wait_seconds}' seconds."
    )
    answer = gateway_error(429, "ResourceRequestsThrottled", message)
    return answer.with_headers({"Retry-After": str(wait_seconds)})
