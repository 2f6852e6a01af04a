"""The dashboards on a real Prometheus that scrapes the real exporter, and Grafana's own types."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prometheus.generate import SETTINGS, rules
from exporter.simulator import HttpError, MalformedJobs, Simulator, demo_fleet
from tests.processes import ROOT, Daemon, wait_for
from tests.stack.grafana.company import write_blocks
from tests.stack.programs import Prometheus, installed, scraping, serving, write_config

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

JOB = "azure-backup-exporter"
DASHBOARDS = {
    path.stem.removeprefix("azure-backup-"): json.loads(path.read_text("utf-8"))
    for path in sorted((ROOT / "grafana/dashboards").glob("*.json"))
}
TARGETS = [
    pytest.param(name, target, id=f"{name}: {panel['title']} {target['refId']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    for target in panel.get("targets", [])
]
SPAN = timedelta(hours=8)
ALL = ".*"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Some hours of history, and a live exporter in trouble: a vault down, odd answers.

    Our rules are not loaded: the dashboards must do without.
    """
    folder = tmp_path_factory.mktemp("dashboards")
    now = datetime.now(UTC)
    # So long ago that dashboards and alerts, which keep a state for 15 min, see the live one only.
    write_blocks(folder, demo_fleet(anchor=now), now - timedelta(minutes=16), SPAN)
    config = folder / "config.yaml"
    with Simulator(fleet=demo_fleet(anchor=now)) as simulator:
        write_config(config, simulator, [])
        settings = yaml.safe_load(config.read_text("utf-8"))
        settings["discovery"] = [{"management_group": "mg-demo"}]
        settings["metrics"] = {"job_series": "all"}
        config.write_text(yaml.safe_dump(settings), "utf-8")
        with (
            serving(config, simulator.identity_environ) as exporter,
            # Scraped twice, as a pair of exporters would be: nothing may count double.
            scraping(folder, dict.fromkeys((JOB, "standby"), address(exporter))) as running,
        ):
            branch, production, data = sorted(simulator.vault_ids)
            simulator.inject(HttpError("forbidden"), api="list", vault_id=branch)
            simulator.inject(MalformedJobs(), api="list", vault_id=production)
            passing = simulator.inject(HttpError("unavailable"), api="list", vault_id=data)
            retries = "azure_backup_exporter_api_retries_total"
            wait_for(retries, partial(found, running, retries))
            passing.clear()
            for settled in (
                f"count_over_time({retries}[1m]) > 5",
                "count_over_time(azure_backup_exporter_payload_errors_total[1m]) > 5",
                "count(sum by (job) (azure_backup_vault_up) == 2) == 2",
            ):
                wait_for(settled, partial(found, running, settled))
            yield running


def address(exporter: Daemon) -> str:
    return exporter.url.removeprefix("http://")


def found(prometheus: Prometheus, query: str) -> bool:
    return bool(prometheus.query(query))


def choices(prometheus: Prometheus, name: str) -> list[dict[str, str]]:
    """What the variables may be set to: everything, and each item in turn where one is chosen."""
    every: dict[str, list[str]] = {}
    for variable in DASHBOARDS[name]["templating"]["list"][1:]:
        if variable.get("includeAll"):
            every[variable["name"]] = [ALL]
        else:
            chosen = {key: values[0] for key, values in every.items()}
            every[variable["name"]] = values_of(prometheus, variable, chosen)
    return [dict(zip(every, values, strict=True)) for values in product(*every.values())]


def values_of(
    prometheus: Prometheus, variable: dict[str, Any], chosen: dict[str, str]
) -> list[str]:
    query = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
    assert query
    selector = substituted(query[1], chosen)
    values = prometheus.api(f"label/{query[2]}/values", **{"match[]": selector})
    return [str(value) for value in values]


def substituted(expr: str, chosen: dict[str, str]) -> str:
    names = chosen | {"__rate_interval": "10s"}
    text = re.sub(r"\$\{?(\w+)\}?", lambda found: names.get(found[1], found[0]), expr)
    assert "$" not in text
    return text


def answer(
    prometheus: Prometheus, target: dict[str, Any], chosen: dict[str, str]
) -> list[dict[str, Any]]:
    """As the panel asks: at this moment, or over the last ten minutes."""
    query = substituted(target["expr"], chosen)
    if target.get("instant"):
        data = prometheus.api("query", query=query)
    else:
        now = datetime.now(UTC).timestamp()
        span = {"start": f"{now - 600:.0f}", "end": f"{now:.0f}", "step": "5"}
        data = prometheus.api("query_range", query=query, **span)
    return list(data["result"])


