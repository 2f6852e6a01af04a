"""Looks at an operation and its jobs until they end, as often as Azure and the budget allow."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from exporter.azure.pace import seconds_to_next_look
from exporter.errors import ArmError, ErrorKind, NotNowError
from exporter.words import span

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from exporter.azure.budget import ReadBudget
    from exporter.azure.operations import Look, OperationsApi
    from exporter.backup.operation import OperationStatus
    from exporter.backup.tracked import TrackedJob
    from exporter.cli.track_views import View
    from exporter.clock import Clock

T = TypeVar("T")

_PASSES: Final = frozenset(
    {ErrorKind.SERVER, ErrorKind.TIMEOUT, ErrorKind.NETWORK, ErrorKind.THROTTLED}
)
_MOST_FAULTS: Final = 10
_LATE: Final = 3
"""A job that an operation names may be found a moment later."""


class Tracker:
    """Follows what one command is asked to follow.

    Args:
        api: Azure.
        vault: Resource id.
        view: Where the progress goes.
        budget: Of reads of jobs.
        interval: Between two looks, at least.
        clock: What time it is.
        stop: Never set; to wait on.
    """

    def __init__(
        self,
        api: OperationsApi,
        vault: str,
        view: View,
        *,
        budget: ReadBudget,
        interval: timedelta,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._api = api
        self._vault = vault
        self._view = view
        self._budget = budget
        self._interval = interval
        self._clock = clock
        self._stop = stop

    def operation(self, operation: str) -> OperationStatus:
        """Follow an operation to its end.

        Raises:
            ArmError: It cannot be read.
        """
        said = ""
        while True:
            look = self._look(lambda: self._api.operation(self._vault, operation))
            status = look.found
            if status.status != said:
                self._view.say(f"operation: {status.status}")
                said = status.status
            if not status.running:
                return status
            wait = look.retry_after or self._interval
            self._wait(max(wait, self._interval).total_seconds())

    def job(self, job: str, *, may_be_late: bool) -> TrackedJob:
        """Follow a job to its end.

        Raises:
            ArmError: It cannot be read.
        """
        while True:
            look = self._look(
                lambda: self._api.job(self._vault, job, self._permit),
                late=_LATE if may_be_late else 0,
            )
            may_be_late = False
            self._view.job(look.found)
            if not look.found.job.running:
                return look.found
            now = self._clock.monotonic()
            self._wait(seconds_to_next_look(self._interval, look.retry_after, self._budget, now))

    def _look(self, read: Callable[[], Look[T]], *, late: int = 0) -> Look[T]:
        """One answer; faults that pass are waited out, but not for ever."""
        faults = 0
        while True:
            try:
                return read()
            except NotNowError as error:
                seconds = max(0.0, error.available_at - self._clock.monotonic())
                self._tell(str(error), seconds)
            except ArmError as error:
                faults += 1
                missing = error.kind is ErrorKind.NOT_FOUND and faults <= late
                if not missing and (error.kind not in _PASSES or faults >= _MOST_FAULTS):
                    raise
                asked = error.retry_after or self._interval
                seconds = max(asked, self._interval).total_seconds()
                self._tell(str(error), seconds)
            self._wait(seconds)

    def _tell(self, reason: str, seconds: float) -> None:
        self._view.say(f"{reason}; the next look is in {span(timedelta(seconds=seconds))}")

    def _permit(self) -> None:
        now = self._clock.monotonic()
        if not self._budget.take_list(now):
            raise NotNowError("the read budget is spent", self._budget.list_available_at(now))

    def _wait(self, seconds: float) -> None:
        self._clock.wait(self._stop, seconds)
