"""The rule file without Prometheus: what it names exists, and what every alert says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from exporter.backup import health as judgement
from exporter.backup.health import Health
from exporter.backup.lateness import DEFAULT_LATENESS
from exporter.backup.model import BACKUP, RESTORING, STOPPING
from exporter.config.types import read_duration
from exporter.web.status.lines import health_tone
from exporter.words import span
from tests.processes import ROOT
from tests.promql import TARGET_LABELS, grouped, selectors, served

RULES = yaml.safe_load((ROOT / "deploy/prometheus/azure-backup.rules.yaml").read_text("utf-8"))
SETTINGS = yaml.safe_load((ROOT / "deploy/prometheus/settings.yaml").read_text("utf-8"))
ALL = [rule for group in RULES["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in ALL if "alert" in rule]
RECORDED = {rule["record"]: rule["expr"] for rule in ALL if "record" in rule}


def by_name(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


@pytest.mark.parametrize("rule", ALL, ids=by_name)
def test_every_metric_and_label_exists(rule: dict[str, Any]) -> None:
    families = served()
    known_labels = set().union(TARGET_LABELS, *families.values())
    found = list(selectors(rule["expr"]))

    assert found
    for metric, labels in found:
        if metric not in RECORDED:
            assert metric in families, metric
            assert labels <= families[metric] | TARGET_LABELS, metric
    assert grouped(rule["expr"]) <= known_labels


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_every_alert_is_complete(alert: dict[str, Any]) -> None:
    annotations = alert["annotations"]

    assert alert["alert"].startswith("AzureBackup")
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert annotations.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert annotations["runbook_url"] == f"{SETTINGS['runbooks']}#{alert['alert'].lower()}"
    assert annotations["dashboard_url"].startswith(f"{SETTINGS['grafana']}/d/")
    # A sentence for all alerts of a name, or the title of one: docs/monitoring.md says why.
    assert annotations["summary"].endswith(".") == ("$labels" not in annotations["summary"])
    # Behind the last sentence stands why, where there is a reason.
    said = re.sub(r"\{\{ range .*\}\}$", "", annotations["description"])
    assert said.endswith(".")
    assert "{{ range" not in said


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_the_dashboard_exists_and_has_the_variables(alert: dict[str, Any]) -> None:
    """It opens at what the alert is about: each of its labels that a dashboard can choose by."""
    url = alert["annotations"]["dashboard_url"]
    [uid] = re.findall(r"/d/([\w-]+)\?", url)
    dashboard = json.loads((ROOT / f"grafana/dashboards/{uid}.json").read_text("utf-8"))
    chosen = re.findall(r"\bvar-(\w+)=", url)
    named = {"vault", "item"} & set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"]))

    assert dashboard["uid"] == uid
    assert {"job", *named} <= set(chosen)
    assert set(chosen) <= {one["name"] for one in dashboard["templating"]["list"]}
    assert url.count("urlquery") == len(chosen), "any name must survive"


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_what_the_texts_ask_exists(alert: dict[str, Any]) -> None:
    families = served()
    asked = re.findall(r"printf `(.*?)`", alert["annotations"]["description"])

    for expr in asked:
        for metric, labels in selectors(expr.replace("%q", '"x"')):
            assert labels <= families[metric] | TARGET_LABELS, metric


def test_alerts_about_a_finished_job_say_its_error() -> None:
    """And those about a vault that is down, for reasons of several kinds, say which."""
    asked = {
        by_name(alert): re.findall(
            r"printf `.*?(azure_backup_\w+)", alert["annotations"]["description"]
        )
        for alert in ALERTS
    }
    silent = {
        # It has no error, or none yet.
        "AzureBackupRunsTooLong",
        "AzureBackupProtectionStopped",
        "AzureBackupItemDisappeared",
        # The name says it all.
        "AzureBackupVaultThrottled",
        "AzureBackupVaultGone",
        # No refresh has failed.
        "AzureBackupVaultNeverRead",
        "AzureBackupVaultDisappeared",
        "AzureBackupDataStale",
        "AzureBackupDetailsPending",
    }

    for group, family in (("items", "last_job_error_info"), ("vaults", "vault_down")):
        [rules] = [
            one["rules"] for one in RULES["groups"] if one["name"] == f"azure-backup-{group}"
        ]
        for rule in rules:
            if "alert" in rule and rule["alert"] not in silent:
                assert asked[rule["alert"]] == [f"azure_backup_{family}"], rule["alert"]


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_texts_name_only_labels_that_the_alert_has(alert: dict[str, Any]) -> None:
    """An alert's labels are those of its expression's first aggregation, or the target's."""
    text = " ".join(alert["annotations"].values())
    used = set(re.findall(r"\$labels\.(\w+)", text))
    expr = alert["expr"]
    while begins := re.match(r"azure_backup:\w+", expr):
        expr = RECORDED[begins[0]]
    first = re.search(r"by \(([^)]*)\)", expr)
    kept = set(first[1].split(", ")) if first else TARGET_LABELS

    assert used <= kept


def test_the_alerts_go_on_when_the_exporter_moves() -> None:
    """Only what is about one process carries its instance."""
    with_instance = {by_name(alert) for alert in ALERTS if "instance" in grouped(alert["expr"])}

    assert with_instance == {"AzureBackupConfigReloadFailed", "AzureBackupDiscoveryFailed"}


def test_the_status_page_judges_by_the_same_thresholds() -> None:
    """The settings are not in the package; a page that differs from the alerts helps nobody."""
    page = (ROOT / "exporter/web/status/status.html").read_text("utf-8")

    assert SETTINGS["backups"] == BACKUP
    assert SETTINGS["failures_in_a_row"] == judgement.FAILURES_IN_A_ROW
    assert read_duration(SETTINGS["one_off"]) == judgement.ONE_OFF
    assert SETTINGS["already_running"] == judgement.ALREADY_RUNNING
    for text in ("from 3 jobs in a row", "count for 1 day"):
        assert text in page
    for rule in DEFAULT_LATENESS:
        if rule.limits.warning and rule.limits.critical:
            assert f"{span(rule.limits.warning)} and {span(rule.limits.critical)}" in page
    for operations in (STOPPING, RESTORING):
        assert any(f'"{"|".join(operations)}"' in rule["expr"] for rule in ALL)


@pytest.mark.parametrize(
    ("health", "alert"),
    [
        (Health.NEVER, "AzureBackupNeverSucceeded"),
        (Health.REPEATEDLY, "AzureBackupFailsRepeatedly"),
        (Health.LATE, "AzureBackupLate"),
        (Health.RESTORE, "AzureBackupRestoreFailed"),
        (Health.MISSED, "AzureBackupMissed"),
        (Health.FAILED, "AzureBackupJobFailed"),
        (Health.FAILED, "AzureBackupOperationFailed"),
        (Health.STOPPED, "AzureBackupProtectionStopped"),
        (Health.TASK, "AzureBackupTaskNotCompleted"),
        (Health.WARNINGS, "AzureBackupCompletedWithWarnings"),
    ],
)
def test_the_status_page_is_red_where_the_alert_is_critical(health: Health, alert: str) -> None:
    [severity] = [rule["labels"]["severity"] for rule in ALERTS if rule["alert"] == alert]

    assert health_tone(health) == {"critical": "bad", "warning": "warn"}[severity]
