"""Azure's read limits over a day and a night of 1,200 items: what the exporter promises."""

from __future__ import annotations

import statistics
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from benchmarks.read_limits import simulate

if TYPE_CHECKING:
    from collections.abc import Callable


pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.mark.parametrize("limit", [150, 450])
def test_a_day_under_azures_limit(
    limit: int, record_property: Callable[[str, object], None]
) -> None:
    """Time is simulated: the figures are the same on every machine. A week: make bench-limits."""
    figures = simulate([(0, limit)], days=1.2)

    failed, used = max(figures.failed_details), statistics.mean(figures.used)
    record_property(
        "figure",
        f"a day at {limit}/h: {figures.throttled} 429s, status after"
        f" {max(figures.status_delays):.2f} intervals, failed details after"
        f" {failed.total_seconds() / 60:.0f} min, {used:.0%} of the budget in use",
    )
    assert figures.throttled == 0
    assert figures.unseen == 0
    assert max(figures.status_delays) <= 2
    assert failed <= timedelta(minutes=30)
    assert max(figures.other_details) < timedelta(hours=20)
    # A week reaches 0.9; here the first hours, when nothing has come back yet, weigh more.
    assert used >= 0.88
