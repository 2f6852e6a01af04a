"""The words of a read budget: what is wanted of it, what it allows, what was spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

MARGIN_SECONDS: Final = 1.0
"""Azure counts whole seconds: where our wait ends with its own, the next read would be early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is wanted of a budget, without what is under way.

    Attributes:
        failed: Details of failed jobs that wait.
        others: All other details that wait.
        lists: Pages of lists that come up within an interval of the budget, at most half of it.
        unread: Vaults whose first list is still to come.
        under_way: Reads that were spent and have not been answered.
    """

    failed: int = 0
    others: int = 0
    lists: int = 0
    unread: int = 0
    under_way: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a budget allows now.

    Attributes:
        starts: Reads of any kind: one after the other while nobody knows what is left.
        lists: Pages of lists.
        details: Details, the most urgent first.
        look_at: Monotonic time when there may be more; now if nothing is held back.
    """

    starts: int
    lists: int
    details: int
    look_at: float


class Spent(NamedTuple):
    """What was spent of a budget, in monotonic seconds.

    Attributes:
        lists: When pages of lists were read.
        details: When details were.
        blocked_until: Until when a 429 forbids all reads.
    """

    lists: list[float]
    details: list[float]
    blocked_until: float
