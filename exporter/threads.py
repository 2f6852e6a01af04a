"""Threads that do not hold up the exit.

The standard library's pools wait at exit for a read that hangs; daemon threads do not.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


def start_thread(name: str, work: Callable[[T], None], argument: T) -> threading.Thread:
    """Start work that ends by itself."""
    thread = threading.Thread(target=work, args=(argument,), name=name, daemon=True)
    thread.start()
    return thread


def begin(name: str, work: Callable[[], T]) -> Future[T]:
    """Start work that may never end, such as reading from a mount that hangs; its future result."""
    future: Future[T] = Future()

    def run(_: None) -> None:
        # From here on nobody can cancel it: the result is set whether or not one waits for it.
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    start_thread(name, run, None)
    return future


def run_all(name: str, work: Callable[[T], None], arguments: Iterable[T], *, threads: int) -> None:
    """Do work for every argument, in order, on so many threads, and wait for the end.

    Args:
        name: Of the threads.
        work: The first error it raises is raised here, after all the rest is done.
        arguments: One for each call.
        threads: At most.
    """
    waiting = deque(arguments)
    errors: list[Exception] = []

    def drain(_: None) -> None:
        while waiting:
            try:
                argument = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            try:
                work(argument)
            except Exception as error:
                errors.append(error)

    started = [start_thread(name, drain, None) for _ in range(min(threads, len(waiting)))]
    for thread in started:
        thread.join()
    if errors:
        raise errors[0]


class Pool:
    """Threads that are started as they are needed and wait for more work when theirs is done.

    It has no limit of its own: whoever hands work over counts, and may count out a thread that
    hangs.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Callable[[Any], None], Any]] = SimpleQueue()
        self._idle = threading.Semaphore(0)

    def start(self, name: str, work: Callable[[T], None], argument: T) -> None:
        """Have work done, which raises nothing.

        Raises:
            RuntimeError: The machine has no thread left.
        """
        if self._idle.acquire(blocking=False):
            self._work.put((work, argument))
        else:
            start_thread(name, self._run, (work, argument))

    def _run(self, first: tuple[Callable[[Any], None], Any]) -> None:
        work, argument = first
        while True:
            work(argument)
            self._idle.release()
            work, argument = self._work.get()
