"""The Alertmanager and Prometheus examples, judged by amtool and promtool."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.processes import ROOT
from tests.stack.loop import commented
from tests.stack.programs import installed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.stack

DEPLOY: Final = ROOT / "deploy"
CONFIG: Final = DEPLOY / "alertmanager/alertmanager.yml"
TEMPLATES: Final = DEPLOY / "alertmanager/azure-backup.tmpl"
DAY, NIGHT = "azure-backup", "azure-backup-urgent"

VAULT: Final = {
    "job": "azure-backup-exporter",
    "subscription_id": "00000000-0000-4000-8000-000000000001",
    "resource_group": "rg-(west)",
    "vault_type": "RecoveryServices",
    "vault": "vault-a",
}
PORTAL: Final = (
    "https://portal.azure.com/#@/resource/subscriptions/00000000-0000-4000-8000-000000000001"
    "/resourceGroups/rg-%28west%29/providers/Microsoft.RecoveryServices/vaults/vault-a/backupJobs"
)


def tool(program: str, *arguments: str) -> str:
    """Its output; a failure shows what it said."""
    ran = subprocess.run(  # noqa: S603 - amtool and promtool
        [installed(program), *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_example_is_valid() -> None:
    said = tool("amtool", "check-config", str(CONFIG))

    assert "SUCCESS" in said
    assert "1 templates" in said


@pytest.mark.parametrize("kind", ["slack_configs", "email_configs"])
def test_the_commented_receivers_are_valid_too(kind: str, tmp_path: Path) -> None:
    """Not that of Teams: Debian's Alertmanager is older than it."""
    config = yaml.safe_load(CONFIG.read_text("utf-8"))
    config["receivers"][1] |= yaml.safe_load(commented(kind))
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(config), "utf-8")
    shutil.copy(TEMPLATES, tmp_path)

    tool("amtool", "check-config", str(tmp_path / "alertmanager.yml"))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=AzureBackupJobFailed severity=warning vault=v item=vm1", DAY),
        ("alertname=AzureBackupLate severity=critical vault=v item=vm1", NIGHT),
        ("alertname=AzureBackupProtectionStopped severity=critical vault=v item=vm1", NIGHT),
        ("alertname=AzureBackupVaultForbidden severity=critical vault=v", NIGHT),
        ("alertname=AzureBackupVaultThrottled severity=warning vault=v", DAY),
        ("alertname=AzureBackupExporterDown severity=critical instance=i", NIGHT),
        ("alertname=AzureBackupConfigReloadFailed severity=warning instance=i", DAY),
        ("alertname=AzureBackupReadBudgetSpent severity=warning subscription_id=s", DAY),
        ("alertname=NodeDown severity=critical", "default"),
        ("alertname=NotAzureBackupLate severity=critical", "default"),
    ],
)
def test_alerts_reach_their_receiver(labels: str, receiver: str) -> None:
    route = ("config", "routes", "test", f"--config.file={CONFIG}")

    tool("amtool", *route, f"--verify.receivers={receiver}", *labels.split())


def test_every_alert_is_routed_by_its_severity() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus/azure-backup.rules.yaml").read_text("utf-8"))
    alerts = [r for group in rules["groups"] for r in group["rules"] if "alert" in r]

    assert alerts
    for alert in alerts:
        severity = alert["labels"]["severity"]
        said = tool(
            "amtool",
            *("config", "routes", "test", f"--config.file={CONFIG}"),
            f"alertname={alert['alert']}",
            f"severity={severity}",
        )
        assert said.strip() == {"warning": DAY, "critical": NIGHT}[severity]


def an_alert(status: str = "firing", **changes: str) -> dict[str, Any]:
    labels = {
        "alertname": "AzureBackupJobFailed",
        "severity": "warning",
        **VAULT,
        "item": "vm1",
        **changes,
    }
    return {
        "status": status,
        "labels": labels,
        "annotations": {
            "summary": f"The last backup of {labels.get('item')} failed",
            "description": "It ended as Failed.",
            "runbook_url": "https://docs.example/runbooks.md#azurebackupjobfailed",
            "dashboard_url": "http://grafana.example/d/azure-backup-item?var-item=vm1&var-vault=a",
        },
        "generatorURL": "http://prometheus.example/graph?g0.expr=up&g0.tab=1",
    }


def render(tmp_path: Path, name: str, *alerts: dict[str, Any], group: dict[str, str]) -> str:
    """A template over a message, in the form Alertmanager hands over."""
    data = {
        "status": "firing" if any(a["status"] == "firing" for a in alerts) else "resolved",
        "alerts": alerts,
        "groupLabels": group,
        "externalURL": "http://alertmanager.example",
    }
    path = tmp_path / "data.json"
    path.write_text(json.dumps(data), "utf-8")
    return tool(
        "amtool",
        *("template", "render", f"--template.glob={TEMPLATES}", f"--template.data={path}"),
        f"--template.type={'html' if name == 'html' else 'text'}",
        f'--template.text={{{{ template "azure_backup.{name}" . }}}}',
    )


