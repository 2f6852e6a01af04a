"""The dashboards without Prometheus: current, legal, complete, and of one mind with the alerts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.processes import ROOT
from tests.promql import TARGET_LABELS, grouped, selectors, served

GRAFANA = ROOT / "grafana"
DASHBOARDS = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
]
TARGETS = [
    pytest.param(target, id=f"{name}: {panel['title']} {target['refId']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    for target in panel.get("targets", [])
]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Of Prometheus itself and of client_python.
ELSEWHERE = {
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "scrape_duration_seconds",
}
COLORS_OF_ALERTS = {"warning": "orange", "critical": "red"}


def substituted(expr: str) -> str:
    """With the variables' values, as PromQL."""
    text = expr.replace("$__rate_interval", "5m")
    return re.sub(r"\$\{?\w+\}?", ".*", text)


def variables(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable


def overrides(panel: dict[str, Any], column: str) -> dict[str, Any]:
    """The properties of a field, by id."""
    return {
        each["id"]: each["value"]
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == column
        for each in override["properties"]
    }


def panel_of(dashboard: str, title: str) -> dict[str, Any]:
    panels = DASHBOARDS[f"azure-backup-{dashboard}"]["panels"]
    [found] = [panel for panel in panels if panel["title"] == title]
    return dict(found)


def steps(panel: dict[str, Any]) -> list[tuple[float | None, str]]:
    thresholds = panel["fieldConfig"]["defaults"]["thresholds"]
    return [(step.get("value"), step["color"]) for step in thresholds["steps"]]


def test_the_files_are_what_the_code_makes() -> None:
    checked = subprocess.run(
        [sys.executable, "grafana/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr


def test_there_are_three_with_fixed_addresses() -> None:
    """Links and bookmarks name the uid."""
    assert {name: board["uid"] for name, board in DASHBOARDS.items()} == {
        "azure-backup-exporter": "azure-backup-exporter",
        "azure-backup-item": "azure-backup-item",
        "azure-backup-overview": "azure-backup-overview",
    }


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    """A panel without an id crashes the page."""
    panels = DASHBOARDS[name]["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(isinstance(panel["id"], int) and panel["id"] > 0 for panel in panels)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("name", DASHBOARDS)
def test_variables_filter_one_another(name: str) -> None:
    """Each query names the variables before it; with an `id`, they would overwrite each other."""
    dashboard = DASHBOARDS[name]
    first, *rest = dashboard["templating"]["list"]
    earlier: list[str] = []

    assert (first["name"], first["type"], first["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    for variable in rest:
        assert variable["datasource"] == SOURCE
        assert "id" not in variable
        assert not any(key.startswith("auto") for key in variable)
        used = re.findall(r"\$(\w+)", variable["query"]["query"])
        assert used == [each for each in earlier if each in used], "in order"
        assert set(earlier) <= {*used, "instance"}, variable["name"]
        earlier.append(variable["name"])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_variables_ask_for_labels_that_exist(name: str) -> None:
    families = served()
    for variable in variables(DASHBOARDS[name]):
        query = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert query, variable["name"]
        [(metric, labels)] = selectors(substituted(query[1]))
        assert {*labels, query[2]} <= families[metric] | TARGET_LABELS


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_dashboards_lead_to_each_other(name: str) -> None:
    [link] = DASHBOARDS[name]["links"]

    assert link["type"] == "dashboards"
    assert link["tags"] == DASHBOARDS[name]["tags"] == ["azure-backup"]
    assert link["includeVars"]
    assert link["keepTime"]


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_says_what_it_shows_and_what_to_do(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]

    assert panel["title"]
    assert len(panel["description"]) > 40
    assert panel["description"].endswith(".")
    assert defaults["unit"]
    assert defaults["noValue"]
    assert panel["datasource"] == SOURCE
    assert panel["targets"]
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs)


@pytest.mark.parametrize("panel", PANELS)
def test_an_override_is_for_a_column_or_series_that_exists(panel: dict[str, Any]) -> None:
    if panel["type"] != "table":
        return
    renamed: dict[str, str] = {}
    kept: set[str] = set()
    for transformation in panel["transformations"]:
        if transformation["id"] == "organize":
            renamed = transformation["options"]["renameByName"]
        if transformation["id"] == "filterFieldsByName":
            kept = set(transformation["options"]["include"]["names"])
    columns = {renamed.get(name, name) for name in kept}
    hidden = {name for name in columns if overrides(panel, name).get("custom.hidden")}

    for sort in panel["options"]["sortBy"]:
        assert sort["displayName"] in columns
    fields = set(re.findall(r"__data\.fields\.(\w+)", json.dumps(panel)))
    assert fields <= columns | kept
    assert hidden <= fields, "a hidden column is there for a link"


@pytest.mark.parametrize("target", TARGETS)
def test_every_query_is_legal_and_names_what_exists(target: dict[str, Any]) -> None:
    families = served() | {name: set() for name in ELSEWHERE}
    expr = substituted(target["expr"])
    found = list(selectors(expr))

    assert target["datasource"] == SOURCE
    assert found
    for metric, labels in found:
        assert metric in families, "recording rules and ALERTS would need our rules"
        assert labels <= families[metric] | TARGET_LABELS, metric
    assert grouped(expr) <= set().union(TARGET_LABELS, *families.values())


@pytest.mark.parametrize("target", TARGETS)
def test_every_selector_obeys_the_variables(target: dict[str, Any]) -> None:
    for selector in re.findall(r"\{[^}]*\}", target["expr"]):
        assert 'job=~"$job"' in selector
        if "subscription_id" in selector:
            assert 'subscription_id=~"$subscription"' in selector


@pytest.mark.parametrize("target", TARGETS)
def test_a_range_fits_the_scrape_interval(target: dict[str, Any]) -> None:
    """A fixed range hides what happens between two points, or finds one sample only."""
    for function, width in re.findall(r"\b(i?rate|increase)\(.*?\[([^\]]+)\]", target["expr"]):
        if not target.get("instant"):
            assert width == "$__rate_interval", function
        else:
            assert width == "1h"


@pytest.mark.parametrize("target", TARGETS)
def test_two_exporters_or_a_restart_do_not_double_a_row(target: dict[str, Any]) -> None:
    """Gauges of vaults and items are reduced before anything is counted."""
    bare = re.search(
        r"(?<!\()(?<!max by \()azure_backup_(?!exporter_|vault_refresh_errors)\w+\{",
        re.sub(r"max by \([^)]*\) \((last_over_time\()?azure_backup_\w+\{", "", target["expr"]),
    )

    assert not bare


def test_an_exporter_that_is_gone_leaves_no_green_zero() -> None:
    """A count of nothing must not read as "all is well"."""
    for panel in (parameter.values[0] for parameter in PANELS):
        assert isinstance(panel, dict)
        for target in panel["targets"]:
            assert "vector(" not in target["expr"]
            assert "absent(" not in target["expr"]


SETTINGS = yaml.safe_load((ROOT / "deploy/prometheus/settings.yaml").read_text("utf-8"))
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(
        (ROOT / "deploy/prometheus/azure-backup.rules.yaml").read_text("utf-8")
    )["groups"]
    for rule in group["rules"]
    if "alert" in rule
}


def test_failures_in_a_row_turn_red_where_the_alert_fires() -> None:
    limit = float(SETTINGS["failures_in_a_row"])
    rule = ALERTS["AzureBackupFailsRepeatedly"]

    assert f">= {limit:g}" in rule["expr"]
    assert steps(panel_of("item", "Failures in a row"))[-1] == (limit, "red")
    shown = overrides(panel_of("overview", "Backups, worst first"), "Failures in a row")
    assert shown["thresholds"]["steps"][-1] == {"value": limit, "color": "red"}


def test_stale_data_turn_red_where_the_alert_fires() -> None:
    rule = ALERTS["AzureBackupDataStale"]
    [intervals, floor] = re.findall(r"(\d+) \* max|, (\d+)\)", rule["expr"])

    assert steps(panel_of("overview", "Oldest data"))[-1] == (float(floor[1]), "red")
    for title in ("Vaults", "Age of the data", "Stale vaults"):
        texts = " ".join(target["expr"] for target in panel_of("exporter", title)["targets"])
        assert f"clamp_min({intervals[0]} * " in texts
        assert f", {floor[1]})" in texts


def test_few_reads_turn_red_where_the_alert_fires() -> None:
    share, at_most = SETTINGS["few_reads"]["share"], float(SETTINGS["few_reads"]["at_most"])
    [target] = panel_of("exporter", "Budgets nearly spent")["targets"]

    for expr in (ALERTS["AzureBackupReadBudgetSpent"]["expr"], target["expr"]):
        assert f"clamp_max({share} * max by" in expr
        assert f", {at_most:g})" in expr
    assert steps(panel_of("exporter", "Reads left in the budget"))[-1] == (at_most, "red")


def test_late_is_coloured_as_severely_as_its_alert() -> None:
    for title, alert in (("Failed last", "AzureBackupJobFailed"), ("Late", "AzureBackupLate")):
        severity = ALERTS[alert]["labels"]["severity"]
        assert steps(panel_of("overview", title))[-1] == (1, COLORS_OF_ALERTS[severity])


def test_a_link_to_the_portal_opens_the_vault_of_the_row() -> None:
    links = overrides(panel_of("overview", "Backups, worst first"), "Vault")["links"]

    assert [link["url"] for link in links] == [
        "https://portal.azure.com/#@/resource/subscriptions/${__data.fields.subscription_id}"
        "/resourceGroups/${__data.fields.resource_group}"
        "/providers/Microsoft.RecoveryServices/vaults/${__data.fields.Vault}/backupJobs"
    ]


def test_links_between_dashboards_keep_source_and_time() -> None:
    found = re.findall(r'"(/d/[^"]+)"', json.dumps(DASHBOARDS))

    assert found
    for url in found:
        assert "${datasource:queryparam}" in url
        assert "${job:queryparam}" in url
        assert "${__url_time_range}" in url
        assert re.match(r"/d/([\w-]+)\?", url)[1] in DASHBOARDS  # type: ignore[index]


def test_provisioning_is_ready_to_mount() -> None:
    providers = yaml.safe_load(
        (GRAFANA / "provisioning/dashboards/azure-backup.yaml").read_text("utf-8")
    )["providers"]
    [source] = yaml.safe_load(
        (GRAFANA / "provisioning/datasources/prometheus.yaml").read_text("utf-8")
    )["datasources"]

    assert [each["options"]["path"] for each in providers] == ["/var/lib/grafana/dashboards"]
    assert source["type"] == "prometheus"
    assert source["url"] == "${PROMETHEUS_URL}"
