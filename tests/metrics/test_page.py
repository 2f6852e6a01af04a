"""The page: text, OpenMetrics and gzip, made of the same blocks."""

from __future__ import annotations

import gzip
import itertools
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from exporter.errors import ErrorKind
from exporter.metrics.exposition import FAMILIES, format_value, registry_text
from exporter.metrics.page import build_page, vault_blocks
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.snapshot import VaultSnapshot
from tests.builders import (
    a_detail,
    a_job,
    a_running_job,
    a_vault,
    hours_ago,
)
from tests.pages import a_snapshot, page_of, samples_of, text_of, values


def test_a_running_job_has_no_end_timestamp() -> None:
    """Absent, not 0: 0 would read as 1970 and fire every "backup too old" alert."""
    text = page_of(a_snapshot(a_running_job()))

    assert "azure_backup_job_end_timestamp_seconds{" not in text
    assert values(text, "job_status", status="InProgress", job_id="r1") == [1]


def test_the_newest_finished_job_of_an_item() -> None:
    text = page_of(a_snapshot(a_job(detail=a_detail())))

    assert values(text, "last_job_status", status="Completed") == [1]
    assert values(text, "last_job_status", status="Failed") == [0]
    assert len(values(text, "last_job_status")) == 5
    assert values(text, "last_job_duration_seconds") == [1200]
    assert values(text, "last_job_backup_size_bytes") == [2**20]
    assert values(text, "last_job_end_timestamp_seconds") == [hours_ago(1).timestamp()]
    assert values(text, "last_job_task_status", status="Completed") == [1, 1]
    assert values(text, "last_job_task_duration_seconds", step="2") == [300]
    assert values(text, "last_success_timestamp_seconds") == [hours_ago(1).timestamp()]
    assert values(text, "task_last_success_timestamp_seconds", task="Take Snapshot")
    assert values(text, "consecutive_failures") == [0]


def test_a_status_we_do_not_know_is_other() -> None:
    text = page_of(a_snapshot(a_job(status="Invalid")))

    assert values(text, "last_job_status", status="Other") == [1]
    assert values(text, "job_status", status="Invalid") == [1]


def test_unknown_is_absent() -> None:
    """A job known from the list alone has neither size nor tasks; they are not 0."""
    text = page_of(a_snapshot(a_job(duration_seconds=None)))

    for name in ("last_job_backup_size_bytes", "last_job_task_status", "job_duration_seconds"):
        assert values(text, name) == []


def test_a_vault_that_was_never_read_says_so_and_nothing_else() -> None:
    text = page_of(
        VaultSnapshot(vault=a_vault(), refresh_interval=timedelta(minutes=5)),
    )

    assert values(text, "vault_up") == values(text, "vault_down") == []
    assert values(text, "vault_refresh_errors_total") == [0] * len(ErrorKind)
    assert values(text, "jobs") == []


def test_a_vault_that_is_down_keeps_its_data_marked() -> None:
    text = page_of(a_snapshot(a_job(), up=False, errors={ErrorKind.TIMEOUT: 3}))

    assert values(text, "vault_up") == [0]
    assert values(text, "vault_refresh_errors_total", kind="timeout") == [3]
    assert values(text, "last_job_status", status="Completed") == [1]


@pytest.mark.parametrize(
    "name", ['quo"te', "back\\slash", "new\nline", "Ünïcödé 🎛", "\\n", "\r\x0b "]
)
def test_any_label_value_comes_back_as_it_was(name: str) -> None:
    text = page_of(a_snapshot(a_job(item=name)))

    assert {
        dict(labels)["item"] for sample, labels in samples_of(text) if "last_job" in sample
    } == {name}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_every_page_can_be_parsed_in_both_formats(names: list[str]) -> None:
    jobs = [a_job(str(n), item=name, operation=name) for n, name in enumerate(names)]
    page = build_page([vault_blocks(a_snapshot(*jobs))])

    parsed = samples_of(text_of(page.text))
    openmetrics = list(parse_openmetrics(text_of(page.openmetrics, b"# EOF\n")))

    assert len(parsed) == page.series == sum(len(family.samples) for family in openmetrics)


def test_families_stand_together_over_all_vaults() -> None:
    """The text format wants one block of lines for each family, with one HELP and TYPE."""
    other = a_snapshot(a_job(), vault=a_vault(name="vault-b"))
    text = page_of(a_snapshot(a_job()), other)
    names = [line.split("{")[0] for line in text.splitlines() if not line.startswith("#")]
    changes = sum(1 for a, b in itertools.pairwise(names) if a != b)

    assert changes == len(set(names)) - 1
    assert text.count("# TYPE azure_backup_vault_up gauge") == 1


def test_gzip_is_one_member_with_the_exporters_own_metrics_at_the_end() -> None:
    """``curl --compressed`` reads one member only."""
    page = build_page([vault_blocks(a_snapshot(a_job())), vault_blocks(a_snapshot())])
    tail = b"own 1\n" * 100

    assert gzip.decompress(b"".join(page.text.gzip(tail))).decode() == text_of(page.text, tail)
    assert gzip.decompress(b"".join(build_page([]).text.gzip(tail))) == tail


