"""PromQL that the dashboards share: the alerts' rules, within what the variables choose.

What an alert says of an item is the alert's own expression, so that both always say the same. No
rule file is needed: recording rules stand in the queries themselves. Only what Prometheus remembers
of items that the exporter has forgotten is missing here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.prometheus.generate import rules
from exporter.backup.health import Health
from exporter.backup.model import ItemKey, VaultKey
from exporter.config.types import read_duration
from exporter.metrics.families import ITEM_FAMILIES, JOB_FAMILIES, VAULT_FAMILIES
from exporter.metrics.selfmetrics import SelfMetrics

_ROOT: Final = Path(__file__).parents[2]
SETTINGS: Final[dict[str, Any]] = yaml.safe_load(
    (_ROOT / "deploy/prometheus/settings.yaml").read_text(encoding="utf-8")
)

VAULT: Final = ", ".join(VaultKey._fields)
KEY: Final = ", ".join(ItemKey._fields)
THING: Final = f"{VAULT}, backup_management_type, protection_container, item"
"""What is protected; KEY adds what is done to it."""

BACKUPS: Final = f'operation=~"{SETTINGS["backups"]}"'
OTHERS: Final = f'operation!~"{SETTINGS["backups"]}"'
RUNNING: Final = 'status=~"InProgress|Cancelling"'

_KNOWN: Final = {
    family.name: {*family.key, *family.labels}
    for families in (ITEM_FAMILIES, JOB_FAMILIES, VAULT_FAMILIES)
    for family in families
} | {family.name: set(family.labels) for family in SelfMetrics(process=False).families}


def seconds(duration: str) -> int:
    """A duration as Prometheus writes it."""
    return int(read_duration(duration).total_seconds())


_ALERTS: Final = {
    Health.NEVER: "AzureBackupNeverSucceeded",
    Health.REPEATEDLY: "AzureBackupFailsRepeatedly",
    Health.LATE: "AzureBackupLate",
    Health.MISSED: "AzureBackupMissed",
    Health.FAILED: "AzureBackupJobFailed",
    Health.TASK: "AzureBackupTaskNotCompleted",
    Health.WARNINGS: "AzureBackupCompletedWithWarnings",
}
"""What can be said of a backup, the worst first, and the alert that says it."""

_STOPPED: Final = "azure_backup:protection_stopped_timestamp_seconds"


class _Rules:
    """The expressions of the rule file, each with all that it reads from recording rules.

    But for what is stopped: that stands in many, is long, and has to be asked only once.
    """

    def __init__(self) -> None:
        content = yaml.safe_load(rules(SETTINGS, remembers=False))
        every = [rule for group in content["groups"] for rule in group["rules"]]
        self._recorded: dict[str, str] = {}
        for rule in every:
            if "record" in rule:
                self._recorded[rule["record"]] = self._whole(rule["expr"])
        self._alerts = {rule["alert"]: rule["expr"] for rule in every if "alert" in rule}

    def stopped(self) -> str:
        """What is meant to have no backups."""
        return self._recorded[_STOPPED]

    def alert(self, name: str) -> str:
        """When an alert fires, or would if it were not for a stop."""
        return self._whole(self._alerts[name])

    def _whole(self, expr: str) -> str:
        muted = _UNLESS_STOPPED.sub("", expr)
        return " ".join(_RECORDED.sub(lambda found: f"({self._recorded[found[0]]})", muted).split())


_RECORDED: Final = re.compile(r"azure_backup:\w+(?![\w{\[])")
_UNLESS_STOPPED: Final = re.compile(rf"unless on \([^)]*\) {_STOPPED}\b")
_RULES: Final = _Rules()


def state_number(health: Health) -> int:
    """A number for Grafana: what is worse is more."""
    return Health.WELL - health


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What the variables of a dashboard choose, as matchers.

    Attributes:
        target: On every series.
        vault: On those of vaults and items.
        item: On those of items.
    """

    target: str
    vault: str
    item: str = ""

    def series(self, family: str, *matchers: str, part: str = "") -> str:
        """A selector.

        Args:
            family: Name without ``azure_backup_``.
            matchers: Beside the scope's.
            part: ``_bucket``, ``_sum`` or ``_count`` of a histogram.

        Raises:
            KeyError: The exporter has no such family.
        """
        labels = _KNOWN[f"azure_backup_{family}"]
        scope = [self.target]
        if "vault" in labels:
            scope.append(self.vault)
        elif "subscription_id" in labels:
            scope.append('subscription_id=~"$subscription"')
        if "item" in labels:
            scope.append(self.item)
        every = ", ".join(filter(None, [*scope, *matchers]))
        return f"azure_backup_{family}{part}{{{every}}}"

    def now(self, family: str, *matchers: str, by: str = KEY) -> str:
        """One sample for each group, also if a pair of exporters serves it."""
        return f"max by ({by}) ({self.series(family, *matchers)})"

    def latest(self, family: str, *matchers: str, by: str = KEY) -> str:
        """The same, kept for a while when a scrape fails, as the alerts do."""
        bridge = SETTINGS["bridge"]
        return f"max by ({by}) (last_over_time({self.series(family, *matchers)}[{bridge}]))"

    def age(self, family: str, *matchers: str, by: str = KEY) -> str:
        """Seconds since an instant."""
        return f"time() - {self.latest(family, *matchers, by=by)}"

    def stopped(self) -> str:
        """Things that are meant to have no backups: nothing newer says otherwise."""
        return f"({self._within(_RULES.stopped())})"

    def protected(self, by: str = THING) -> str:
        """What has had a backup, good or bad, and is not stopped."""
        ended = self.latest("last_job_end_timestamp_seconds", BACKUPS, by=by)
        return f"({ended} unless on ({THING}) {self.stopped()})"

    def alerting(self, *healths: Health) -> str:
        """Backups of which one of these things can be said, as the alerts say it."""
        return f"(({self._alerting(*healths)}) unless on ({THING}) {self.stopped()})"

    def _alerting(self, *healths: Health) -> str:
        """The same, those that are stopped included: that is asked once for all."""
        return " or ".join(
            f"max by ({KEY}) ({self._within(_RULES.alert(_ALERTS[health]))})" for health in healths
        )

    def _within(self, expr: str) -> str:
        """A rule's expression for what the variables choose, whichever job it was scraped by."""
        scope = ", ".join(filter(None, [self.target, self.vault, self.item]))
        job = f'job="{SETTINGS["job"]}"'
        return expr.replace(job, scope).replace("job, subscription_id", "subscription_id")

    def worst(self) -> str:
        """The worst that can be said of each backup, as a number of ``look.STATES``."""
        every = self.latest("last_job_status", BACKUPS)
        parts = [
            f"{every} * 0 + {state_number(Health.ENDED)} and on ({THING}) {self.stopped()}",
            *(f"({self._alerting(health)}) * 0 + {state_number(health)}" for health in _ALERTS),
            f"({self._status('Completed|CompletedWithWarnings', BACKUPS)} == 1) * 0",
            f"{every} * 0 + {state_number(Health.INCOMPLETE)}",
        ]
        return " or ".join(parts)

    def outcome(self, *matchers: str) -> str:
        """How the last job of each operation ended, as a number of ``look.OUTCOMES``."""
        numbers = {"Failed": 4, "CompletedWithWarnings": 2, "Cancelled": 1, "Other": 3}
        parts = [
            f"({self._status(status, *matchers)} == 1) * {number}"
            for status, number in numbers.items()
        ]
        return " or ".join([*parts, f"{self._status('Completed', *matchers)} * 0"])

    def _status(self, status: str, *matchers: str) -> str:
        return self.latest("last_job_status", *matchers, with_status(status))

    def stale_after(self) -> str:
        """The age from which a vault's data are stale."""
        stale = SETTINGS["stale"]
        interval = self.now("vault_refresh_interval_seconds", by=VAULT)
        return f"clamp_min({stale['intervals']} * {interval}, {seconds(stale['floor'])})"


def with_status(status: str) -> str:
    """A matcher on the status; more than one with ``|``."""
    return f'status{"=~" if "|" in status else "="}"{status}"'
