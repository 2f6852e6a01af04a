"""The shipped rules where every target carries the labels that prometheus-operator gives it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from exporter.simulator import Simulator, sized_fleet
from tests.processes import wait_for
from tests.stack.loop import JOB, quick_rules
from tests.stack.programs import scraping, serving, write_config
from tests.stack.test_alerting import put_job

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.stack

TARGET: Final = {
    "namespace": "monitoring",
    "pod": "azure-backup-exporter-0",
    "container": "azure-backup-exporter",
    "service": "azure-backup-exporter",
    "endpoint": "metrics",
}
"""Beside ``job`` and ``instance``, which every target has."""


def test_of_two_databases_of_one_name_exactly_the_late_one_alerts(tmp_path: Path) -> None:
    """Every server has an msdb.

    A label of ours that the target has, too, would be renamed ``exported_...``; the rules would
    group by the target's, and the good backup would hide the late one.
    """
    config = tmp_path / "config.yaml"
    with Simulator(fleet=sized_fleet(vaults=1, jobs=0)) as simulator:
        for host, hours in (("sqla", 5), ("sqlb", 1)):
            put_job(
                simulator, 0, "msdb", "Completed", ago=timedelta(hours=hours), log=True, host=host
            )
        write_config(config, simulator, simulator.vault_ids)
        with serving(config, simulator.identity_environ) as exporter:
            address = exporter.url.removeprefix("http://")
            labels = {"static_configs": [{"targets": [address], "labels": TARGET}]}
            with scraping(tmp_path, {JOB: address}, {JOB: labels}, rules=quick_rules()) as running:
                late = 'ALERTS{alertname="AzureBackupLate", alertstate="firing"}'
                wait_for("the alert", lambda: bool(running.query(late)))
                wait_for(
                    "some evaluations",
                    lambda: bool(running.query(f"count_over_time({late}[1m]) > 3")),
                )

                found = [
                    (one["item"], one["protection_container"]) for one, _ in running.query(late)
                ]
                renamed = [name for name in running.api("labels") if name.startswith("exported_")]
                ours = running.query("count by (container) (azure_backup_vault_up)")

    assert found == [("msdb", "sqla")]
    assert renamed == []
    assert ours == [({"container": TARGET["container"]}, 1)], "the target had these labels"
