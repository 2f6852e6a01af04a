"""Coverage-guided fuzzing from a raw HTTP body to the page: ``make fuzz``.

The fuzzer changes the bytes of real-looking lists and keeps what reaches new code. Whatever comes
out must be refused as a whole or make a page that can be parsed, without two equal series.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["exporter"]):
    from exporter.azure.error_body import error_text, read_throttling
    from exporter.backup.details import wanted_details
    from exporter.backup.history import (
        DetailReading,
        History,
        Window,
        merge_details,
        merge_list,
        prune,
    )
    from exporter.backup.lateness import DEFAULT_LATENESS
    from exporter.backup.model import JobSeries, Settings, Vault
    from exporter.backup.parse import parse_job_detail, parse_job_page
    from exporter.backup.rollup import roll_up
    from exporter.errors import PayloadError
    from exporter.metrics.page import build_page, vault_blocks
    from exporter.metrics.snapshot import VaultSnapshot

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.simulator import demo_fleet, ticks
from exporter.simulator.arm_json import detail_document

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
WINDOW = Window(start=NOW - timedelta(days=8), end=NOW, full=True)
VAULT = Vault(subscription_id="s", resource_group="rg", name="v")
SETTINGS = Settings(
    lookback=timedelta(days=8),
    forget_after=timedelta(days=35),
    window=timedelta(hours=24),
    job_series=JobSeries.ALL,
    max_job_series=100,
    success_statuses=frozenset({"Completed"}),
    lateness=DEFAULT_LATENESS,
)


def one_body(data: bytes) -> None:
    """Take one body through the whole core."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return
    error_text(body)
    read_throttling({"Retry-After": data[:30].decode("latin-1")}, body, NOW)
    try:
        page = parse_job_page(body)
    except PayloadError:
        return
    history = merge_list(History(), page.jobs, WINDOW, SETTINGS)
    reading = DetailReading()
    for payload in body["value"]:
        try:
            job = parse_job_detail(payload, Counter())
        except PayloadError:
            continue
        if job.job_id in history.jobs:
            reading.jobs.append(job)
    history = prune(merge_details(history, reading), NOW, SETTINGS)
    wanted_details(history, NOW, SETTINGS)
    check(history)


def check(history: History) -> None:
    """The page can be parsed, and no two samples have equal labels."""
    snapshot = VaultSnapshot(
        vault=VAULT,
        refresh_interval=timedelta(minutes=5),
        up=True,
        rollup=roll_up(VAULT, history, NOW, SETTINGS),
    )
    page = build_page([vault_blocks(snapshot)])
    text = b"".join(page.openmetrics.plain(b"# EOF\n")).decode()
    samples = Counter(
        (sample.name, frozenset(sample.labels.items()))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    )
    if any(count > 1 for count in samples.values()):
        raise AssertionError("two samples with equal labels")


def seeds(folder: Path) -> None:
    """Lists of the simulator, a few jobs each, as details."""
    fleet, now = demo_fleet(anchor=NOW), ticks.from_datetime(NOW)
    for number, vault in enumerate(fleet.vaults):
        jobs = fleet.jobs(vault, None, None, now)
        for start in range(0, min(len(jobs), 40), 4):
            value = [detail_document(job, now, "2024-10-01") for job in jobs[start : start + 4]]
            (folder / f"{number}-{start}").write_text(json.dumps({"value": value}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as corpus:
        seeds(Path(corpus))
        atheris.Setup([*sys.argv, corpus], one_body)
        atheris.Fuzz()
