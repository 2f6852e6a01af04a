"""How many series an estate makes: ``python -m benchmarks.cardinality``.

An item is a virtual machine with one nightly backup of two tasks, all details read; every tenth
night's backup failed. So the counts are exact and the same on every machine.
"""

from __future__ import annotations

import gzip
from typing import NamedTuple

from benchmarks.estate import a_history, a_snapshot, a_vault
from exporter.backup.model import JobSeries
from exporter.metrics.page import Body, build_page, vault_blocks

ITEMS = (100, 1000, 5000)


class Cardinality(NamedTuple):
    """The size of one page."""

    items: int
    job_series: JobSeries
    series: int
    plain_bytes: int
    gzip_bytes: int


def measure(items: int, job_series: JobSeries) -> Cardinality:
    """Build the page of one vault with so many items."""
    snapshot = a_snapshot(a_vault(), a_history(items), job_series=job_series)
    page = build_page([vault_blocks(snapshot)])
    return Cardinality(items, job_series, page.series, *_sizes(page.text))


def _sizes(body: Body) -> tuple[int, int]:
    plain = b"".join(body.plain(b""))
    packed = b"".join(body.gzip(b""))
    if gzip.decompress(packed) != plain:
        raise AssertionError("the gzip page is not the plain page")
    return len(plain), len(packed)


def table() -> str:
    """The measurement as a Markdown table."""
    lines = [
        "| items | `job_series` | series | page | gzip |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    for items in ITEMS:
        for job_series in (JobSeries.ALL, JobSeries.NONE):
            found = measure(items, job_series)
            lines.append(
                f"| {items:,} | `{job_series}` | {found.series:,}"
                f" | {found.plain_bytes / 1e6:.2f} MB | {found.gzip_bytes / 1e6:.2f} MB |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
