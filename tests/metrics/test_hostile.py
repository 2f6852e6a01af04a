"""From a raw HTTP body to the page: whatever Azure sends, the page can be read and is honest."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.backup.history import DetailReading, History, Window, merge_details, merge_list, prune
from exporter.backup.parse import parse_job_detail, parse_job_page
from exporter.backup.rollup import roll_up
from exporter.errors import PayloadError
from exporter.metrics.page import build_page, vault_blocks
from exporter.metrics.snapshot import VaultSnapshot
from tests.builders import NOW, a_vault
from tests.builders import settings as core_settings

WINDOW = Window(start=NOW - timedelta(days=8), end=NOW, full=True)
GOOD = {
    "name": "good",
    "properties": {
        "entityFriendlyName": "good",
        "operation": "Backup",
        "status": "Failed",
        "startTime": "2026-03-10T10:00:00Z",
        "endTime": "2026-03-10T11:00:00Z",
    },
}

NASTY = st.text() | st.sampled_from(
    [
        "",
        " ",
        "\0",
        "\ud800",
        '"',
        "\\",
        "\n",
        "\r\n",
        "x" * 5000,
        "é",
        "É",
        "ß",
        "SS",
        "\u0131",
        "\u0130",
    ]
)
SCALARS = NASTY | st.none() | st.booleans() | st.integers() | st.floats() | st.just(10**400)
ANY: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NASTY, inner, max_size=3),
    max_leaves=8,
)
TIMES = st.sampled_from(
    ["2026-03-10T09:00:00Z", "2026-03-09T09:00:00.1234567Z", "0001-01-01T00:00:00", "9999-12-31"]
)


def fields(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of these fields, each mostly as it should be and sometimes anything at all."""
    return st.fixed_dictionaries({}, optional={k: v | ANY for k, v in known.items()})


TASKS = fields(
    taskId=st.sampled_from(["Take Snapshot", "Transfer Data to Vault"]) | NASTY,
    status=st.sampled_from(["Completed", "Failed"]) | NASTY,
    duration=st.sampled_from(["PT5S", "00:00:01.5", "PT0S"]) | NASTY,
    startTime=TIMES,
    endTime=TIMES,
)
JOBS = fields(
    name=st.sampled_from(["a", "A", "b", "good"]) | NASTY,
    properties=fields(
        jobType=NASTY,
        backupManagementType=st.sampled_from(["AzureWorkload", "AzureIaasVM"]) | NASTY,
        entityFriendlyName=st.sampled_from(["db", "DB", "db [host]", "DB [HOST]"]) | NASTY,
        containerName=NASTY,
        operation=st.sampled_from(["Backup", "Backup (Full)", "backup"]) | NASTY,
        status=st.sampled_from(["Completed", "Failed", "InProgress", "Cancelling"]) | NASTY,
        startTime=TIMES,
        endTime=TIMES,
        duration=st.sampled_from(["PT1H", "-PT5S", "1.00:00:00"]) | NASTY,
        errorDetails=st.lists(
            fields(errorCode=st.integers() | NASTY, errorTitle=NASTY), max_size=3
        ),
        extendedInfo=fields(
            tasksList=st.lists(TASKS, max_size=4),
            propertyBag=st.dictionaries(
                st.sampled_from(["Backup Size", "backup size ", "Data Transferred (in MB)"]),
                st.sampled_from(["5 MB", "20.5", "1e9 MB"]) | ANY,
            ),
            progressPercentage=st.floats() | st.integers(),
            estimatedRemainingDuration=NASTY,
        ),
    ),
)


def page_of(history: History) -> str:
    snapshot = VaultSnapshot(
        vault=a_vault(),
        refresh_interval=timedelta(minutes=5),
        up=True,
        rollup=roll_up(a_vault(), history, NOW, core_settings()),
    )
    page = build_page([vault_blocks(snapshot)])
    return b"".join(page.openmetrics.plain(b"# EOF\n")).decode()


def check(page: str) -> None:
    """It parses, and no two samples have equal labels."""
    samples = Counter(
        (sample.name, frozenset(sample.labels.items()))
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    )
    assert set(samples.values()) <= {1}
    assert "\0" not in page


@settings(max_examples=200)
@given(st.lists(JOBS | ANY, max_size=8))
def test_any_list_makes_a_page_that_shows_the_good_job(jobs: list[Any]) -> None:
    """One bad job never hides another."""
    body = json.loads(json.dumps({"value": [*jobs, GOOD, *jobs]}))
    page = parse_job_page(body)
    history = merge_list(History(), page.jobs, WINDOW, core_settings())
    details = []
    for payload in body["value"]:
        try:
            details.append(parse_job_detail(payload, Counter()))
        except PayloadError:
            continue
    known = [job for job in details if job.job_id in history.jobs]
    history = merge_details(history, DetailReading(jobs=known))
    history = prune(history, NOW, core_settings())

    page_text = page_of(history)
    check(page_text)
    assert 'job_id="good"' in page_text


@settings(max_examples=200)
@given(st.binary() | ANY.map(json.dumps).map(str.encode))
def test_any_body_is_a_list_or_a_payload_error(body: bytes) -> None:
    try:
        page = parse_job_page(json.loads(body))
    except (PayloadError, ValueError, RecursionError):
        return
    check(page_of(merge_list(History(), page.jobs, WINDOW, core_settings())))


def test_deep_nesting_is_an_error_like_others() -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = {"properties": deep, "value": [deep]}
    try:
        parse_job_page(deep)
    except PayloadError:
        return
    check(page_of(merge_list(History(), parse_job_page(deep).jobs, WINDOW, core_settings())))
