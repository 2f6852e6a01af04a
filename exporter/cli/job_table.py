"""Jobs for people: a table as wide as the terminal."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from exporter.cli.terminal import STYLES, safe
from exporter.words import span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from exporter.backup.job_filter import ListedJob
    from exporter.backup.model import BackupJob

_FITS_VAULTS: Final = 60
_FITS_ALL_WORDS: Final = 120
_FITS_IDS: Final = 150
_FITS_ERRORS: Final = 180
_STATUS: Final = 11
_TASKS: Final = 16
_GIBIBYTE: Final = 2**30
_MEBIBYTE: Final = 2**20


def job_table(
    jobs: Sequence[ListedJob],
    *,
    now: datetime,
    width: int,
    details: bool,
    rows: int | None = None,
) -> Table:
    """The jobs, as they are ordered.

    Args:
        jobs: All of them.
        now: For the time that running jobs take so far.
        width: Columns of the terminal; a narrow one shows neither ids nor errors, and only how
            many tasks have completed; one as narrow as a telephone, what has become of which item.
        details: Whether sizes and tasks have been read.
        rows: At most; the rest is counted.
    """
    narrow, ids, errors = width < _FITS_ALL_WORDS, width >= _FITS_IDS, width >= _FITS_ERRORS
    vaults = width >= _FITS_VAULTS
    details = details and vaults
    shown = jobs[:rows]
    table = Table(
        title=f"{len(jobs)} job(s) at {now:%Y-%m-%d %H:%M:%S} UTC",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=not narrow,
        pad_edge=False,
        padding=(0, 0 if narrow else 1, 0, 0),
    )
    table.add_column("started", no_wrap=True)
    table.add_column("status", no_wrap=True, max_width=None if errors else _STATUS)
    for name in ("operation", "item", "vault") if vaults else ("item",):
        table.add_column(name, overflow="fold")
    if vaults:
        table.add_column("duration", justify="right", no_wrap=True)
    if details:
        table.add_column("size", justify="right", no_wrap=True)
        # The name of a task is not worth a second line.
        table.add_column("tasks", no_wrap=True, max_width=max(_TASKS, width - _FITS_ERRORS))
    if ids:
        table.add_column("job id", no_wrap=True)
    if errors:
        table.add_column("error", overflow="fold")
    for listed in shown:
        job, cells = listed.job, _cells(listed, now, narrow=narrow, vaults=vaults)
        if details:
            cells += [Text(size_text(job)), Text(_tasks(job, short=narrow))]
        if ids:
            cells.append(Text(safe(job.job_id)))
        if errors:
            cells.append(Text(_errors(job)))
        table.add_row(*cells)
    notes = []
    if len(shown) < len(jobs):
        notes.append(f"{len(jobs) - len(shown)} older ones do not fit.")
    if not errors:
        left_out = "Job ids and errors" if vaults else "The rest"
        notes.append(f"{left_out}: in a wider window, in a pipe, or with --json.")
    if notes:
        table.caption, table.caption_justify = " ".join(notes), "left"
    return table


def _cells(listed: ListedJob, now: datetime, *, narrow: bool, vaults: bool) -> list[Text]:
    vault, job = listed
    started = Text(_started(job, now, short=narrow))
    status = Text(safe(job.status), style=STYLES.get(job.status, ""))
    item = Text(safe(job.item))
    if not vaults:
        return [started, status, item]
    operation, name = Text(safe(operation_text(job))), Text(safe(vault.name))
    return [started, status, operation, item, name, Text(_duration(job, now))]


def operation_text(job: BackupJob) -> str:
    """As Azure writes it, e.g. ``Backup (Full)``."""
    return f"{job.operation} ({job.backup_type})" if job.backup_type else job.operation


def size_text(job: BackupJob) -> str:
    """What was backed up, else what was transferred; empty when not known."""
    detail = job.detail
    if detail is None:
        return ""
    size = detail.backup_size_bytes
    if size is None:
        size = detail.data_transferred_bytes
    if size is None:
        return ""
    if size >= _GIBIBYTE:
        return f"{size / _GIBIBYTE:,.1f} GiB"
    return f"{size / _MEBIBYTE:,.0f} MiB"


def _duration(job: BackupJob, now: datetime) -> str:
    if job.running and job.start_time:
        return span(now - job.start_time)
    if job.duration_seconds is None:
        return ""
    return span(timedelta(seconds=job.duration_seconds))


def _started(job: BackupJob, now: datetime, *, short: bool) -> str:
    """The day can be left out where it is today."""
    if job.start_time is None:
        return ""
    today = short and job.start_time.date() == now.date()
    return f"{job.start_time:{'%H:%M' if today else '%m-%d %H:%M'}}"


def _tasks(job: BackupJob, *, short: bool) -> str:
    """How many have completed, and which one is next; empty where there are none."""
    rest = [task for task in job.tasks if task.status != "Completed"]
    if not job.tasks:
        return ""
    share = f"{len(job.tasks) - len(rest)}/{len(job.tasks)}"
    return safe(f"{share} {rest[0].name}" if rest and not short else share)


def _errors(job: BackupJob) -> str:
    return safe("; ".join(f"{error.code} {error.title}".strip() for error in job.errors))
