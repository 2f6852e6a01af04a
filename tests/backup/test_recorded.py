"""Every recorded answer through the whole core, against values read here from the raw JSON.

The reading below shares no code with the product: other expressions, decimal arithmetic.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from exporter.backup.history import (
    DetailReading,
    History,
    Window,
    merge_details,
    merge_list,
)
from exporter.backup.parse import parse_job_detail, parse_job_page
from exporter.backup.rollup import roll_up
from exporter.metrics.page import build_page, vault_blocks
from exporter.metrics.snapshot import VaultSnapshot
from tests.builders import a_vault, settings

if TYPE_CHECKING:
    from pathlib import Path

YEARS = timedelta(days=9000)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = settings(lookback=YEARS, forget_after=YEARS, window=YEARS)
ALL = Window(start=NOW - YEARS, end=NOW, full=True)


def recorded_jobs(shared: Path) -> list[tuple[str, dict[str, Any], bool]]:
    """Each file with a job or a list of jobs: its name, the body, whether it is a list."""
    files = [
        *shared.glob("recorded/job-*/**/*.json"),
        *shared.glob("recorded/crr-jobs/*.json"),
        *shared.glob("examples/docs/job-detail-*.json"),
        *shared.glob("examples/recoveryservicesbackup/*/*Jobs*.json"),
        *shared.glob("examples/recoveryservicesbackup/*/*JobDetails*.json"),
        *shared.glob("examples/recoveryservicesbackup/*/*GetCrrJob_*.json"),
    ]
    found = []
    for file in sorted(files):
        content = json.loads(file.read_text())
        body = content.get("body") or content["responses"].get("200", {}).get("body")
        if isinstance(body, dict) and ("value" in body or "jobType" in body.get("properties", {})):
            found.append((str(file.relative_to(shared)), body, "value" in body))
    return found


def seconds(text: str) -> Decimal:
    """A duration in either form, by counting its units."""
    sign = -1 if text.startswith("-") else 1
    text = text.lstrip("-")
    if text.startswith("P"):
        units = {"D": 86400, "H": 3600, "M": 60, "S": 1}
        total = sum(Decimal(n) * units[unit] for n, unit in re.findall(r"([\d.]+)([DHMS])", text))
    else:
        hours, minutes, rest = text.split(":")
        days, _, hours = hours.rpartition(".")
        total = Decimal(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + Decimal(rest)
    return Decimal(max(0, sign * total))


def page_samples(history: History) -> dict[str, list[tuple[dict[str, str], float]]]:
    snapshot = VaultSnapshot(
        vault=a_vault(),
        refresh_interval=timedelta(minutes=5),
        up=True,
        rollup=roll_up(a_vault(), history, NOW, SETTINGS),
    )
    text = b"".join(build_page([vault_blocks(snapshot)]).text.plain(b"")).decode()
    samples: dict[str, list[tuple[dict[str, str], float]]] = {}
    seen: Counter[tuple[str, frozenset[tuple[str, str]]]] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            seen[sample.name, frozenset(sample.labels.items())] += 1
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    assert set(seen.values()) <= {1}
    return samples


def history_of(body: dict[str, Any], *, is_list: bool) -> tuple[History, Counter[str]]:
    if is_list:
        page = parse_job_page(body)
        return merge_list(History(), page.jobs, ALL, SETTINGS), page.problems
    problems: Counter[str] = Counter()
    job = parse_job_detail(body, problems)
    listed = merge_list(History(), [structs.replace(job, detail=None)], ALL, SETTINGS)
    return merge_details(listed, DetailReading(jobs=[job])), problems


def test_there_are_enough_recorded_jobs_to_mean_something(shared: Path) -> None:
    bodies = recorded_jobs(shared)

    assert len(bodies) > 110
    assert sum(is_list for _, _, is_list in bodies) > 15


def test_every_recorded_job_is_on_the_page_with_its_own_values(shared: Path) -> None:
    """Count, status, duration, sizes, progress, tasks and errors of 110 files and more."""
    for name, body, is_list in recorded_jobs(shared):
        history, problems = history_of(body, is_list=is_list)
        samples = page_samples(history)
        # The official example of a list names two jobs by one GUID; the last one stands.
        jobs = {job["name"]: job["properties"] for job in body.get("value", [body])}
        assert not problems, name

        def of(family: str, job_id: str, samples: Any = samples) -> list[Any]:
            found = samples.get(f"azure_backup_job_{family}", [])
            return [(labels, value) for labels, value in found if labels["job_id"] == job_id]

        assert len(samples["azure_backup_job_status"]) == len(jobs), name
        for job_id, job in jobs.items():
            assert [labels["status"] for labels, _ in of("status", job_id)] == [job["status"]]
            if not (is_list and len(body["value"]) > len(jobs)):
                check_values(job, of, job_id)


def check_values(job: dict[str, Any], of: Any, job_id: str) -> None:
    assert [value for _, value in of("duration_seconds", job_id)] == (
        [float(seconds(job["duration"]))] if "duration" in job else []
    )
    (labels, start) = of("start_timestamp_seconds", job_id)[0]
    assert start == pytest.approx(epoch(job["startTime"]), abs=1e-5)
    assert labels["operation"] == job["operation"].split(" (")[0]
    assert job["entityFriendlyName"].lower().startswith(labels["item"].lower())
    ended = job["status"] not in ("InProgress", "Cancelling")
    assert [value for _, value in of("end_timestamp_seconds", job_id)] == (
        [pytest.approx(epoch(job["endTime"]), abs=1e-5)] if ended else []
    )

    extended = job.get("extendedInfo") or {}
    bag = extended.get("propertyBag") or {}
    size = bag.get("Backup Size")
    assert [value for _, value in of("backup_size_bytes", job_id)] == (
        [int(size.removesuffix(" MB")) * 1024 * 1024] if size else []
    )
    transferred = bag.get("Data Transferred (in MB)")
    assert [value for _, value in of("data_transferred_bytes", job_id)] == (
        [pytest.approx(float(Decimal(transferred) * 1024 * 1024))] if transferred else []
    )
    percentage = extended.get("progressPercentage")
    assert [value for _, value in of("progress_ratio", job_id)] == (
        [] if percentage is None else [pytest.approx(percentage / 100)]
    )
    remaining = extended.get("estimatedRemainingDuration")
    assert [value for _, value in of("estimated_remaining_seconds", job_id)] == (
        [float(seconds(remaining))] if remaining else []
    )

    tasks = extended.get("tasksList") or []
    assert sorted(
        (int(labels["step"]), labels["task"].lower(), labels["status"])
        for labels, _ in of("task_status", job_id)
    ) == [(i, task["taskId"].lower(), task["status"]) for i, task in enumerate(tasks, 1)]
    assert {int(labels["step"]) for labels, _ in of("task_duration_seconds", job_id)} == {
        i for i, task in enumerate(tasks, 1) if seconds(task.get("duration") or "PT0S") > 0
    }


def epoch(text: str) -> float:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    since = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC) - datetime(
        1970, 1, 1, tzinfo=UTC
    )
    return since.total_seconds() + float(f"0.{fraction or 0}")


def test_recorded_sequences_show_no_duplicate_no_gap_and_no_old_name(shared: Path) -> None:
    """Successive readings of one job as successive refreshes, list and detail."""
    sequences = sorted((shared / "recorded" / "job-sequences").iterdir())
    assert sequences
    for sequence in sequences:
        history = History()
        for file in sorted(sequence.iterdir()):
            body = json.loads(file.read_text())["body"]
            listed = {
                **body,
                "properties": {k: v for k, v in body["properties"].items() if k != "extendedInfo"},
            }
            page = parse_job_page({"value": [listed]})
            history = merge_list(history, page.jobs, ALL, SETTINGS)
            between = page_samples(history)
            detail = parse_job_detail(body, Counter())
            history = merge_details(history, DetailReading(jobs=[detail]))
            after = page_samples(history)

            operation = body["properties"]["operation"].split(" (")[0]
            for samples in (between, after):
                [(labels, _)] = samples["azure_backup_job_status"]
                assert labels["job_id"] == body["name"]
                assert labels["operation"] == operation
                assert labels["status"] == body["properties"]["status"]
            finished = after.get("azure_backup_last_job_status", [])
            assert len(finished) == (5 if "endTime" in body["properties"] else 0)
        assert finished


def test_the_articles_job_has_the_articles_values(shared: Path) -> None:
    name = "job-detail-how-to-article-iaasvm.json"
    body = json.loads((shared / "examples" / "docs" / name).read_text())["responses"]["200"]["body"]

    samples = page_samples(history_of(body, is_list=False)[0])

    assert [value for _, value in samples["azure_backup_last_job_duration_seconds"]] == [
        1223.0896697
    ]
    assert [v for _, v in samples["azure_backup_last_job_backup_size_bytes"]] == [2445279232]
    assert [
        (labels["task"], labels["status"])
        for labels, _ in samples["azure_backup_last_job_task_status"]
    ] == [("Take Snapshot", "Completed"), ("Transfer data to vault", "Completed")]
