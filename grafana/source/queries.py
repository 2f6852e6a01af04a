"""PromQL that the dashboards share: the alerts' rules, within what the variables choose.

No rule file is needed: an alert's recording rules stand in the queries themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

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
THING: Final = f"{VAULT}, backup_management_type, item"
"""What is protected; KEY adds what is done to it."""
DOING: Final = f"{THING}, operation"
"""The same without what some jobs do not name: container and backup type."""

BACKUPS: Final = f'operation=~"{SETTINGS["backups"]}"'
OTHERS: Final = f'operation!~"{SETTINGS["backups"]}"'
RUNNING: Final = 'status=~"InProgress|Cancelling"'
STOPPING: Final = ("DisableBackup", "DeleteBackupData", "UnRegister")

_KNOWN: Final = {
    family.name: {*family.key, *family.labels}
    for families in (ITEM_FAMILIES, JOB_FAMILIES, VAULT_FAMILIES)
    for family in families
} | {family.name: set(family.labels) for family in SelfMetrics(process=False).families}


def seconds(duration: str) -> int:
    """A duration as Prometheus writes it."""
    return int(read_duration(duration).total_seconds())


def late_limits() -> list[tuple[str, int]]:
    """Matchers of backup types, and the age from which they are late."""
    limits = []
    earlier = ""
    for line in SETTINGS["late_after"]:
        if line["after"] != "never":
            types = f'backup_type=~"{line["backup_type"]}"{earlier}'
            limits.append((types, seconds(line["after"])))
        earlier += f', backup_type!~"{line["backup_type"]}"'
    return limits


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
        ended = "last_success_timestamp_seconds"
        stop = self.latest(ended, f'operation=~"{"|".join(STOPPING)}"', by=THING)
        again = f'operation=~"{SETTINGS["backups"]}|ConfigureBackup|Undelete"'
        return f"({stop} unless on ({THING}) ({self.latest(ended, again, by=THING)} > {stop}))"

    def protected(self, by: str = THING) -> str:
        """What has had a backup, good or bad, and is not stopped."""
        ended = self.latest("last_job_end_timestamp_seconds", BACKUPS, by=by)
        return f"({ended} unless on ({THING}) {self.stopped()})"

    def _waits(self) -> str:
        """Backups that were refused because another one of the item was running, and still is."""
        code = f'error_code="{SETTINGS["already_running"]}"'
        return (
            f"({self.latest('last_job_error_info', BACKUPS, code)}"
            f" and on ({DOING}) {self.latest('job_status', RUNNING, by=DOING)})"
        )

    def failed(self) -> str:
        """1 where the last backup failed, else 0; none where another one of the item runs on."""
        status = self.latest("last_job_status", BACKUPS, with_status("Failed"))
        return f"({status} unless on ({KEY}) {self._waits()})"

    def late(self) -> str:
        """1 where the newest good backup is too old for its type, else 0."""
        ages = [
            f"{self.age('last_success_timestamp_seconds', BACKUPS, types)} > bool {limit}"
            for types, limit in late_limits()
        ]
        return f"(({' or '.join(ages)}) unless on ({THING}) {self.stopped()})"

    def never(self) -> str:
        """Backups without a single success, with their failures."""
        good = self.latest("last_success_timestamp_seconds", BACKUPS)
        return (
            f"({self.latest('consecutive_failures', BACKUPS)} > 0 unless on ({KEY}) {good}"
            f" unless on ({KEY}) {self._fuller_name_is_good()}"
            f" unless on ({KEY}) {self._waits()}"
            f" unless on ({THING}) {self.stopped()})"
        )

    def _fuller_name_is_good(self) -> str:
        """Backups that failed before Azure knew their type or host, of items with a success."""
        parts = []
        for label, on in (
            ("backup_type", f"{DOING}, protection_container"),
            ("protection_container", DOING),
        ):
            failed = self.latest("consecutive_failures", BACKUPS, f'{label}=""')
            good = self.latest("last_success_timestamp_seconds", BACKUPS, f'{label}!=""', by=on)
            parts.append(f"{failed} and on ({on}) {good}")
        return f"({' or '.join(parts)})"

    def worst(self) -> str:
        """The worst that can be said of each backup, as a number of ``look.STATES``."""
        parts = [
            f"{self.never()} * 0 + 5",
            f"({self.late()} == 1) * 4",
            f"({self.failed()} == 1) * 3",
            f"({self._status('CompletedWithWarnings', BACKUPS)} == 1) * 2",
            f"({self._status('Cancelled|Other|Failed', BACKUPS)} == 1) * 1",
            f"{self._status('Completed', BACKUPS)} * 0",
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
