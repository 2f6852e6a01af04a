"""Which vaults are read: named one by one, or discovered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator

from exporter.backup.lateness import AgeLimits, LatenessRule
from exporter.backup.model import Vault
from exporter.backup.vaults import VAULT_ID, Selection, VaultFilter
from exporter.config.section import Section
from exporter.config.types import Age, Name, Pattern, Text, check_name

if TYPE_CHECKING:
    from collections.abc import Iterable


def _check_vault_id(vault_id: str) -> str:
    match = VAULT_ID.fullmatch(vault_id)
    if not match:
        raise ValueError(
            "write /subscriptions/.../resourceGroups/.../providers/"
            "Microsoft.RecoveryServices/vaults/..."
        )
    for name in match.groups():
        check_name(name)
    return vault_id


VaultId = Annotated[str, AfterValidator(_check_vault_id)]


class VaultEntry(Section):
    """One vault, by resource id or by its three names."""

    id: VaultId | None = None
    subscription_id: Name | None = None
    resource_group: Name | None = None
    name: Name | None = None
    location: Name | None = None

    @classmethod
    def problem(cls, values: dict[str, object]) -> str:
        """A vault is named one way or the other."""
        names = [values.get(name) for name in ("subscription_id", "resource_group", "name")]
        if values.get("id") is not None:
            by_both = any(name is not None for name in names)
            return (
                "id says it all: leave out subscription_id, resource_group, name" if by_both else ""
            )
        return (
            "write either id, or subscription_id, resource_group and name" if None in names else ""
        )

    def vault(self) -> Vault:
        """The vault this entry names."""
        match = VAULT_ID.fullmatch(self.id) if self.id else None
        names = match.groupdict() if match else self.model_dump(exclude={"id", "location"})
        return Vault(
            subscription_id=names["subscription_id"].lower(),
            resource_group=names["resource_group"],
            name=names["name"],
            location=(self.location or "").lower(),
        )


def _pattern(text: str | None) -> re.Pattern[str] | None:
    """For a whole name; Azure compares names without case."""
    return None if text is None else re.compile(text, re.IGNORECASE)


class VaultMatch(Section):
    """What vaults are told apart by."""

    resource_groups: list[Name] = []
    name: Pattern | None = None
    locations: list[Name] = []
    tags: dict[Text, str] = {}

    def filter(self) -> VaultFilter:
        """The same for the core."""
        return VaultFilter(
            resource_groups=frozenset(map(str.lower, self.resource_groups)),
            name=_pattern(self.name),
            locations=frozenset(map(str.lower, self.locations)),
            tags={name.lower(): text for name, text in self.tags.items()},
        )


class LatenessLine(Section):
    """From which age of their newest good backup some items are late."""

    vaults: VaultMatch = VaultMatch()
    item: Pattern | None = None
    backup_type: Pattern | None = None
    warning: Age
    critical: Age

    @property
    def fits_all(self) -> bool:
        """Whether it leaves nothing to the lines behind it."""
        return self.vaults == VaultMatch() and self.item is None and self.backup_type is None

    def rule(self) -> LatenessRule:
        """The same for the core."""
        return LatenessRule(
            limits=AgeLimits(self.warning, self.critical),
            vaults=self.vaults.filter(),
            item=_pattern(self.item),
            backup_type=_pattern(self.backup_type),
        )


class DiscoveryEntry(Section):
    """Vaults that are found by themselves."""

    subscription_id: Name | None = None
    management_group: Name | None = None
    source: Literal["arm", "resource_graph"] = "arm"
    include: VaultMatch = VaultMatch()
    exclude: VaultMatch = VaultMatch()

    @classmethod
    def problem(cls, values: dict[str, object]) -> str:
        """An entry looks in one place."""
        places = [values.get(name) for name in ("subscription_id", "management_group")]
        if sum(place is not None for place in places) != 1:
            return "write either subscription_id or management_group"
        return ""

    @property
    def scope(self) -> str:
        """Where it looks, as an ARM path: the ``scope`` label of the metrics about it."""
        if self.management_group is not None:
            return (
                f"/providers/Microsoft.Management/managementGroups/{self.management_group.lower()}"
            )
        return f"/subscriptions/{(self.subscription_id or '').lower()}"

    def selection(self, vault_tags: Iterable[str]) -> Selection:
        """Which of the vaults found are wanted, and which of their tags are shown."""
        return Selection(
            include=self.include.filter(),
            exclude=self.exclude.filter(),
            tags=frozenset(map(str.lower, vault_tags)),
        )
