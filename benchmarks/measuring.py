"""What all measurements share: CPU time, programs of their own, tables."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

T = TypeVar("T")

ROOT: Final = Path(__file__).parents[1]
PATIENCE_SECONDS: Final = 60.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS: Final = 15


class Figure(NamedTuple):
    """One line of the table.

    Attributes:
        what: Of what.
        ours: Measured here, with its unit.
        baseline: The same of what we compare with, and its name.
        ratio: How many times better we are.
        goal: What it should be.
    """

    what: str
    ours: str
    baseline: str = ""
    ratio: str = ""
    goal: str = ""


def table(figures: Iterable[Figure]) -> str:
    """As Markdown."""
    lines = [
        "| what | measured | against | ratio | goal |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(f"| {' | '.join(figure)} |" for figure in figures),
    ]
    return "\n".join(lines)


def cpu_seconds(work: Callable[[], T], repeat: int = 5) -> tuple[float, T]:
    """The least CPU time of this process that some runs took, and what the last one made."""
    best = float("inf")
    for _ in range(repeat):
        started = time.process_time()
        result = work()
        best = min(best, time.process_time() - started)
    return best, result


def milliseconds(seconds: float) -> str:
    """With three digits."""
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"


def times(ratio: float) -> str:
    """A ratio without digits that mean nothing."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"  # noqa: PLR2004 - two digits


def cpu_of(pid: int) -> float:
    """Seconds of CPU a process has used, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_of(pid: int) -> tuple[float, float]:
    """Resident memory of a process in MiB: now, and the most so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
    return kib["VmRSS"] / 1024, kib["VmHWM"] / 1024


@contextmanager
def program(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the block ends; its standard output is a pipe."""
    process = subprocess.Popen(  # noqa: S603 - ours, and nginx
        arguments,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def python(module: str, *arguments: str) -> Sequence[str]:
    """The command line of a module of ours."""
    return (sys.executable, "-m", module, *arguments)


def first_line(process: subprocess.Popen[str], patience: float = PATIENCE_SECONDS) -> str:
    """What a program says first, within so many seconds.

    Raises:
        TimeoutError: It says nothing.
    """
    if process.stdout is None or not select.select([process.stdout], [], [], patience)[0]:
        raise TimeoutError(f"{process.args!r} said nothing")
    return process.stdout.readline().strip()
