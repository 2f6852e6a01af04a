"""How often one job may be looked at, so that others who share the read budget can go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from exporter.azure.budget import ReadBudget


def seconds_to_next_look(
    wanted: timedelta, retry_after: timedelta | None, budget: ReadBudget, now: float
) -> float:
    """How long to wait.

    As wanted while half of the budget is left; from then on at the pace at which what is left
    lasts for a whole interval.

    Args:
        wanted: By who looks.
        retry_after: By Azure.
        budget: That the look is spent from.
        now: Monotonic seconds.
    """
    left = budget.remaining(now)
    seconds = max(wanted.total_seconds(), retry_after.total_seconds() if retry_after else 0.0)
    if 2 * left < budget.quota:
        seconds = max(seconds, budget.per_seconds / max(left, 1))
    return max(seconds, budget.list_available_at(now) - now)
