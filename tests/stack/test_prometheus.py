"""What a real Prometheus makes of our page, in both formats."""

import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.simulator import HttpError, Simulator, demo_fleet
from tests.processes import Daemon, wait_for
from tests.stack.programs import (
    OPENMETRICS,
    TEXT,
    Prometheus,
    get,
    installed,
    page,
    scraping,
    serving,
    text_only,
    write_config,
)

pytestmark = pytest.mark.stack

Parser = Callable[[str], Iterable[Metric]]

ITEM = (
    "subscription_id, resource_group, vault_type, vault, backup_management_type,"
    " protection_container, item, operation, backup_type"
)


@dataclass(frozen=True, kw_only=True)
class Stack:
    simulator: Simulator
    exporter: Daemon
    prometheus: Prometheus


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    config = folder / "config.yaml"
    with Simulator(fleet=demo_fleet()) as simulator:
        write_config(config, simulator, simulator.vault_ids)
        with (
            serving(config, simulator.identity_environ) as exporter,
            text_only(exporter) as text_address,
            scraping(
                folder,
                {"openmetrics": exporter.url.removeprefix("http://"), "text": text_address},
            ) as prometheus,
        ):
            yield Stack(simulator=simulator, exporter=exporter, prometheus=prometheus)


def test_both_formats_are_scraped_without_a_complaint(stack: Stack) -> None:
    targets = stack.prometheus.api("targets")["activeTargets"]

    assert {target["labels"]["job"] for target in targets} == {"openmetrics", "text"}
    assert {target["health"] for target in targets} == {"up"}
    assert {target["lastError"] for target in targets} == {""}
    assert len(stack.prometheus.query("scrape_samples_scraped > 100")) == 2
    complaints = ("level=warn", "level=error", "Append failed", "Scrape failed", "uplicate")
    lines = stack.prometheus.log.splitlines()
    assert [line for line in lines if any(word in line for word in complaints)] == []


def test_the_two_jobs_are_two_formats(stack: Stack) -> None:
    """Otherwise one format is tested twice: only OpenMetrics names a counter without _total."""

    def counters(job: str) -> set[str]:
        target = f'{{job="{job}"}}'
        rows = stack.prometheus.api("targets/metadata", match_target=target)
        return {row["metric"] for row in rows if row["type"] == "counter"}

    assert "azure_backup_vault_refresh_errors" in counters("openmetrics")
    assert "azure_backup_vault_refresh_errors_total" in counters("text")


def test_prometheus_keeps_as_many_series_as_we_send(stack: Stack) -> None:
    """Of equal series Prometheus keeps one, without a word if the values are equal too."""
    ours = '{job=~".+", __name__!~"up|scrape_.*"}'

    kept = stack.prometheus.query(f"count by (job) ({ours}) == on (job) scrape_samples_scraped")

    assert len(kept) == 2


@pytest.mark.parametrize(
    ("accept", "parse"), [(TEXT, parse_text), (OPENMETRICS, parse_openmetrics)]
)
def test_no_series_stands_twice_on_the_page(stack: Stack, accept: str, parse: Parser) -> None:
    series = Counter(
        (sample.name, frozenset(sample.labels.items()))
        for family in parse(page(stack.exporter, accept))
        for sample in family.samples
    )

    assert len(series) > 100
    assert [line for line, times in series.items() if times > 1] == []


def test_promtool_finds_nothing_to_say_about_the_page(stack: Stack) -> None:
    checked = subprocess.run(  # noqa: S603 - our own command
        [installed("promtool"), "check", "metrics"],
        input=page(stack.exporter),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_every_vault_is_up(stack: Stack) -> None:
    expected = len(stack.simulator.vault_ids)

    assert stack.prometheus.number('sum(azure_backup_vault_up{job="text"})') == expected
    assert stack.prometheus.number('count(azure_backup_vault_up{job="text"})') == expected


def test_an_item_has_exactly_one_last_status(stack: Stack) -> None:
    """Alerts join on this: two statuses would be a many-to-many error, none a silent gap."""
    statuses = 'azure_backup_last_job_status{job="text"}'
    items = stack.prometheus.number(f"count(count by ({ITEM}) ({statuses}))")

    assert items
    assert stack.prometheus.number(f"count(sum by ({ITEM}) ({statuses}) == 1)") == items
    assert stack.prometheus.number(f"count(count by ({ITEM}) ({statuses}) == 5)") == items


def test_absent_tells_a_vault_that_is_not_read(stack: Stack) -> None:
    name = stack.simulator.vault_ids[0].rpartition("/")[2]

    assert stack.prometheus.number(f'absent(azure_backup_vault_up{{vault="{name}"}})') is None
    assert stack.prometheus.number('absent(azure_backup_vault_up{vault="no-such-vault"})') == 1


def finished_jobs(simulator: Simulator) -> dict[str, str]:
    """Status by id of the jobs whose end lies within the last day, as Azure's API tells it.

    Those of the last ten seconds are left out: the scraped page may be older.
    """
    identity = simulator.identity_environ
    token = get(
        f"{identity['IDENTITY_ENDPOINT']}?api-version=2019-08-01&resource=test",
        **{"X-IDENTITY-HEADER": identity["IDENTITY_HEADER"]},
    ).json()["access_token"]
    now = datetime.now(UTC)
    jobs = {}
    for vault_id in simulator.vault_ids:
        url = f"{simulator.url}{vault_id}/backupJobs?api-version=2024-10-01"
        while url:
            answer = get(url, Authorization=f"Bearer {token}").json()
            for job in answer["value"]:
                end = job["properties"].get("endTime")
                age = now - datetime.fromisoformat(end) if end else timedelta()
                if timedelta(seconds=10) < age < timedelta(hours=23, minutes=59):
                    jobs[job["name"].lower()] = job["properties"]["status"]
            url = answer.get("nextLink")
    return jobs


def test_each_finished_job_has_the_status_azure_gave_it(stack: Stack) -> None:
    shown = {
        labels["job_id"].lower(): labels["status"]
        for labels, _ in stack.prometheus.query('azure_backup_job_status{job="text"} == 1')
    }

    expected = finished_jobs(stack.simulator)

    assert len(set(expected.values())) > 1
    assert {job_id: shown.get(job_id) for job_id in expected} == expected


def test_failed_refreshes_are_a_rate_from_the_first_one_on(stack: Stack) -> None:
    """A counter that began at its first error would hide that error from rate()."""
    vault_id = stack.simulator.vault_ids[0]
    vault = f'job="text", vault="{vault_id.rpartition("/")[2]}"'
    errors = f'azure_backup_vault_refresh_errors_total{{{vault}, kind="forbidden"}}'
    assert stack.prometheus.number(f"rate({errors}[10s])") == 0

    injection = stack.simulator.inject(HttpError("forbidden"), api="list", vault_id=vault_id)
    try:
        wait_for("a rate", lambda: bool(stack.prometheus.number(f"rate({errors}[10s])")))
        assert stack.prometheus.number(f"azure_backup_vault_up{{{vault}}}") == 0
    finally:
        injection.clear()
        up = f"azure_backup_vault_up{{{vault}}}"
        wait_for("the vault to be up again", lambda: stack.prometheus.number(up) == 1)
