"""Colours by meaning, and the addresses that links lead to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from grafana_foundation_sdk.models import dashboard as models

from exporter.backup.health import WORDS, Health
from grafana.source.queries import state_number

Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""From which value on a colour holds; the first has None."""

SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG: Final = "azure-backup"
OVERVIEW: Final = "azure-backup-overview"
ITEM: Final = "azure-backup-item"
EXPORTER: Final = "azure-backup-exporter"

GREEN: Final = "green"
YELLOW: Final = "yellow"
ORANGE: Final = "orange"
RED: Final = "red"
DARK_RED: Final = "dark-red"
BLUE: Final = "blue"
PURPLE: Final = "purple"
GREY: Final = "#8e8e8e"

_STATE_COLORS: Final = {
    Health.NEVER: DARK_RED,
    Health.REPEATEDLY: RED,
    Health.LATE: RED,
    Health.MISSED: ORANGE,
    Health.FAILED: ORANGE,
    Health.TASK: ORANGE,
    Health.WARNINGS: YELLOW,
    Health.INCOMPLETE: PURPLE,
    Health.ENDED: GREY,
    Health.WELL: GREEN,
}
STATES: Final = {
    state_number(health): (WORDS[health], color) for health, color in _STATE_COLORS.items()
}
"""Of `Scope.worst`. Orange where the alert is a warning, red where it is critical."""

OUTCOMES: Final = {
    0: ("Completed", GREEN),
    1: ("Cancelled", PURPLE),
    2: ("Warnings", YELLOW),
    3: ("Other", GREY),
    4: ("Failed", ORANGE),
    5: ("Running", BLUE),
}
"""Of `Scope.outcome`."""

STATUS_COLORS: Final = {
    "Completed": GREEN,
    "CompletedWithWarnings": YELLOW,
    "Failed": ORANGE,
    "Cancelled": PURPLE,
    "Cancelling": PURPLE,
    "InProgress": BLUE,
    "NotStarted": GREY,
    "Skipped": GREY,
}
"""Of a job's or task's status, as Azure spells it."""

_VAULT_ID: Final = (
    "/subscriptions/${__data.fields.subscription_id}"
    "/resourceGroups/${__data.fields.resource_group}"
    "/providers/Microsoft.RecoveryServices/vaults/${__data.fields.Vault}"
)
PORTAL_JOBS: Final = f"https://portal.azure.com/#@/resource{_VAULT_ID}/backupJobs"
PORTAL_VAULT: Final = f"https://portal.azure.com/#@/resource{_VAULT_ID}/overview"
_KEPT: Final = "${datasource:queryparam}&${job:queryparam}&${__url_time_range}"
ITEM_PAGE: Final = (
    f"/d/{ITEM}?{_KEPT}&var-subscription=${{__data.fields.subscription_id}}"
    "&var-vault=${__data.fields.Vault}&var-item=${__data.fields.Item:percentencode}"
    "&var-container=${__data.fields.protection_container:percentencode}"
)
VAULT_PAGE: Final = (
    f"/d/{OVERVIEW}?{_KEPT}&var-subscription=${{__data.fields.subscription_id}}"
    "&var-vault=${__data.fields.Vault}"
)


def red_from(limit: float, color: str = RED) -> Steps:
    """Green below a limit."""
    return ((None, GREEN), (limit, color))


PLAIN: Final = (None, "text")
NEUTRAL: Final[Steps] = (PLAIN,)
"""A number that is neither good nor bad."""
