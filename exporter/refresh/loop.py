"""When each vault is refreshed, and how many at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from exporter.errors import NotNowError
from exporter.threads import run_all, start_thread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.clock import Clock
    from exporter.refresh.vault import VaultRefresher

log = logging.getLogger(__name__)

Start = Callable[[str, Callable[["_Turn"], None], "_Turn"], object]

_IDLE_SECONDS: Final = 3600.0
_NO_THREAD_SECONDS: Final = 5.0


@dataclass(slots=True)
class _Turn:
    """One vault's place in the schedule."""

    refresher: VaultRefresher
    due: float
    running: bool = False
    suspect: bool = False
    ended_once: bool = False


class RefreshLoop:
    """Refreshes every vault at once and then at its interval, never twice at the same time.

    A vault whose last refresh hung may hold no more than half of the threads together with its
    like, so the others are never held up by it for long.

    Args:
        refreshers: One for each vault.
        clock: What time it is.
        max_concurrency: Vaults refreshed at once.
        stop: Ends the loop; whoever sets it calls ``wake``.
        start: Starts one refresh; in a thread of its own, unless time is simulated.
    """

    def __init__(
        self,
        refreshers: Iterable[VaultRefresher],
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
        self._turns = [
            _Turn(refresher, due=refresher.state.due, ended_once=refresher.state.up is not None)
            for refresher in refreshers
        ]
        self._lock = threading.Lock()
        self._changed = threading.Event()

    @property
    def ready(self) -> bool:
        """Whether the first refresh of every vault has ended, well or badly."""
        return all(turn.ended_once for turn in self._turns)

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
                turn.running, turn.due = False, self._clock.monotonic() + _NO_THREAD_SECONDS

    def run_once(self) -> None:
        """Refresh every vault one time and wait for all; what the budget forbids stays unread."""
        run_all("refresh", self._refresh, self._turns, threads=self._threads)
        for turn in self._turns:
            if not turn.ended_once:
                turn.refresher.not_read()

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
            for turn in sorted(self._turns, key=lambda turn: turn.due):
                if turn.due > now:
                    seconds_to_next = min(seconds_to_next, turn.due - now)
                    break
                suspect = turn.refresher.suspect
                if turn.running or free <= 0 or (suspect and free_for_suspects <= 0):
                    continue
                turn.running, turn.suspect = True, suspect
                free -= 1
                free_for_suspects -= suspect
                started.append(turn)
            return started, seconds_to_next

    def _refresh(self, turn: _Turn) -> None:
        refresher = turn.refresher
        started = self._clock.monotonic()
        ended, due = True, started
        try:
            refresher.refresh()
            due = refresher.gate.next_turn(started)
        except NotNowError as error:
            ended = False
            if not self._stop.is_set():
                due = error.available_at
                if started < (stale_at := refresher.stale_at()) < due:
                    # To take old data off the page, though nothing can be read then.
                    due = stale_at
        except Exception as error:
            # The one broad except: no fault in one vault's data may end the loop.
            log.exception("refresh broke", extra={"vault_name": refresher.vault.name})
            due = refresher.gate.next_turn(started)
            refresher.broke(error)
        finally:
            with self._lock:
                turn.due = refresher.state.due = due
                turn.running = False
                turn.ended_once = turn.ended_once or ended
            self._changed.set()
