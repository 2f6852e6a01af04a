"""What a person sees on a terminal; without one, no colour and nothing that moves."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from rich.console import Console

from exporter.words import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_TERMINATED: Final = 128 + signal.SIGTERM

STYLES: Final = {
    "Completed": "green",
    "CompletedWithWarnings": "yellow",
    "Failed": "bold red",
    "Cancelled": "magenta",
    "InProgress": "cyan",
    "Cancelling": "magenta",
}


def safe(text: str) -> str:
    """The text in one line, and nothing in it that would steer a terminal."""
    return visible(text)


def on_terminal() -> bool:
    """Whether a person looks at stdout."""
    return sys.stdout.isatty()


def can_redraw() -> bool:
    """Whether what a person sees there can be drawn anew in its place: not where TERM is dumb."""
    return on_terminal() and not console().is_dumb_terminal


def console() -> Console:
    """Stdout; texts are shown as they are, without markup."""
    return Console(markup=False, emoji=False, highlight=False)


def waiting(text: str) -> AbstractContextManager[object]:
    """Show on stderr that something takes its time, if a person sees it there."""
    if not sys.stderr.isatty():
        return nullcontext()
    return Console(stderr=True, markup=False, emoji=False).status(text)


@contextmanager
def leaving_cleanly() -> Iterator[None]:
    """Have SIGTERM unwind as Ctrl-C does, so that the cursor comes back."""

    def leave(number: int, frame: object) -> None:
        del number, frame
        raise SystemExit(_TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