@pytest.mark.parametrize(("name", "target"), TARGETS)
def test_every_query_finds_something(
    prometheus: Prometheus, name: str, target: dict[str, Any]
) -> None:
    """For the dashboard of one item: for some item, since none has every situation."""
    for chosen in choices(prometheus, name):
        rows = answer(prometheus, target, chosen)
        if rows:
            break

    assert rows, target["expr"]
    wanted = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
    shown = {label for row in rows for label in row["metric"]}
    # What is empty is no label to Prometheus: location and backup type are for some only.
    assert wanted - {"location", "backup_type"} <= shown


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_variable_offers_something(prometheus: Prometheus, name: str) -> None:
    for chosen in choices(prometheus, name)[:1]:
        for variable in DASHBOARDS[name]["templating"]["list"][1:]:
            assert values_of(prometheus, variable, chosen), variable["name"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_nothing_is_shown_of_another_vault(prometheus: Prometheus, name: str) -> None:
    """A query that forgot a variable would show every vault's."""
    for panel in DASHBOARDS[name]["panels"]:
        for target in panel.get("targets", []):
            chosen = dict.fromkeys(re.findall(r"\$(\w+)", target["expr"]), ALL)
            if "vault" in chosen:
                rows = answer(prometheus, target, chosen | {"vault": "no-such", "item": "web-01"})
                assert not rows, panel["title"]


def rows_of(prometheus: Prometheus, title: str) -> float:
    [panel] = [p for p in DASHBOARDS["overview"]["panels"] if p["title"] == title]
    chosen = choices(prometheus, "overview")[0]
    [row] = answer(prometheus, panel["targets"][0], chosen)
    return float(row["value"][1])


def alerting(prometheus: Prometheus, alert: str) -> int:
    """For how many the alert's expression holds, whatever its `for`."""
    settings = yaml.safe_load(SETTINGS.read_text("utf-8"))
    content = yaml.safe_load(rules(settings, remembers=False))
    every = [rule for group in content["groups"] for rule in group["rules"]]
    [expr] = [rule["expr"] for rule in every if rule.get("alert") == alert]
    # Prometheus runs without the rule file, as the dashboards must.
    for rule in reversed(every):
        if "record" in rule:
            expr = re.sub(rf"{rule['record']}\b(?!\[)", f"({rule['expr']})", expr)
    return len(prometheus.query(expr))


@pytest.mark.parametrize(
    ("title", "alert"),
    [
        ("Failed last", "AzureBackupJobFailed"),
        ("With warnings", "AzureBackupCompletedWithWarnings"),
        ("Late", "AzureBackupLate"),
        ("Never succeeded", "AzureBackupNeverSucceeded"),
    ],
)
def test_numbers_are_those_of_the_alerts(prometheus: Prometheus, title: str, alert: str) -> None:
    firing = alerting(prometheus, alert)

    assert firing > 0
    assert rows_of(prometheus, title) == firing


def test_vaults_are_unreadable_for_a_reason(prometheus: Prometheus) -> None:
    """The alert waits until a vault has been so for long; the dashboard does not."""
    forbidden = f'azure_backup_vault_down{{job="{JOB}", kind="forbidden"}} == 1'

    assert rows_of(prometheus, "Unreadable vaults") == len(prometheus.query(forbidden)) > 0


def test_an_empty_prometheus_shows_texts_and_no_zeros(tmp_path: Path) -> None:
    """The first day, or an exporter that has never been scraped: nothing may look green."""
    (tmp_path / "data").mkdir()
    with scraping(tmp_path, {}) as empty:
        for name, dashboard in DASHBOARDS.items():
            for panel in dashboard["panels"]:
                for target in panel.get("targets", []):
                    chosen = dict.fromkeys(re.findall(r"\$(\w+)", target["expr"]), ALL)
                    assert answer(empty, target, chosen) == [], (name, panel["title"])


def test_types_are_grafanas(tmp_path: Path) -> None:
    """Every key and value of the JSON against @grafana/schema, of the oldest and newest line."""
    source = Path(__file__).parent / "grafana/schema"
    work = tmp_path / "schema"
    shutil.copytree(source, work, ignore=shutil.ignore_patterns("node_modules"))
    run(installed("npm"), "ci", "--silent", cwd=work)
    for line in ("schema", "schema-11"):
        for path in (ROOT / "grafana/dashboards").glob("*.json"):
            made = run(installed("node"), "types.mjs", str(path), f"@grafana/{line}", cwd=work)
            (work / f"{line}-{path.stem}.ts").write_text(made, encoding="utf-8")
    run(str(work / "node_modules/.bin/tsc"), "-p", ".", cwd=work)


def test_the_type_check_finds_faults(tmp_path: Path) -> None:
    """Else it might accept everything."""
    work = tmp_path / "schema"
    shutil.copytree(Path(__file__).parent / "grafana/schema", work)
    run(installed("npm"), "ci", "--silent", cwd=work)
    dashboard = json.loads(json.dumps(DASHBOARDS["overview"]))
    dashboard["panels"][0]["options"]["colorMode"] = "valeu"
    dashboard["panels"][1]["fieldConfig"]["defaults"]["unitt"] = "s"
    (work / "wrong.json").write_text(json.dumps(dashboard), encoding="utf-8")
    made = run(installed("node"), "types.mjs", "wrong.json", "@grafana/schema", cwd=work)
    (work / "wrong.ts").write_text(made, encoding="utf-8")

    with pytest.raises(AssertionError, match=r"(?s)valeu.*unitt"):
        run(str(work / "node_modules/.bin/tsc"), "-p", ".", cwd=work)


def run(*command: str, cwd: Path) -> str:
    """A program to its good end; its output."""
    ended = subprocess.run(  # noqa: S603 - our own command
        command, cwd=cwd, capture_output=True, text=True, timeout=150, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
