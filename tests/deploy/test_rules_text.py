"""The rule file without Prometheus: what it names exists, and what every alert says."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.processes import ROOT
from tests.promql import TARGET_LABELS, grouped, selectors, served

RULES = yaml.safe_load((ROOT / "deploy/prometheus/azure-backup.rules.yaml").read_text("utf-8"))
ALL = [rule for group in RULES["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in ALL if "alert" in rule]
RECORDED = {rule["record"] for rule in ALL if "record" in rule}


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
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"].endswith("#" + alert["alert"].lower())
    assert not annotations["summary"].endswith(".")
    assert annotations["description"].endswith(".")


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_texts_name_only_labels_that_the_alert_has(alert: dict[str, Any]) -> None:
    """An alert's labels are those of its expression's first aggregation, or the target's."""
    text = " ".join(alert["annotations"].values())
    used = set(re.findall(r"\$labels\.(\w+)", text))
    first = re.search(r"by \(([^)]*)\)", alert["expr"])
    kept = set(first[1].split(", ")) if first else TARGET_LABELS

    assert used <= kept


def test_the_alerts_go_on_when_the_exporter_moves() -> None:
    """Only what is about one process carries its instance."""
    with_instance = {by_name(alert) for alert in ALERTS if "instance" in grouped(alert["expr"])}

    assert with_instance == {"AzureBackupConfigReloadFailed", "AzureBackupDiscoveryFailed"}