def test_the_title_of_one_alert_is_its_summary(tmp_path: Path) -> None:
    assert render(tmp_path, "title", an_alert(), group=VAULT) == (
        "[FIRING] The last backup of vm1 failed"
    )
    assert render(tmp_path, "title", an_alert("resolved"), group=VAULT) == (
        "[RESOLVED] The last backup of vm1 failed"
    )


@pytest.mark.parametrize(
    ("group", "subject"),
    [
        (VAULT, "vault vault-a"),
        ({"job": "azure-backup-exporter", "subscription_id": "s1"}, "subscription s1"),
        ({"job": "azure-backup-exporter"}, "azure-backup-exporter"),
    ],
)
def test_the_title_of_several_counts_them(
    group: dict[str, str], subject: str, tmp_path: Path
) -> None:
    both = (an_alert(), an_alert("resolved"), an_alert())

    assert render(tmp_path, "title", *both, group=group) == (
        f"[FIRING] {subject}: 2 firing, 1 resolved"
    )
    assert render(tmp_path, "title", *both[::2], group=group) == f"[FIRING] {subject}: 2 firing"


def test_the_text_has_all_links(tmp_path: Path) -> None:
    text = render(tmp_path, "text", an_alert(), an_alert("resolved", item="vm2"), group=VAULT)

    assert text == (
        "[firing, warning] The last backup of vm1 failed\n"
        "It ended as Failed.\n"
        "Runbook: https://docs.example/runbooks.md#azurebackupjobfailed\n"
        "Dashboard: http://grafana.example/d/azure-backup-item?var-item=vm1&var-vault=a\n"
        f"Azure portal: {PORTAL}\n"
        "Prometheus: http://prometheus.example/graph?g0.expr=up&g0.tab=1\n"
        "\n"
        "[resolved, warning] The last backup of vm2 failed\n"
        f"Azure portal: {PORTAL}\n"
        "Prometheus: http://prometheus.example/graph?g0.expr=up&g0.tab=1"
    )


def test_an_alert_without_a_vault_has_no_link_to_the_portal(tmp_path: Path) -> None:
    exporter = an_alert()
    for label in ("vault", "item", "resource_group", "subscription_id"):
        del exporter["labels"][label]

    for name in ("text", "markdown", "html"):
        assert "portal" not in render(tmp_path, name, exporter, group={"job": "j"})
    link = render(tmp_path, "link", exporter, group={"job": "j"})
    assert link == "http://alertmanager.example"


def test_markdown_has_all_links(tmp_path: Path) -> None:
    text = render(tmp_path, "markdown", an_alert(), group=VAULT)

    assert "**The last backup of vm1 failed** (firing, warning)" in text
    assert "[Runbook](https://docs.example/runbooks.md#azurebackupjobfailed)" in text
    assert "[Dashboard](http://grafana.example/d/azure-backup-item?var-item=vm1&var-v" in text
    assert f"[Azure portal]({PORTAL})" in text
    assert "[Prometheus](http://prometheus.example/graph?g0.expr=up&g0.tab=1)" in text
    assert render(tmp_path, "link", an_alert(), group=VAULT) == PORTAL


def test_mail_has_all_links_and_escapes_names(tmp_path: Path) -> None:
    hostile = an_alert(item="<img src=x>")

    page = render(tmp_path, "html", hostile, group=VAULT)

    assert "<img" not in page
    assert "&lt;img src=x&gt;" in page
    assert f'<a href="{PORTAL}">Azure portal</a>' in page
    assert '<a href="https://docs.example/runbooks.md#azurebackupjobfailed">Runbook</a>' in page
    assert '<a href="http://grafana.example/d/azure-backup-item?var-item=vm1&amp;var-v' in page
    assert "prometheus.example/graph?g0.expr=up&amp;g0.tab=1" in page


@pytest.mark.parametrize("name", ["text", "markdown", "html"])
def test_a_runbook_that_has_no_address_is_named_and_no_broken_link(
    name: str, tmp_path: Path
) -> None:
    """As the rules are shipped."""
    alert = an_alert()
    alert["annotations"]["runbook_url"] = "docs/runbooks.md#azurebackupjobfailed"

    text = render(tmp_path, name, alert, group=VAULT)

    assert "Runbook: docs/runbooks.md#azurebackupjobfailed" in text
    assert 'href="docs' not in text
    assert "(docs" not in text


def test_prometheus_accepts_the_queries_of_the_runbooks(tmp_path: Path) -> None:
    text = (ROOT / "docs/runbooks.md").read_text("utf-8")
    queries = re.findall(r"```promql\n(.*?)```", text, re.DOTALL)
    recorded = [{"record": f"q:{n}", "expr": query} for n, query in enumerate(queries)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": recorded}]}), "utf-8")

    assert f"{len(queries)} rules found" in tool("promtool", "check", "rules", str(path))


def test_prometheus_reads_its_configuration_as_compose_mounts_it(tmp_path: Path) -> None:
    stack = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    for volume in stack["services"]["prometheus"]["volumes"]:
        source, target, *_ = volume.split(":")
        if source.startswith("."):
            place = tmp_path / target.removeprefix("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(DEPLOY / source, place)

    said = tool("promtool", "check", "config", str(tmp_path / "etc/prometheus/prometheus.yml"))

    assert "1 rule files found" in said
