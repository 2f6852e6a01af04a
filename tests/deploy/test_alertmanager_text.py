"""The Alertmanager example without Alertmanager: inhibitions mute what they should, and no more."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
import yaml

from tests.processes import ROOT

CONFIG: Final = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text("utf-8"))
RULES: Final = yaml.safe_load(
    (ROOT / "deploy/prometheus/azure-backup.rules.yaml").read_text("utf-8")
)
MATCHER: Final = re.compile(r'(\w+)(=|!=|=~|!~)"(.*)"')


def labels_of(rule: dict[str, Any]) -> dict[str, str]:
    """Those that every alert of a rule has, with some value, and its own.

    The expression's first aggregation decides, or the target's labels where there is none.
    """
    first = re.search(r"by \(([^)]*)\)", rule["expr"])
    names = first[1].split(", ") if first else ["job"]
    return {**dict.fromkeys(names, "x"), **rule["labels"], "alertname": rule["alert"]}


ALERTS: Final = {
    rule["alert"]: labels_of(rule)
    for group in RULES["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
ITEMS: Final = {name for name, labels in ALERTS.items() if "item" in labels}
WATCHES: Final = {
    "AzureBackupVaultForbidden",
    "AzureBackupVaultThrottled",
    "AzureBackupVaultGone",
    "AzureBackupVaultUnreadable",
    "AzureBackupDataStale",
}


def matches(labels: dict[str, str], matchers: list[str]) -> bool:
    """Alertmanager's matching: regular expressions are anchored, absent labels are empty."""
    for text in matchers:
        found = MATCHER.fullmatch(text)
        assert found, text
        name, sign, value = found.groups()
        given = labels.get(name, "")
        same = bool(re.fullmatch(value, given)) if "~" in sign else given == value
        if same == sign.startswith("!"):
            return False
    return True


def muted_by(source: str, *, severity: str | None = None) -> set[str]:
    """Alerts with equal labels that an alert mutes; all, or those of one severity."""
    found = set()
    for rule in CONFIG["inhibit_rules"]:
        if matches(ALERTS[source], rule["source_matchers"]):
            found |= {n for n, labels in ALERTS.items() if matches(labels, rule["target_matchers"])}
    return {name for name in found if severity in (None, ALERTS[name]["severity"])}


@pytest.mark.parametrize("rule", CONFIG["inhibit_rules"], ids=lambda rule: rule["equal"][-1])
def test_both_sides_carry_every_equal_label(rule: dict[str, Any]) -> None:
    """Alertmanager takes two absent labels for equal: a vault's alert would mute all items."""
    for side in ("source_matchers", "target_matchers"):
        found = {n for n, labels in ALERTS.items() if matches(labels, rule[side])}
        assert found, side
        for name in found:
            assert set(rule["equal"]) <= ALERTS[name].keys(), name


def test_a_dead_exporter_mutes_everything_but_a_stopped_protection() -> None:
    kept = {"AzureBackupExporterDown", "AzureBackupProtectionStopped"}

    assert muted_by("AzureBackupExporterDown") == ALERTS.keys() - kept


@pytest.mark.parametrize("watch", sorted(WATCHES))
def test_an_unreadable_vault_mutes_its_items_but_a_stopped_protection(watch: str) -> None:
    assert muted_by(watch) & ITEMS == ITEMS - {"AzureBackupProtectionStopped"}
    assert muted_by(watch) - ITEMS <= {"AzureBackupDataStale", "AzureBackupDetailsPending"}


def test_a_critical_item_mutes_its_warnings() -> None:
    critical = {name for name in ITEMS if ALERTS[name]["severity"] == "critical"}
    warnings = ITEMS - critical - {"AzureBackupItemDisappeared"}

    assert critical
    for name in critical:
        assert muted_by(name) == warnings


def test_among_alerts_about_vaults_a_warning_mutes_no_critical_one() -> None:
    throttled = muted_by("AzureBackupVaultThrottled", severity="critical")

    assert throttled <= ITEMS


def test_no_alert_mutes_itself_or_whoever_mutes_it() -> None:
    for name in ALERTS:
        assert name not in muted_by(name)
        for other in muted_by(name):
            assert name not in muted_by(other), (name, other)


def test_some_alert_is_left_of_every_muting() -> None:
    """What mutes others can itself be muted, but only by one that is heard."""
    heard = {name for name in ALERTS if not any(name in muted_by(other) for other in ALERTS)}

    assert heard == {"AzureBackupExporterDown", "AzureBackupProtectionStopped"}


def test_nothing_is_sent_where_nobody_is_named() -> None:
    used = {CONFIG["route"]["receiver"]}
    for route in CONFIG["route"]["routes"]:
        used |= {route["receiver"], *(child["receiver"] for child in route["routes"])}

    assert used == {receiver["name"] for receiver in CONFIG["receivers"]}
    for receiver in CONFIG["receivers"]:
        assert receiver["name"] == "default" or receiver["webhook_configs"]
