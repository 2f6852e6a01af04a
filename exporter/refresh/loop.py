"""When each vault, or whatever else is read, is refreshed, and how many at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from exporter.errors import NotNowError
from exporter.threads import run_all, start_thread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.clock import Clock

log = logging.getLogger(__name__)

Start = Callable[[str, Callable[["_Turn"], None], "_Turn"], object]

_IDLE_SECONDS: Final = 3600.0
_NO_THREAD_SECONDS: Final = 5.0


class Reader(Protocol):
    """Something that is read again and again.

    Attributes:
        due: Monotonic time of the next time.
    """

    due: float

    @property
    def name(self) -> str:
        """For the log."""

    @property
    def ended_once(self) -> bool:
        """Whether a refresh has ended before, well or badly."""

    @property
    def suspect(self) -> bool:
        """Whether the last refresh hung: the next may hold up others."""

    def refresh(self) -> None:
        """Read it once.

        Raises:
            NotNowError: It may not be read now.
        """

    def next_turn(self, started: float) -> float:
        """Monotonic time of the refresh after one that began at ``started``."""

    def stale_at(self) -> float:
        """Monotonic time when what is known of it becomes too old; long past if nothing is."""

    def broke(self, error: Exception) -> None:
        """Take in that a refresh ended by an error of our own."""

    def not_read(self) -> None:
        """Take in that it has not been allowed to be read at all."""


@dataclass(slots=True)
class _Turn:
    """One reader's place in the schedule."""

    reader: Reader
    running: bool = False
    suspect: bool = False


class RefreshLoop:
    """Refreshes every reader at once and then at its interval, never twice at the same time.

    A reader whose last refresh hung may hold no more than half of the threads together with its
    like, so the others are never held up by it for long.

    Args:
        clock: What time it is.
        max_concurrency: Readers refreshed at once.
        stop: Ends the loop; whoever sets it calls ``wake``.
        start: Starts one refresh; in a thread of its own, unless time is simulated.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        max_concurrency: int,
        stop: threading.Event,
        start: Start = start_thread,
    ) -> None:
        self._start_work = start
        self._clock = clock
        self._stop = stop
        self._threads = max_concurrency
        self._most_suspects = max(1, max_concurrency // 2)
        self._turns: list[_Turn] = []
        self._lock = threading.Lock()
        self._changed = threading.Event()

    def set_readers(self, readers: Iterable[Reader]) -> None:
        """Say what is read from now on. A refresh under way of one that is dropped goes on."""
        with self._lock:
            known = {id(turn.reader): turn for turn in self._turns}
            self._turns = [known.get(id(reader)) or _Turn(reader) for reader in readers]
        self.wake()

    def wake(self) -> None:
        """Look at the schedule now."""
        self._changed.set()

    def run(self) -> None:
        """Refresh until stopped. Reads under way are not waited for."""
        while not self._stop.is_set():
            self._changed.clear()
            started, seconds_to_next = self._start_due()
            for turn in started:
                self._start(turn)
            self._clock.wait(self._changed, seconds_to_next)

    def _start(self, turn: _Turn) -> None:
        try:
            self._start_work("refresh", self._refresh, turn)
        except RuntimeError as error:  # the machine has no thread left
            log.error("refresh not started", extra={"reason": str(error)})  # noqa: TRY400
            with self._lock:
                turn.running = False
                turn.reader.due = self._clock.monotonic() + _NO_THREAD_SECONDS

    def run_once(self, readers: Iterable[Reader]) -> None:
        """Refresh some readers one time and wait for all; what the budget forbids stays unread."""
        chosen = {id(reader) for reader in readers}
        turns = [turn for turn in self._turns if id(turn.reader) in chosen]
        run_all("refresh", self._refresh, turns, threads=self._threads)
        for turn in turns:
            if not turn.reader.ended_once:
                turn.reader.not_read()

    def _start_due(self) -> tuple[list[_Turn], float]:
        """Mark what may start now as running; also for how long nothing else is due.

        What is due but finds no free thread waits for one: a refresh that ends wakes the loop.
        """
        with self._lock:
            now = self._clock.monotonic()
            running = [turn for turn in self._turns if turn.running]
            free = self._threads - len(running)
            free_for_suspects = self._most_suspects - sum(turn.suspect for turn in running)
            started = []
            seconds_to_next = _IDLE_SECONDS
            for turn in sorted(self._turns, key=lambda turn: turn.reader.due):
                due = turn.reader.due
                if due > now:
                    seconds_to_next = min(seconds_to_next, due - now)
                    break
                suspect = turn.reader.suspect
                if turn.running or free <= 0 or (suspect and free_for_suspects <= 0):
                    continue
                turn.running, turn.suspect = True, suspect
                free -= 1
                free_for_suspects -= suspect
                started.append(turn)
            return started, seconds_to_next

    def _refresh(self, turn: _Turn) -> None:
        reader = turn.reader
        started = self._clock.monotonic()
        due = started
        try:
            reader.refresh()
            due = reader.next_turn(started)
        except NotNowError as error:
            if not self._stop.is_set():
                due = error.available_at
                if started < (stale_at := reader.stale_at()) < due:
                    # To take old data off the page, though nothing can be read then.
                    due = stale_at
        except Exception as error:
            # The one broad except: no fault in one vault's data may end the loop.
            log.exception("refresh of %s broke", reader.name)
            due = reader.next_turn(started)
            reader.broke(error)
        finally:
            with self._lock:
                reader.due = due
                turn.running = False
            self._changed.set()
