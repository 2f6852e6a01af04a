"""From which age a backup is late: the first line that fits, and the defaults for the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from exporter.backup.lateness import AgeLimits, age_limits
from exporter.backup.model import ItemKey
from exporter.config import parse_config
from tests.builders import a_job, a_vault, settings
from tests.pages import a_snapshot, page_of, values

DISCOVERY = "discovery: [{management_group: mg}]\n"
NIGHTS = "30h/54h"


def limits(lines: str = "", *, vault: dict[str, Any] | None = None, **key: str) -> str:
    """Warning and critical of a machine's nightly backup, as far as nothing else is said."""
    config = parse_config(f"{DISCOVERY}lateness: [{lines}]", {}, source="test")
    where = a_vault(**(vault or {}))
    labels = {
        "backup_management_type": "AzureIaasVM",
        "protection_container": "c1",
        "item": "vm1",
        "operation": "Backup",
        "backup_type": "",
        **key,
    }
    found = age_limits(where, config.settings().lateness)(ItemKey(*where.key, **labels))
    return "/".join(_short(limit) for limit in found) if found else "none"


def _short(limit: timedelta | None) -> str:
    return "never" if limit is None else f"{limit / timedelta(hours=1):g}h"


@pytest.mark.parametrize(
    ("backup_type", "expected"),
    [
        ("", NIGHTS),
        ("SomethingNew", NIGHTS),
        ("Log", "2.5h/4h"),
        ("Full", "192h/360h"),
        ("SnapshotFull", "192h/360h"),
        ("Differential", "192h/360h"),
        ("Incremental", "192h/360h"),
        ("CopyOnlyFull", "never/never"),
        ("SnapshotCopyOnlyFull", "never/never"),
    ],
)
def test_one_missed_backup_is_a_warning_and_two_are_critical(
    backup_type: str, expected: str
) -> None:
    assert limits(backup_type=backup_type) == expected


@pytest.mark.parametrize("operation", ["Restore", "ConfigureBackup", "DeleteBackupData"])
def test_what_makes_no_recovery_point_has_no_limit(operation: str) -> None:
    assert limits("{warning: 1h, critical: 2h}", operation=operation) == "none"


@pytest.mark.parametrize(
    ("line", "key", "vault", "fits"),
    [
        ("item: VM1", {}, {}, True),
        ("item: vm", {}, {}, False),
        ("item: vm.*", {}, {}, True),
        ("backup_type: full", {"backup_type": "Full"}, {}, True),
        ("backup_type: Full", {"backup_type": "SnapshotFull"}, {}, False),
        ("backup_type: Full", {}, {}, False),
        ("vaults: {name: VAULT-.}", {}, {}, True),
        ("vaults: {name: vault-b}", {}, {}, False),
        ("vaults: {resource_groups: [RG-Backup]}", {}, {}, True),
        ("vaults: {resource_groups: [other]}", {}, {}, False),
        ("vaults: {locations: [westeurope]}", {}, {"location": "westeurope"}, True),
        ("vaults: {tags: {Tier: gold}}", {}, {"tags": (("tier", "gold"),)}, True),
        ("vaults: {tags: {tier: gold}}", {}, {"tags": (("tier", "Gold"),)}, False),
        ("vaults: {tags: {tier: gold}}", {}, {}, False),
        ("vaults: {name: vault-a}, item: vm1", {}, {}, True),
        ("vaults: {name: vault-a}, item: vm2", {}, {}, False),
        ("vaults: {name: vault-b}, item: vm1", {}, {}, False),
    ],
)
def test_a_line_holds_for_what_meets_all_it_says(
    line: str, key: dict[str, str], vault: dict[str, Any], fits: bool
) -> None:
    otherwise = limits(vault=vault, **key)

    assert limits(f"{{{line}, warning: 1h, critical: 2h}}", vault=vault, **key) == (
        "1h/2h" if fits else otherwise
    )


def test_the_first_line_that_fits_holds() -> None:
    lines = "{item: vm1, warning: never, critical: 9h}, {warning: 1h, critical: 2h}"

    assert limits(lines) == "never/9h"
    assert limits(lines, item="vm2") == limits(lines, item="vm2", backup_type="Log") == "1h/2h"


def test_the_page_says_the_limits_of_each_backup_and_of_nothing_else() -> None:
    page = page_of(a_snapshot(a_job(), a_job("2", operation="Restore", ended=a_job().end_time)))

    for severity, hours in (("warning", 30), ("critical", 54)):
        assert values(page, "last_success_age_limit_seconds", severity=severity) == [hours * 3600]


def test_never_is_absent_and_no_number() -> None:
    page = page_of(a_snapshot(a_job(backup_type="CopyOnlyFull")))

    assert values(page, "last_success_timestamp_seconds")
    assert values(page, "last_success_age_limit_seconds") == []


def test_severities_are_those_of_the_alerts() -> None:
    assert AgeLimits._fields == ("warning", "critical")
    assert settings().lateness[-1].limits == AgeLimits(timedelta(hours=30), timedelta(hours=54))
