"""Vaults as Azure lists them, and which of them are wanted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from exporter.backup.fields import Fields, clean, quote
from exporter.backup.model import Vault
from exporter.errors import PayloadError

if TYPE_CHECKING:
    from collections.abc import Iterable

VAULT_ID: Final = re.compile(
    r"/subscriptions/(?P<subscription_id>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    r"/providers/Microsoft\.RecoveryServices/vaults/(?P<name>[^/]+)",
    re.IGNORECASE,
)
"""The resource id of a vault; Azure spells its fixed parts in several ways (FACTS 4)."""

ANY_VAULT_ID: Final = re.compile(
    r"/subscriptions/[^/?#\s]+/resourceGroups/[^/?#\s]+/providers/"
    r"(?:Microsoft\.RecoveryServices/vaults|Microsoft\.DataProtection/backupVaults)/[^/?#\s]+",
    re.IGNORECASE,
)
"""The same, or that of a Backup vault."""


@dataclass(slots=True)
class VaultPage:
    """One page of a vault list.

    Attributes:
        vaults: Those that could be read.
        problems: What could not be read, by Azure's name; ``vault`` for a vault left out.
        next_link: URL of the next page; None on the last one.
    """

    vaults: list[Vault] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)
    next_link: str | None = None


def parse_vault_page(body: object) -> VaultPage:
    """Read an answer of ``GET .../providers/Microsoft.RecoveryServices/vaults``.

    Raises:
        PayloadError: The body is no list of vaults at all.
    """
    if not isinstance(body, dict):
        raise PayloadError(f"not a vault list: {quote(body)}")
    value = body.get("value", body.get("Value"))  # one answer of 2015 spells it so (FACTS 13)
    if not isinstance(value, list):
        raise PayloadError(f"not a vault list, no array 'value': {quote(body)}")
    next_link = body.get("nextLink") or None
    if next_link is not None and not isinstance(next_link, str):
        raise PayloadError(f"nextLink is not a URL: {quote(next_link)}")
    page = VaultPage(next_link=next_link)
    page.vaults = parse_vaults(value, page.problems)
    return page


def parse_vaults(payloads: Iterable[object], problems: Counter[str]) -> list[Vault]:
    """Read the vaults of a list or of Resource Graph's rows; what is none is left out, counted."""
    vaults = []
    for payload in payloads:
        try:
            vaults.append(_parse_vault(payload, problems))
        except PayloadError:
            problems["vault"] += 1
    return vaults


def _parse_vault(payload: object, problems: Counter[str]) -> Vault:
    if not isinstance(payload, dict):
        raise PayloadError(f"not a vault: {quote(payload)}")
    fields = Fields(payload, problems)
    match = VAULT_ID.fullmatch(fields.text("id"))
    if match is None:
        raise PayloadError(f"not the id of a vault: {quote(payload.get('id'))}")
    redundancy = fields.child("properties").child("redundancySettings")
    return Vault(
        subscription_id=match["subscription_id"].lower(),
        resource_group=match["resource_group"],
        name=match["name"],
        location=fields.text("location").lower(),
        sku=fields.child("sku").text("name"),
        redundancy=redundancy.text("standardTierStorageRedundancy"),
        tags=_parse_tags(payload.get("tags")),
    )


def _parse_tags(tags: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(tags, dict):
        return ()
    return tuple(
        sorted((clean(name), clean(text)) for name, text in tags.items() if isinstance(text, str))
    )


def tag_label(name: str) -> str:
    """The label of a tag: Azure compares tag names without case and allows almost any character."""
    return "tag_" + re.sub("[^a-z0-9_]", "_", name.lower())


def vault_id_of_job(payload: object) -> str:
    """The vault in a job object's ``id``, for comparison; empty if it names none (FACTS 4)."""
    resource_id = payload.get("id") if isinstance(payload, dict) else None
    path, _, _ = str(resource_id).lower().partition("/backupjobs/")
    return path if VAULT_ID.fullmatch(path) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultFilter:
    """What vaults are told apart by. All but tag values compares without case, as in Azure.

    Attributes:
        resource_groups: Any of these; empty for no say. Lower case.
        name: The whole name matches; None for no say.
        locations: Any of these; empty for no say. Lower case.
        tags: Every one of these, by lower-case name; empty for no say.
    """

    resource_groups: frozenset[str] = frozenset()
    name: re.Pattern[str] | None = None
    locations: frozenset[str] = frozenset()
    tags: Mapping[str, str] = field(default_factory=dict)

    def verdicts(self, vault: Vault) -> list[bool]:
        """What each condition that has a say says of a vault."""
        said = []
        if self.resource_groups:
            said.append(vault.resource_group.lower() in self.resource_groups)
        if self.name:
            said.append(self.name.fullmatch(vault.name) is not None)
        if self.locations:
            said.append(vault.location in self.locations)
        if self.tags:
            has = {name.lower(): text for name, text in vault.tags}
            said.append(self.tags.items() <= has.items())
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which of the vaults found are wanted, and which of their tags are shown.

    Attributes:
        include: A vault must meet every condition.
        exclude: One condition that it meets is enough to leave it out.
        tags: Names of the tags that are kept. Lower case.
    """

    include: VaultFilter
    exclude: VaultFilter
    tags: frozenset[str] = frozenset()

    def of(self, vaults: Iterable[Vault]) -> list[Vault]:
        """The vaults that are wanted, with no tags but those that are kept."""
        return [
            replace(vault, tags=tuple(tag for tag in vault.tags if tag[0].lower() in self.tags))
            for vault in vaults
            if all(self.include.verdicts(vault)) and not any(self.exclude.verdicts(vault))
        ]