def test_both_formats_have_the_same_samples() -> None:
    registry = CollectorRegistry()
    Gauge("own", "Own.", registry=registry).set(1)
    page = build_page([vault_blocks(a_snapshot(a_job(detail=a_detail()), a_running_job()))])

    text = text_of(page.text, registry_text(registry))
    openmetrics = text_of(page.openmetrics, registry_text(registry, openmetrics=True))

    in_text = samples_of(text)
    in_openmetrics = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_openmetrics(openmetrics)
        for sample in family.samples
    }
    assert in_text == in_openmetrics


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")),
    st.floats(0, 1e18),
)
def test_a_registry_reads_as_prometheus_client_writes_it(text: str, value: float) -> None:
    """The exporter's own metrics, with whatever Azure's answers put into a label."""
    metrics = SelfMetrics(process=False)
    registry = metrics.registry
    metrics.discovery_up.labels(text, "é").set(-value)
    metrics.payload_errors.labels(text, text).inc(value)
    metrics.request_duration.labels(text).observe(value)
    Gauge("own_bytes", f'A "gauge" \\ {text}.', registry=registry).set(value)

    ours, theirs = registry_text(registry).decode(), generate_latest(registry).decode()
    assert list(text_string_to_metric_families(ours)) == list(
        text_string_to_metric_families(theirs)
    )
    ours = registry_text(registry, openmetrics=True).decode()
    theirs = generate_openmetrics(registry).decode()
    assert list(parse_openmetrics(ours)) == list(parse_openmetrics(theirs))


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60))
def test_a_value_reads_back_as_the_same_float(value: float) -> None:
    assert float(format_value(value)) == float(value)


def test_a_whole_number_has_no_point() -> None:
    assert [format_value(v) for v in (1, 1.0, 2445279232.0, 0.5, True)] == [
        "1",
        "1",
        "2445279232",
        "0.5",
        "1",
    ]
    assert format_value(-0.0) in ("0", "-0.0")
    assert math.isclose(float(format_value(1223.0896697)), 1223.0896697)


def test_every_family_has_help_type_and_the_prefix() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert family.name.startswith("azure_backup_")
        assert family.help.endswith(".")
        assert (family.type == "counter") == family.name.endswith("_total")
        assert not set(family.labels) & set(family.key)


def test_no_label_is_one_that_prometheus_gives_to_targets() -> None:
    """Prometheus would rename ours to ``exported_...``, and rules would group by the wrong one."""
    of_targets = {
        *("job", "instance", "namespace", "pod", "service", "container"),
        *("endpoint", "node", "cluster"),
    }
    exporter = SelfMetrics()
    own = {label for family in exporter.families for label in family.labels}
    of_process = {
        label
        for family in exporter.registry.collect()
        for sample in family.samples
        for label in sample.labels
    }
    of_vaults = {label for family in FAMILIES for label in (*family.key, *family.labels)}

    assert not of_targets & (own | of_process | of_vaults)


def test_the_contract_of_families_and_labels() -> None:
    """SPEC 5, word for word: dashboards and rules rely on it."""
    item = (
        "subscription_id resource_group vault_type vault backup_management_type"
        " protection_container item operation backup_type"
    )
    vault = "subscription_id resource_group vault_type vault"
    expected = {
        "azure_backup_jobs": f"{vault} backup_management_type operation status",
        "azure_backup_vault_info": f"{vault} location sku redundancy",
        "azure_backup_vault_up": vault,
        "azure_backup_vault_down": f"{vault} kind",
        "azure_backup_vault_last_refresh_success_timestamp_seconds": vault,
        "azure_backup_vault_refresh_duration_seconds": vault,
        "azure_backup_vault_refresh_interval_seconds": vault,
        "azure_backup_vault_refresh_errors_total": f"{vault} kind",
        "azure_backup_vault_details_pending": vault,
        "azure_backup_vault_job_series_dropped": vault,
        "azure_backup_last_job_status": f"{item} status",
        "azure_backup_last_success_age_limit_seconds": f"{item} severity",
        "azure_backup_last_job_duration_seconds": item,
        "azure_backup_last_job_backup_size_bytes": item,
        "azure_backup_last_job_data_transferred_bytes": item,
        "azure_backup_last_job_start_timestamp_seconds": item,
        "azure_backup_last_job_end_timestamp_seconds": item,
        "azure_backup_last_job_task_status": f"{item} task step status",
        "azure_backup_last_job_task_duration_seconds": f"{item} task step",
        "azure_backup_last_job_info": f"{item} job_id job_type workload_type activity_id",
        "azure_backup_last_job_error_info": f"{item} error_code error_title",
        "azure_backup_last_success_timestamp_seconds": item,
        "azure_backup_task_last_success_timestamp_seconds": f"{item} task",
        "azure_backup_consecutive_failures": item,
        "azure_backup_job_status": f"{item} job_id status",
        "azure_backup_job_duration_seconds": f"{item} job_id",
        "azure_backup_job_start_timestamp_seconds": f"{item} job_id",
        "azure_backup_job_end_timestamp_seconds": f"{item} job_id",
        "azure_backup_job_backup_size_bytes": f"{item} job_id",
        "azure_backup_job_data_transferred_bytes": f"{item} job_id",
        "azure_backup_job_progress_ratio": f"{item} job_id",
        "azure_backup_job_estimated_remaining_seconds": f"{item} job_id",
        "azure_backup_job_task_status": f"{item} job_id task step status",
        "azure_backup_job_task_duration_seconds": f"{item} job_id task step",
    }

    assert {f.name: " ".join((*f.key, *f.labels)) for f in FAMILIES} == expected
