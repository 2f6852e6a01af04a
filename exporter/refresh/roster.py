"""Which vaults are read, and where their job lists come from: a pure choice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exporter.backup.model import Vault
    from exporter.errors import ArmError


class Found(NamedTuple):
    """What one discovery entry has found.

    Attributes:
        vaults: Those it wants.
        group: Scope whose query of Resource Graph brings their jobs; empty where each vault is
            asked itself.
        unseen: By id, those of them that are not found any more and cannot be asked, and why.
    """

    vaults: Iterable[Vault]
    group: str
    unseen: Mapping[str, ArmError]


class Place(NamedTuple):
    """One vault that is read.

    Attributes:
        vault: Which one.
        group: As in ``Found``.
    """

    vault: Vault
    group: str


def roster(configured: Sequence[Vault], found: Iterable[Found]) -> list[Place]:
    """Each vault once, those that are configured first and then in the order of their ids.

    A vault that is configured, too, is read as it is configured; what discovery knows of it beside
    its names is taken along. Of several entries that find a vault the first one has it.
    """
    discovered: dict[str, Place] = {}
    for vaults, group, _ in found:
        for vault in vaults:
            discovered.setdefault(vault.id, Place(vault, group))
    places = [Place(_completed(vault, discovered.pop(vault.id, None)), "") for vault in configured]
    return places + [place for _, place in sorted(discovered.items())]


def _completed(vault: Vault, found: Place | None) -> Vault:
    if found is None:
        return vault
    return replace(
        found.vault,
        resource_group=vault.resource_group,
        name=vault.name,
        location=vault.location or found.vault.location,
    )
