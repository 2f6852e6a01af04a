"""From which age of its newest good backup an item is late, for rules and status page. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.backup.model import BACKUP
from exporter.backup.vaults import VaultFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.backup.model import ItemKey, Vault


class AgeLimits(NamedTuple):
    """The age beyond which an item's newest good backup is alerted about; None for never.

    Field names are the alerts' severities.
    """

    warning: timedelta | None
    critical: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatenessRule:
    """Which backups some limits are for: those that meet every condition.

    Attributes:
        limits: Theirs.
        vaults: What their vault must meet.
        item: The whole name matches; None for no say.
        backup_type: Likewise; jobs without one have an empty type.
    """

    limits: AgeLimits
    vaults: VaultFilter = field(default_factory=VaultFilter)
    item: re.Pattern[str] | None = None
    backup_type: re.Pattern[str] | None = None

    def holds_in(self, vault: Vault) -> bool:
        """Whether it is about backups of this vault."""
        return all(self.vaults.verdicts(vault))

    def holds_for(self, backup_type: str, item: str) -> bool:
        """Whether it is about this item, in a vault that it is about."""
        conditions = ((self.backup_type, backup_type), (self.item, item))
        return all(pattern is None or pattern.fullmatch(text) for pattern, text in conditions)


def _of_type(
    backup_type: str, warning: timedelta | None, critical: timedelta | None
) -> LatenessRule:
    return LatenessRule(
        limits=AgeLimits(warning, critical),
        backup_type=re.compile(backup_type, re.IGNORECASE),
    )


DEFAULT_LATENESS: Final = (
    _of_type("Log", timedelta(hours=2, minutes=30), timedelta(hours=4)),
    # Differential and incremental ones are left out on the day of a full one, and may be weekly.
    _of_type("Full|SnapshotFull|Differential|Incremental", timedelta(days=8), timedelta(days=15)),
    # Made by hand only, so that no next one is due.
    _of_type("CopyOnlyFull|SnapshotCopyOnlyFull", None, None),
    # One missed night, and two.
    _of_type(".*", timedelta(hours=30), timedelta(hours=54)),
)
"""What holds for all that the configuration says nothing of."""


def age_limits(
    vault: Vault, rules: Iterable[LatenessRule]
) -> Callable[[ItemKey], AgeLimits | None]:
    """The limits of a vault's items: those of the first rule that fits.

    Args:
        vault: Whose items.
        rules: In order; the last one fits all (``DEFAULT_LATENESS``).

    Returns:
        From an item and operation to its limits; None where the operation makes no recovery point.
    """
    here = [rule for rule in rules if rule.holds_in(vault)]
    by_name = any(rule.item for rule in here)

    # A vault has thousands of items and few types of backups.
    @cache
    def limits(backup_type: str, item: str) -> AgeLimits:
        return next(rule.limits for rule in here if rule.holds_for(backup_type, item))

    def limits_of(key: ItemKey) -> AgeLimits | None:
        if key.operation != BACKUP:
            return None
        return limits(key.backup_type, key.item if by_name else "")

    return limits_of
