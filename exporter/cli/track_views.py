"""What ``track`` shows: a picture that moves on a terminal, else a line for each change."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from exporter.backup.progress import changes, percentage, remaining, sizes, title
from exporter.cli.terminal import STYLES, can_redraw, console, safe
from exporter.words import span

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import RenderableType

    from exporter.backup.tracked import TrackedJob
    from exporter.clock import Clock

_BAR_WIDTH = 40
_MARKS = {"Completed": "✔", "Failed": "✘", "InProgress": "▶", "Cancelled": "■"}


class View(Protocol):
    """Where the progress goes."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def say(self, text: str) -> None:
        """Something has happened."""

    def job(self, tracked: TrackedJob) -> None:
        """How the job stands now."""

    def done(self) -> None:
        """The job has ended; the next one may come."""


def make_view(clock: Clock) -> View:
    """The one that fits stdout."""
    return LiveView(clock) if can_redraw() else LineView(clock)


class LineView:
    """A line for each change, with the time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: TrackedJob | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def say(self, text: str) -> None:
        """Print a line."""
        sys.stdout.write(f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ} {safe(text)}\n")
        sys.stdout.flush()

    def job(self, tracked: TrackedJob) -> None:
        """Print what is new."""
        for text in changes(self._last, tracked):
            self.say(text)
        self._last = tracked

    def done(self) -> None:
        """Begin anew."""
        self._last = None


class LiveView:
    """One picture, drawn anew in its place; what has been said stays above it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._console = console()
        self._tracked: TrackedJob | None = None
        self._news = ""
        self._spinner = Spinner("dots")
        self._live = Live(
            console=self._console,
            get_renderable=self._picture,
            refresh_per_second=5,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()
        if self._tracked:
            self._console.print(self._picture())

    def say(self, text: str) -> None:
        """Print a line above the picture."""
        self._console.print(Text(safe(text)))

    def job(self, tracked: TrackedJob) -> None:
        """Draw how it stands."""
        self._tracked = tracked
        self._live.refresh()

    def done(self) -> None:
        """Leave the last picture where it is."""
        if self._tracked:
            picture = self._picture()
            self._tracked = None
            self._console.print(picture)

    def _picture(self) -> RenderableType:
        if self._tracked is None:
            return self._spinner
        tracked, job = self._tracked, self._tracked.job
        head = Table.grid(padding=(0, 1))
        mark = self._spinner if job.running else Text(_MARKS.get(job.status, "•"))
        started = job.start_time
        so_far = span(self._clock.now() - started) if job.running and started else ""
        more = ", ".join(filter(None, [so_far, remaining(job), *sizes(job)]))
        head.add_row(
            mark,
            Text(safe(title(job)), style="bold"),
            Text(safe(job.status), style=STYLES.get(job.status, "")),
            Text(more),
        )
        parts: list[RenderableType] = [head]
        if (share := percentage(job)) is not None:
            bar = Table.grid(padding=(0, 1))
            bar.add_row("", ProgressBar(total=100, completed=share, width=_BAR_WIDTH), f"{share} %")
            parts.append(bar)
        tasks = Table.grid(padding=(0, 1))
        for task in job.tasks:
            style = STYLES.get(task.status, "dim")
            tasks.add_row(
                "",
                Text(_MARKS.get(task.status, "·"), style=style),
                Text(safe(task.name)),
                Text(safe(task.status), style=style),
                Text(safe(tracked.notes.get(task.step, ""))),
            )
        parts.append(tasks)
        return Group(*parts)
