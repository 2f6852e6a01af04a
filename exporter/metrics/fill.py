"""The first fill: how far the exporter is with reading everything once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True, kw_only=True)
class FillProgress:
    """How far it is.

    Attributes:
        vaults: To be read, as far as they have been found.
        read: Of those, whose first refresh has ended, well or badly.
        complete: Of those, which have waited for no detail of a failed or newest job since.
        details: Such details that wait in the vaults that are not.
        ends_at: Monotonic time when it is expected to end; None while nobody can tell.
        done: Whether it has ended; it stays so.
    """

    vaults: int = 0
    read: int = 0
    complete: int = 0
    details: int = 0
    ends_at: float | None = None
    done: bool = False

    @property
    def endless(self) -> bool:
        """Whether everything is known that an end needs, and there is none within two weeks."""
        return not self.done and self.ends_at is None and self.read == self.vaults > 0

    def seconds_left(self, now: float) -> float | None:
        """How long it still takes under the read budget; None while nobody can tell."""
        if self.done:
            return 0.0
        return None if self.ends_at is None else max(0.0, self.ends_at - now)


ENDLESS: Final = "no end is in sight: more jobs end than the read budget has reads for"
"""For people."""

_VAULTS: Final = (
    "initial_vaults",
    "Vaults that are read for the first time since the start or reload, as far as they have been"
    " found.",
)
_READ: Final = (
    "initial_vaults_read",
    "Of those, vaults whose first refresh has ended, well or badly.",
)
_LEFT: Final = (
    "initial_estimated_remaining_seconds",
    "How long it will take under the read budget, if jobs end as they did the day before, until"
    " every vault is read and each item's newest job has its detail, in seconds; 0 from then on."
    " Absent while nobody can tell.",
)
_FAMILIES: Final = (_VAULTS, _READ, _LEFT)
"""Name without prefix, and HELP."""


class FillMetrics(Collector):
    """The progress as metrics.

    Attributes:
        progress: Rebound whole, never changed.
        monotonic: What time it is.
    """

    def __init__(self, prefix: str) -> None:
        self.progress = FillProgress()
        self.monotonic: Callable[[], float] = lambda: 0.0
        self._prefix = prefix

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """All families, also those without a value yet."""
        return (GaugeMetricFamily(self._prefix + name, text) for name, text in _FAMILIES)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What is known now."""
        progress = self.progress
        if not progress.vaults:
            return
        for (name, text), value in (
            (_VAULTS, progress.vaults),
            (_READ, progress.read),
            (_LEFT, progress.seconds_left(self.monotonic())),
        ):
            if value is not None:
                yield GaugeMetricFamily(self._prefix + name, text, value)
