"""Answers of Azure Resource Graph to rows, and rows to jobs (FACTS 15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.backup.fields import quote
from exporter.backup.parse import parse_job
from exporter.backup.vaults import vault_id_of_job
from exporter.errors import PayloadError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator

    from exporter.backup.model import BackupJob


class RowPage(NamedTuple):
    """One page of an answer.

    Attributes:
        rows: As they are.
        skip_token: What the next page is asked for with; None on the last one.
    """

    rows: list[object]
    skip_token: str | None


def parse_row_page(body: object) -> RowPage:
    """Read an answer of ``POST /providers/Microsoft.ResourceGraph/resources``.

    Raises:
        PayloadError: It is none, or says that rows were cut off without a way to the rest: a part
            must not pass for the whole. ``resultTruncated`` is a text (FACTS 15).
    """
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        raise PayloadError(f"not an answer of Resource Graph, no array 'data': {quote(body)}")
    token = body.get("$skipToken") or None
    if token is not None and not isinstance(token, str):
        raise PayloadError(f"$skipToken is no text: {quote(token)}")
    if token is None and str(body.get("resultTruncated")).lower() == "true":
        raise PayloadError("Resource Graph has cut off rows and names no next page")
    return RowPage(body["data"], token)


def parse_job_rows(
    rows: Iterable[object], problems: Counter[str]
) -> Iterator[tuple[str, BackupJob | None]]:
    """The jobs in rows of type ``microsoft.recoveryservices/vaults/backupjobs``.

    ``properties`` are those of the job list; whether they bring tasks and bag, too, is not known.

    Yields:
        The vault's id in lower case, empty if the row names none, and the job; None, counted as
        ``job``, where the row cannot be read or its vault is not known.
    """
    for row in rows:
        vault_id = vault_id_of_job(row)
        try:
            job = parse_job(row, problems) if vault_id else None
        except PayloadError:
            job = None
        if job is None:
            problems["job"] += 1
        yield vault_id, job
