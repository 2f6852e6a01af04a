"""The rights that the docs name are those that the requests need."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from exporter.simulator import Simulator, sized_fleet
from tests.builders import NOW
from tests.processes import ROOT, run
from tests.steering import config_text, steered

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from exporter.simulator import RecordedRequest

JOBS = "Microsoft.RecoveryServices/vaults/backupJobs/read"
VAULTS = "Microsoft.RecoveryServices/vaults/read"
GRAPH = "Microsoft.ResourceGraph/resources/read"
SUBSCRIPTION = "{subscription_id: 00000000-0000-4000-8000-000000000000}"
RIGHTS = (ROOT / "docs" / "rights.md").read_text(encoding="utf-8")


def rights_of(requests: Iterable[RecordedRequest]) -> set[str]:
    """What Azure asks for: the resource types of a path, and what is done with them."""
    rights = set()
    for request in requests:
        _, found, path = request.path.partition("/providers/")
        if found:
            provider, *parts = path.split("/")
            # A POST does something, but for the query of Resource Graph.
            done = "action" if request.method == "POST" and "Graph" not in provider else "read"
            rights.add("/".join([provider, *parts[::2], done]))
    return rights


@pytest.mark.parametrize(
    ("sections", "needed"),
    [
        ({}, {JOBS}),
        ({"vaults": "[]", "discovery": f"[{SUBSCRIPTION}]"}, {JOBS, VAULTS}),
        ({"vaults": "[]", "discovery": "[{management_group: mg-sized}]"}, {JOBS, GRAPH}),
        (
            {
                "vaults": "[]",
                "discovery": "[{management_group: mg-sized, source: resource_graph}]",
            },
            {JOBS, GRAPH},
        ),
    ],
    ids=["vaults", "by subscription", "by management group", "by Resource Graph"],
)
def test_each_feature_needs_what_the_table_says(
    monkeypatch: pytest.MonkeyPatch, sections: dict[str, str], needed: set[str]
) -> None:
    """Of a vault that is no longer found, too."""
    with steered(monkeypatch, sized_fleet(vaults=2, jobs=16, anchor=NOW)) as stage:
        stage.configure(**sections)
        made = []
        for _ in range(3):
            stage.refresh()
            made += stage.simulator.requests
            stage.clock.advance(minutes=16)

    assert rights_of(made) == needed
    for right in needed:
        assert f"`{right}`" in RIGHTS


SCOPE = "/subscriptions/s/resourceGroups/g/providers"
BACKUP_VAULT = f"{SCOPE}/Microsoft.DataProtection/backupVaults/v"
REGION = "/subscriptions/s/providers/Microsoft.RecoveryServices/locations/eastasia"
JOB = {
    "name": "j",
    "properties": {
        "operation": "Restore",
        "status": "Completed",
        "startTime": "2026-03-10T08:00:00Z",
    },
}


@pytest.mark.parametrize(
    ("vault", "followed", "readings", "needed"),
    [
        ("", "--job=j", {"{vault}/backupJobs/j": JOB}, {JOBS}),
        (
            "",
            "--operation=o",
            {
                "{vault}/backupOperations/o": {
                    "status": "Succeeded",
                    "properties": {
                        "objectType": "OperationStatusJobExtendedInfo",
                        "jobId": "j",
                    },
                },
                "{vault}/backupJobs/j": JOB,
            },
            {JOBS, "Microsoft.RecoveryServices/vaults/backupOperations/read"},
        ),
        (
            "",
            f"--job={REGION}/backupJobs/j",
            {f"{REGION}/backupCrrJob": JOB},
            {"Microsoft.RecoveryServices/locations/backupCrrJob/action"},
        ),
        (
            BACKUP_VAULT,
            "--job=j",
            {f"{BACKUP_VAULT}/backupJobs/j": JOB},
            {"Microsoft.DataProtection/backupVaults/backupJobs/read"},
        ),
    ],
    ids=["job", "operation", "paired region", "Backup vault"],
)
def test_following_needs_what_the_table_says(
    tmp_path: Path, vault: str, followed: str, readings: dict[str, object], needed: set[str]
) -> None:
    with Simulator(fleet=sized_fleet(vaults=1, jobs=1)) as azure:
        [known] = azure.vault_ids
        for path, reading in readings.items():
            azure.put_readings(path.replace("{vault}", known), [reading])
        (tmp_path / "config.yaml").write_text(config_text(azure))
        config = f"--config.file={tmp_path / 'config.yaml'}"
        flags = (config, f"--vault={vault or known}", followed, "--interval=100ms")
        assert run("track", *flags, **azure.identity_environ).returncode == 0

        assert rights_of(azure.requests) == needed
    for right in needed:
        assert f"`{right}`" in RIGHTS


def test_a_check_of_access_needs_no_more(tmp_path: Path) -> None:
    with Simulator(fleet=sized_fleet(vaults=1, jobs=1)) as azure:
        text = config_text(azure, discovery=f"[{SUBSCRIPTION}, {{management_group: mg-sized}}]")
        (tmp_path / "config.yaml").write_text(text)
        config = f"--config.file={tmp_path / 'config.yaml'}"
        assert run("check-access", config, **azure.identity_environ).returncode == 0

        assert rights_of(azure.requests) == {JOBS, VAULTS, GRAPH}


def test_the_role_that_is_shown_has_just_these_rights() -> None:
    role = json.loads(re.findall("```json\n(.*?)```", RIGHTS, re.DOTALL)[0])

    assert set(role["Actions"]) == {JOBS, VAULTS}


@pytest.mark.parametrize("name", ["README.md", "SECURITY.md"])
def test_both_pages_name_the_rights_and_lead_to_the_table(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    for right in (JOBS, VAULTS):
        assert f"`{right}`" in text
    assert "docs/rights.md" in text
