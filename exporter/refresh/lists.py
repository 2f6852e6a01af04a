"""Where the job list of a vault comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from exporter.backup.history import next_window
from exporter.errors import ArmError, ErrorKind

if TYPE_CHECKING:
    from datetime import datetime

    from exporter.azure.backup_jobs import BackupJobsApi, Listing
    from exporter.azure.gate import BudgetGate
    from exporter.backup.history import History, Window
    from exporter.backup.model import BackupJob, Settings, Vault
    from exporter.clock import Clock


@dataclass(frozen=True, slots=True)
class ListReading:
    """A whole job list.

    Attributes:
        jobs: On all its pages.
        window: What was asked for.
        since: Monotonic time when it was asked for: how old its data are.
    """

    jobs: list[BackupJob]
    window: Window
    since: float


class JobLists(Protocol):
    """The job list of one vault, again and again."""

    def read(self, history: History, now: datetime, give_up_at: float) -> ListReading:
        """The list of what may be new to a history.

        Raises:
            NotNowError: The read budget does not allow it now.
            ArmError: It cannot be read.
        """

    def reset(self) -> None:
        """Begin the next list anew."""

    def interval(self) -> float:
        """How often it is read while nothing forbids it, in seconds."""

    def interval_in_effect(self) -> float:
        """The same, or longer while nothing may be read at all."""

    def next_turn(self, started: float) -> float:
        """Monotonic time of the next list after one that began at ``started``."""

    def reads(self, due: float, until: float) -> int:
        """How many reads of the budget lists take until then, if the next is due at ``due``."""


class ArmLists:
    """A vault's list, asked of the vault itself; each page costs a read of the budget."""

    def __init__(
        self,
        vault: Vault,
        api: BackupJobsApi,
        gate: BudgetGate,
        *,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._vault = vault
        self._api = api
        self._gate = gate
        self._settings = settings
        self._clock = clock
        self._listing: Listing | None = None
        self._since = float("-inf")
        self.interval = gate.interval
        self.interval_in_effect = gate.interval_in_effect
        self.next_turn = partial(gate.next_turn, vault)

    def read(self, history: History, now: datetime, give_up_at: float) -> ListReading:
        """The list; one that the budget or a 429 has cut short is read on where it ended."""
        if self._listing is None:
            window = next_window(history, now, self._settings)
            self._listing = self._api.listing(self._vault, window)
            self._since = self._clock.monotonic()
        listing = self._listing
        try:
            jobs = self._api.read_list(listing, self._gate, give_up_at=give_up_at)
        except ArmError as error:
            # A wait spoils no page, but what has not begun is asked for as of then.
            if error.kind is not ErrorKind.THROTTLED or not listing.seen:
                self._listing = None
            raise
        self._listing = None
        # Azure's answer may have told that it was not so late yet.
        end = min(listing.window.end, self._clock.now())
        return ListReading(jobs, replace(listing.window, end=end), self._since)

    def reset(self) -> None:
        """Drop the pages of a list that was cut short."""
        self._listing = None

    def reads(self, due: float, until: float) -> int:
        """One for each list, whatever its pages."""
        if due > until:
            return 0
        return 1 + int((until - max(due, self._clock.monotonic())) // self.interval())
