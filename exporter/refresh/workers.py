"""Workers: they make requests, and nothing else."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import ArmError
from exporter.refresh.fetch import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.refresh.fetch import Reading, Request


class Workers(NamedTuple):
    """Who makes requests.

    Attributes:
        send: Hands one over; raises ``RuntimeError`` if the machine has no thread left.
        number: So many at once.
        timeout: Seconds that each may take at least.
    """

    send: Callable[[Request], object]
    number: int
    timeout: float


class Mailbox:
    """Answers on their way to the owner, whoever that is: it outlives a reload.

    Attributes:
        arrived: Set when there may be one.
    """

    def __init__(self) -> None:
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self.arrived = threading.Event()

    def put(self, answer: Answer) -> None:
        """Hand in an answer."""
        self._answers.put(answer)
        self.arrived.set()

    def take(self) -> list[Answer]:
        """All that have arrived since the last time."""
        self.arrived.clear()
        answers = []
        while True:
            try:
                answers.append(self._answers.get_nowait())
            except Empty:
                return answers


def work(readings: Iterable[Reading], mailbox: Mailbox) -> Callable[[Request], None]:
    """What a worker does with a request: it raises nothing, whatever comes."""
    by_name = {one.name: one for one in readings}

    def make(request: Request) -> None:
        try:
            value = by_name[request.fetch.id.reading].send(request)
        except ArmError as error:
            mailbox.put(Answer(request, fault=error))
        except Exception as error:
            mailbox.put(Answer(request, broke=error))
        else:
            mailbox.put(Answer(request, value))

    return make
