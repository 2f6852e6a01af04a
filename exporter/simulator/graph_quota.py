"""How many queries Resource Graph answers in a few seconds (F§10)."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.simulator import ticks
from exporter.simulator.graph_errors import RESETS_AFTER_HEADER, rate_limited
from exporter.simulator.limits import RateLimit

if TYPE_CHECKING:
    from datetime import datetime

    from exporter.simulator.answers import Answer

REMAINING_HEADER: Final = "x-ms-user-quota-remaining"
GRAPH_QUOTA: Final = RateLimit(15, timedelta(seconds=5))


class GraphQuota:
    """Counts queries of the one principal in fixed windows; the first query opens a window."""

    def __init__(self, limit: RateLimit | None) -> None:
        self.limit = limit
        self._end: datetime | None = None
        self._used = 0

    def refusal(self, now: datetime) -> Answer | None:
        """Count one query; the answer instead of it when there are none left."""
        if self.limit is None:
            return None
        if self._end is None or now >= self._end:
            self._end, self._used = now + self.limit.per, 0
        if self._used >= self.limit.requests:
            return rate_limited(now, self._seconds_left(now))
        self._used += 1
        return None

    def headers(self, now: datetime) -> dict[str, str]:
        """What every answer tells of the quota; nothing where there is none."""
        if self.limit is None:
            return {}
        resets_after = ticks.timespan_text(self._seconds_left(now) * ticks.PER_SECOND)
        return {
            REMAINING_HEADER: str(self.limit.requests - self._used),
            RESETS_AFTER_HEADER: resets_after,
        }

    def _seconds_left(self, now: datetime) -> int:
        return 0 if self._end is None else max(1, math.ceil((self._end - now).total_seconds()))
