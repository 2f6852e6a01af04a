"""What outlives the process beside vaults: between the engine and the notes of the state file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.azure.budget import ReadBudget
from exporter.azure.room import Spent
from exporter.refresh.records import NEVER, SearchRecord
from exporter.state import Notes, SpentBudget

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from exporter.config import Config
    from exporter.refresh.records import BudgetKey, Moment, Record
    from exporter.state import StateKeeper

_SECONDS: Final = 2.0


class Notebook:
    """Has what outlives the process written every few seconds, if it is other than before.

    Args:
        keeper: Of the state file; None without one.
    """

    def __init__(self, keeper: StateKeeper | None) -> None:
        self._keeper = keeper
        self._noted: object = None
        self._noted_at = NEVER

    def write(
        self,
        budgets: Mapping[BudgetKey, ReadBudget],
        records: Collection[Record],
        now: Moment,
        *,
        at_once: bool = False,
    ) -> None:
        """Write it, or leave it for the next time."""
        if self._keeper is None or (now.monotonic < self._noted_at + _SECONDS and not at_once):
            return
        self._noted_at = now.monotonic
        # Compared as it is: instants of monotonic times are never quite the same.
        spent = {key: one.spent for key, one in budgets.items()}
        state = spent, [one.found for one in records if isinstance(one, SearchRecord)]
        if state != self._noted:
            self._noted = state
            self._keeper.put_notes(notes_of(budgets, records, now))


def notes_of(
    budgets: Mapping[BudgetKey, ReadBudget], records: Iterable[Record], now: Moment
) -> Notes:
    """What is to be kept."""

    def at(monotonic: float) -> datetime:
        return now.wall + timedelta(seconds=monotonic - now.monotonic)

    spent = []
    for (subscription, location), budget in budgets.items():
        lists, details, blocked_until = budget.spent
        spent.append(
            SpentBudget(
                subscription_id=subscription,
                location=location,
                lists=tuple(map(at, lists)),
                details=tuple(map(at, details)),
                forbidden_until=at(blocked_until) if blocked_until > now.monotonic else None,
            )
        )
    found = {
        one.entry.scope: tuple(one.found.values())
        for one in records
        if isinstance(one, SearchRecord) and one.found is not None
    }
    return Notes(budgets=tuple(spent), found=found)


def budgets_of(notes: Notes, config: Config, now: Moment) -> dict[BudgetKey, ReadBudget]:
    """The budgets as far as they were spent; what lies in the future is a clock gone wrong."""
    configured = config.azure.read_budget

    def monotonic(at: datetime) -> float:
        return now.monotonic + (at - now.wall).total_seconds()

    budgets = {}
    for one in notes.budgets:
        budget = ReadBudget(configured.requests, configured.per.total_seconds())
        until = monotonic(one.forbidden_until) if one.forbidden_until else NEVER
        budget.restore(
            Spent(
                [monotonic(at) for at in one.lists if at <= now.wall],
                [monotonic(at) for at in one.details if at <= now.wall],
                min(until, now.monotonic + budget.per_seconds),
            )
        )
        budgets[one.subscription_id, one.location] = budget
    return budgets
