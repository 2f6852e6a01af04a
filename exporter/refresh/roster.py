"""Which vaults are read, and where their job lists come from: a pure choice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from exporter.refresh.records import GRAPH_JOBS, ScopeRecord, Turn, VaultRecord, query_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from exporter.backup.model import Vault
    from exporter.refresh.records import Record, SearchRecord


class Place(NamedTuple):
    """One vault that is read.

    Attributes:
        vault: Which one.
        scope: The one whose query of Resource Graph brings its jobs; empty where the vault is
            asked itself.
    """

    vault: Vault
    scope: str


def roster(configured: Sequence[Vault], searches: Iterable[SearchRecord]) -> list[Place]:
    """Each vault once, those that are configured first and then in the order of their ids.

    A vault that is configured, too, is read as it is configured; what discovery knows of it beside
    its names is taken along. Of several entries that find a vault the first one has it.
    """
    discovered: dict[str, Place] = {}
    for search in searches:
        for vault in search.vaults or ():
            discovered.setdefault(vault.id, Place(vault, scope_of(search)))
    places = [Place(_completed(vault, discovered.pop(vault.id, None)), "") for vault in configured]
    return places + [place for _, place in sorted(discovered.items())]


def scope_of(search: SearchRecord) -> str:
    """The scope whose query brings the jobs of a search's vaults; empty where there is none."""
    return search.entry.scope if search.entry.source == "resource_graph" else ""


def vault_records(
    places: Iterable[Place],
    known: Mapping[str, Record],
    appeared: Callable[[Vault], VaultRecord],
) -> dict[str, VaultRecord]:
    """The record of each vault that is read: as it was where nothing else is said of it.

    Args:
        places: The vaults.
        known: By id, what is known of vaults.
        appeared: The record of a vault of which nothing is.
    """
    records = {}
    for place, scope in places:
        record = known.get(place.id)
        if not isinstance(record, VaultRecord):
            record = appeared(place)
        # A region that Azure was asked for is not asked for again.
        vault = replace(place, location=place.location or record.region)
        if (record.vault, record.scope) != (vault, scope):
            listing = record.listing if record.scope == scope else None
            record = replace(record, vault=vault, scope=scope, listing=listing)
        records[vault.id] = record
    return records


def scope_records(
    vaults: Mapping[str, VaultRecord],
    searches: Iterable[SearchRecord],
    known: Mapping[str, Record],
    interval: float,
) -> dict[str, ScopeRecord]:
    """The query of each scope; one with a vault that has never been read is due at once.

    Args:
        vaults: All that are read.
        searches: That found them.
        known: By subject, how queries stand.
        interval: Between two queries, in seconds.
    """
    records = {}
    for scope in dict.fromkeys(one.scope for one in vaults.values() if one.scope):
        members = tuple(k for k, one in vaults.items() if one.scope == scope)
        unseen = {k: v for one in searches if scope_of(one) == scope for k, v in one.unseen.items()}
        old = known.get(query_of(scope))
        if isinstance(old, ScopeRecord) and all(vaults[k].ended_once for k in members):
            turns = old.turns
        else:
            turns = {GRAPH_JOBS: Turn(interval=interval)}
        records[query_of(scope)] = ScopeRecord(
            scope=scope, members=members, unseen=unseen, turns=turns
        )
    return records


def _completed(vault: Vault, found: Place | None) -> Vault:
    if found is None:
        return vault
    return replace(
        found.vault,
        resource_group=vault.resource_group,
        name=vault.name,
        location=vault.location or found.vault.location,
    )
