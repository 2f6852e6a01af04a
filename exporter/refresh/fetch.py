"""The words between the scheduler and the readings: what is wanted, asked, answered and applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from exporter.errors import ArmError
    from exporter.refresh.records import BudgetKey, Moment, Record

Records = Mapping[str, "Record"]
"""By subject: a vault's id, or the name of a search or query."""


class Cost(IntEnum):
    """What a fetch spends of a read budget."""

    NOTHING = 0
    LIST = 1
    DETAIL = 2


class FetchId(NamedTuple):
    """Which fetch it is, whatever its urgency and due are meanwhile."""

    reading: str
    subject: str
    about: str = ""


class Fetch(NamedTuple):
    """One request that could be made now or later.

    One that spends nothing of a read budget may be several requests within one deadline.

    Attributes:
        urgency: A smaller one goes first.
        due: Monotonic time of the earliest start.
        id: Which.
        cost: What it spends.
        budget: Of which budget.
        suspect: Whether the last one hung: it may hold up others.
    """

    urgency: int
    due: float
    id: FetchId
    cost: Cost = Cost.NOTHING
    budget: BudgetKey | None = None
    suspect: bool = False


class Request(NamedTuple):
    """What a worker needs to make a fetch: it sees no record.

    Attributes:
        fetch: Which.
        ask: The reading's own.
        asked: When it was made.
        give_up_at: Monotonic time after which nothing is waited for.
    """

    fetch: Fetch
    ask: Any
    asked: Moment
    give_up_at: float


class Answer(NamedTuple):
    """How a request ended.

    Attributes:
        request: What was asked.
        value: What ``send`` returned; None after a fault.
        fault: What it raised.
        broke: The same where the fault is ours.
    """

    request: Request
    value: Any = None
    fault: ArmError | None = None
    broke: Exception | None = None


class Again(NamedTuple):
    """When a reading is to be made again: only the scheduler makes a time of it.

    Attributes:
        after: Seconds from now; None for one interval after this round began.
        ends: Whether the round has ended.
        failed: Whether the request failed.
        hung: Whether it met a timeout.
    """

    after: float | None = None
    ends: bool = True
    failed: bool = False
    hung: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """What an answer changes.

    Attributes:
        records: By subject.
        again: For readings that have a turn.
        show: Vaults to be shown at once; other vaults that changed are shown when there is time.
        rearrange: Whether other vaults are to be read than before.
    """

    records: Mapping[str, Record] = field(default_factory=dict)
    again: Again | None = None
    show: frozenset[str] = frozenset()
    rearrange: bool = False


class Reading(Protocol):
    """One thing that is read. All but ``send`` is pure and called by the owner's thread.

    Attributes:
        name: Of the turns it has in records.
        background: Whether it is left out where everything is read but once.
        interval: In seconds, of readings that spend nothing of a budget.
        patience: Seconds that a fetch may take.
    """

    name: str
    background: bool
    interval: float
    patience: float

    def wanted(self, subject: str, record: Record) -> Iterable[Fetch]:
        """What it wants of a record, the most urgent first; it is kept until the record changes."""

    def ask(self, fetch: Fetch, records: Records, now: Moment) -> Any:
        """What a worker needs to know."""

    def send(self, request: Request) -> Any:
        """Ask Azure.

        Raises:
            ArmError: It did not answer, or not well.
        """

    def apply(self, answer: Answer, records: Records, now: Moment) -> Applied:
        """What an answer, good or bad, changes; nothing if nobody waits for it any more."""
