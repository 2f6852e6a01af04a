"""``rate_limit`` of the web configuration: how many requests are answered."""

from __future__ import annotations


class RateLimit:
    """A token bucket: full at first, and one token more each interval.

    Args:
        interval_seconds: After which one more request is answered.
        burst: So many at most are answered at once; with 0 none is, as in exporter-toolkit.
    """

    def __init__(self, interval_seconds: float, burst: int) -> None:
        self._interval = interval_seconds
        self._burst = burst
        self._tokens = float(burst)
        self._at = float("-inf")

    def allows(self, now: float) -> bool:
        """Whether a request at this monotonic time is answered; it is counted then."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) / self._interval)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
