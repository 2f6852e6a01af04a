"""The real loop: what goes wrong in Azure is told to a person, and told again when it is mended."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
import yaml

from exporter.simulator import RateLimit, Simulator, sized_fleet
from exporter.simulator.limits import throttled
from tests.processes import wait_for
from tests.stack.loop import (
    GONE_SECONDS,
    GRAFANA,
    GROUP_WAIT,
    JOB,
    LOG_LATE_SECONDS,
    RUNBOOKS,
    Alertmanager,
    Exporter,
    Receiver,
    alertmanager,
    prometheus,
    receiving,
)
from tests.stack.programs import Prometheus, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.simulator.answers import Answer
    from exporter.simulator.faults import Circumstances

pytestmark = pytest.mark.stack

SECOND: Final = timedelta(seconds=1)
OLD: Final = 300 * SECOND
FAILING, MUTED, THROTTLED, DEAD, GONE = SCENES = range(5)
"""Each scene has a vault of its own, so that their order does not matter."""


class TooManyReads:
    """A 429 that is over in a second; the limit it names is too high to slow us down."""

    def spoil(self, answer: Answer, circumstances: Circumstances) -> Answer:
        return throttled(RateLimit(1_000_000), 1)


@dataclass(frozen=True)
class Loop:
    simulator: Simulator
    config: Path
    exporter: Exporter
    prometheus: Prometheus
    alertmanager: Alertmanager
    receiver: Receiver

    def job(
        self, vault: int, item: str, status: str, *, ago: timedelta = SECOND, log: bool = False
    ) -> None:
        put_job(self.simulator, vault, item, status, ago=ago, log=log)

    def configure(self, *, keep: timedelta) -> None:
        """Let items that had no job for so long be forgotten."""
        configure(self.config, self.simulator, keep=keep)
        self.exporter.daemon.signal(signal.SIGHUP)

    def wait_for_sample(self, promql: str) -> None:
        wait_for(promql, lambda: bool(self.prometheus.query(promql)))

    def names(self, vault: int) -> set[str]:
        """Of all alerts about a vault that were ever delivered."""
        labels = vault_labels(self.simulator, vault)
        found = [*self.receiver.about(**labels), *self.receiver.about("resolved", **labels)]
        return {delivery.labels["alertname"] for delivery in found}


def put_job(
    simulator: Simulator,
    vault: int,
    item: str,
    status: str,
    *,
    ago: timedelta = SECOND,
    log: bool = False,
    host: str = "host1",
) -> None:
    """A job that ended a moment ago; with ``log`` one of a database on a host."""
    end = datetime.now(UTC) - ago
    properties: dict[str, Any] = {
        "jobType": "AzureIaaSVMJob",
        "duration": "PT1S",
        "entityFriendlyName": item,
        "containerName": f"iaasvmcontainerv2;rg;{item}",
        "backupManagementType": "AzureIaasVM",
        "operation": "Backup",
        "status": status,
        "startTime": f"{end - SECOND:%Y-%m-%dT%H:%M:%S.%f}1Z",
        "endTime": f"{end:%Y-%m-%dT%H:%M:%S.%f}1Z",
        "activityId": str(uuid4()),
        "extendedInfo": {"tasksList": [], "propertyBag": {}},
    }
    if log:
        properties |= {
            "jobType": "AzureWorkloadJob",
            "entityFriendlyName": f"{item} [{host}]",
            "backupManagementType": "AzureWorkload",
            "workloadType": "SQLDataBase",
            "operation": "Backup (Log)",
        }
        del properties["containerName"]
    name = str(uuid4())
    vault_id = simulator.vault_ids[vault]
    simulator.put_job(
        vault_id,
        {
            "id": f"{vault_id}/backupJobs/{name}",
            "name": name,
            "type": "Microsoft.RecoveryServices/vaults/backupJobs",
            "properties": properties,
        },
    )


def configure(path: Path, simulator: Simulator, *, keep: timedelta) -> None:
    write_config(path, simulator, simulator.vault_ids)
    settings = yaml.safe_load(path.read_text("utf-8"))
    span = f"{keep // SECOND}s"
    settings["refresh"] |= {"lookback": span, "forget_after": span}
    settings["metrics"] = {"window": span}
    late = f"{LOG_LATE_SECONDS}s"
    settings["lateness"] = [{"backup_type": "Log", "warning": late, "critical": late}]
    path.write_text(yaml.safe_dump(settings), "utf-8")


def vault_labels(simulator: Simulator, vault: int) -> dict[str, str]:
    _, _, subscription, _, group, _, _, _, name = simulator.vault_ids[vault].split("/")
    return {
        "subscription_id": subscription,
        "resource_group": group,
        "vault_type": "RecoveryServices",
        "vault": name,
    }


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("loop")
    config = folder / "config.yaml"
    with ExitStack() as stack:
        # A subscription each: a 429 stops the reads of a whole subscription and region.
        fleet = sized_fleet(vaults=len(SCENES), jobs=0, subscriptions=len(SCENES))
        simulator = stack.enter_context(Simulator(fleet=fleet))
        for vault, item in ((FAILING, "vm-1"), (DEAD, "vm-3")):
            put_job(simulator, vault, item, "Completed", ago=30 * SECOND)
        put_job(simulator, GONE, "vm-4", "Completed", ago=OLD)
        configure(config, simulator, keep=timedelta(hours=1))
        exporter = Exporter(config, simulator.identity_environ)
        stack.callback(exporter.kill)
        exporter.start()
        receiver = stack.enter_context(receiving())
        manager = stack.enter_context(alertmanager(folder, receiver))
        watching = stack.enter_context(prometheus(folder, exporter.address, manager))
        yield Loop(simulator, config, exporter, watching, manager, receiver)


def test_a_failing_backup_is_told_and_resolves_after_the_next_good_one(loop: Loop) -> None:
    vault = vault_labels(loop.simulator, FAILING)
    where = f"vault {vault['vault']}, resource group {vault['resource_group']}"
    loop.job(FAILING, "vm-1", "Failed")

    told = loop.receiver.wait(alertname="AzureBackupJobFailed", item="vm-1")

    summary = f"The last backup of vm-1 in vault {vault['vault']} failed"
    description = (
        f"Backup of vm-1 ({where}) ended as Failed. Mend the cause that its error names, or the job"
        " in the Azure portal, and start a backup."
    )
    runbook = f"{RUNBOOKS}#azurebackupjobfailed"
    dashboard = (
        f"{GRAFANA}/d/azure-backup-item?var-job={JOB}&var-subscription={vault['subscription_id']}"
        f"&var-vault={vault['vault']}&var-item=vm-1"
        "&var-container=iaasvmcontainerv2%3Brg%3Bvm-1"
    )
    assert told.labels == {
        "alertname": "AzureBackupJobFailed",
        "severity": "warning",
        "job": JOB,
        **vault,
        "backup_management_type": "AzureIaasVM",
        "protection_container": "iaasvmcontainerv2;rg;vm-1",
        "item": "vm-1",
        "operation": "Backup",
    }
    assert told.annotations == {
        "summary": summary,
        "description": description,
        "runbook_url": runbook,
        "dashboard_url": dashboard,
    }
    portal = (
        f"https://portal.azure.com/#@/resource/subscriptions/{vault['subscription_id']}"
        f"/resourceGroups/{vault['resource_group']}/providers/Microsoft.RecoveryServices"
        f"/vaults/{vault['vault']}/backupJobs"
    )
    title = f"[FIRING] {summary}"
    wait_for("chat", lambda: any(message["title"] == title for message in loop.receiver.chat))
    [message, *_] = [message for message in loop.receiver.chat if message["title"] == title]
    assert message["title_link"] == portal
    assert message["text"].startswith(
        f"[firing, warning] {summary}\n{description}\nRunbook: {runbook}\n"
        f"Dashboard: {dashboard}\n"
        f"Azure portal: {portal}\nPrometheus: http://prometheus.example/graph?g0.expr="
    )

    loop.job(FAILING, "vm-1", "Completed", ago=timedelta())

    mended = loop.receiver.wait("resolved", alertname="AzureBackupJobFailed", item="vm-1")
    assert mended.labels == told.labels
    title = f"[RESOLVED] {summary}"
    wait_for("chat", lambda: any(message["title"] == title for message in loop.receiver.chat))


def test_a_critical_alert_mutes_the_warning_about_the_same_item(loop: Loop) -> None:
    failed = {"alertname": "AzureBackupJobFailed", "item": "vm-2"}
    loop.job(MUTED, "vm-2", "Failed")

    told = loop.receiver.wait(alertname="AzureBackupNeverSucceeded", item="vm-2")

    assert told.labels["severity"] == "critical"
    wait_for("the warning", lambda: loop.alertmanager.seconds_active(**failed) > 2 * GROUP_WAIT)
    assert loop.alertmanager.muted_by(**failed) == {"AzureBackupNeverSucceeded"}
    assert loop.receiver.about(**failed) == []
    loop.job(MUTED, "vm-2", "Completed", ago=timedelta())
    loop.receiver.wait("resolved", alertname="AzureBackupNeverSucceeded", item="vm-2")


def test_a_throttled_vault_is_told_and_mutes_its_items_until_it_is_read_again(loop: Loop) -> None:
    """An item seems late only because its newest backups cannot be seen."""
    vault = vault_labels(loop.simulator, THROTTLED)
    late = {"alertname": "AzureBackupLate", "item": "orders"}
    loop.job(THROTTLED, "orders", "Completed", log=True, ago=timedelta())
    loop.wait_for_sample('azure_backup_last_success_timestamp_seconds{item="orders"}')

    fault = loop.simulator.inject(
        TooManyReads(), api="list", vault_id=loop.simulator.vault_ids[THROTTLED]
    )
    try:
        told = loop.receiver.wait(alertname="AzureBackupVaultThrottled")
        assert told.labels == {
            "alertname": "AzureBackupVaultThrottled",
            "severity": "warning",
            "job": JOB,
            **vault,
        }
        assert told.annotations["summary"] == f"Vault {vault['vault']} is read too often"
        wait_for("the late item", lambda: bool(loop.alertmanager.alerts(**late)))
        assert loop.alertmanager.muted_by(**late) == {"AzureBackupVaultThrottled"}
        assert loop.names(THROTTLED) == {"AzureBackupVaultThrottled"}
    finally:
        fault.clear()

    loop.receiver.wait("resolved", alertname="AzureBackupVaultThrottled", **vault)
    # Nothing but the muting kept it back.
    loop.receiver.wait(**late)
    loop.job(THROTTLED, "orders", "Completed", log=True, ago=timedelta())
    loop.receiver.wait("resolved", **late)


def test_a_dead_exporter_is_told_and_what_it_no_longer_shows_does_not_resolve(loop: Loop) -> None:
    failed = {"alertname": "AzureBackupJobFailed", "item": "vm-3"}
    down = {"alertname": "AzureBackupExporterDown"}
    loop.job(DEAD, "vm-3", "Failed")
    loop.receiver.wait(**failed)

    loop.exporter.kill()
    try:
        told = loop.receiver.wait(**down)
        assert told.labels == {
            **down,
            "severity": "critical",
            "job": JOB,
            "instance": loop.exporter.address,
        }
        assert told.annotations["summary"] == (
            f"The Azure Backup exporter {loop.exporter.address} is down"
        )
        assert loop.alertmanager.muted_by(**failed) == {"AzureBackupExporterDown"}
        firing = 'ALERTS{alertname="AzureBackupJobFailed", item="vm-3"}'
        wait_for("the end of the bridge", lambda: not loop.prometheus.query(firing))
    finally:
        loop.exporter.start()

    loop.receiver.wait("resolved", **down)
    # Its backup still fails: Prometheus ended the alert, but nobody was told so.
    loop.wait_for_sample('azure_backup_last_job_status{item="vm-3", status="Failed"} == 1')
    assert loop.receiver.about("resolved", **failed) == []
    loop.wait_for_sample(f'{firing[:-1]}, alertstate="firing"}}')
    loop.job(DEAD, "vm-3", "Completed", ago=timedelta())
    loop.receiver.wait("resolved", **failed)


def test_an_item_that_disappears_is_told_and_resolves_when_it_is_back(loop: Loop) -> None:
    gone = {"alertname": "AzureBackupItemDisappeared", "item": "vm-4"}
    vault = vault_labels(loop.simulator, GONE)
    ended = 'azure_backup_last_job_end_timestamp_seconds{item="vm-4"}'
    loop.wait_for_sample(f"{ended} offset {GONE_SECONDS}s")

    loop.configure(keep=OLD - 60 * SECOND)
    try:
        told = loop.receiver.wait(**gone)
        assert told.labels == {
            **gone,
            "severity": "warning",
            "job": JOB,
            **vault,
            "backup_management_type": "AzureIaasVM",
            "protection_container": "iaasvmcontainerv2;rg;vm-4",
        }
        assert told.annotations["summary"] == f"vm-4 has disappeared from vault {vault['vault']}"
    finally:
        loop.configure(keep=timedelta(hours=1))

    loop.wait_for_sample(ended)
    loop.receiver.wait("resolved", **gone)
