"""The two families of Resource Graph queries that the simulator understands (F§15)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from exporter.simulator import ticks

# Of every row, in Azure's order.
COLUMNS: Final = (
    "id",
    "name",
    "type",
    "tenantId",
    "kind",
    "location",
    "resourceGroup",
    "subscriptionId",
    "managedBy",
    "sku",
    "plan",
    "properties",
    "tags",
    "identity",
    "zones",
    "extendedLocation",
)

_INSTANT: Final = r"datetime\(([0-9T:.+Z-]+)\)"
_TYPE: Final = r"where type=~'{}'"
_VAULTS: Final = (r"resources", _TYPE.format(r"microsoft\.recoveryservices/vaults"))
# Only keywords come in any case: names of properties do not.
_JOBS: Final = (
    r"recoveryservicesresources",
    _TYPE.format(r"microsoft\.recoveryservices/vaults/backupjobs"),
    rf"where todatetime\((?-i:properties\.startTime)\)>={_INSTANT}"
    rf" or todatetime\((?-i:properties\.endTime)\)>={_INSTANT}"
    r" or (?-i:properties\.status) in~\('InProgress','Cancelling'\)",
)
_PROJECT: Final = re.compile(r"project ([\w,]+)", re.IGNORECASE)
_ORDER: Final = re.compile(r"order by (?-i:id) asc", re.IGNORECASE)


class QueryError(ValueError):
    """A query of no family; the message says what was not expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultQuery:
    """All vaults.

    Attributes:
        columns: What rows have.
    """

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Jobs that run, or started or ended at or after two instants, in ticks."""

    started: int
    ended: int
    columns: tuple[str, ...]


def parse_query(text: str) -> VaultQuery | JobQuery:
    """Read a query.

    Raises:
        QueryError: It is of neither family.
    """
    clauses = _clauses(text)
    if _matches(_VAULTS, clauses) is not None:
        return VaultQuery(columns=_columns(clauses[len(_VAULTS) :]))
    found = _matches(_JOBS, clauses)
    if found is None:
        raise QueryError(text)
    started, ended = map(_instant, found)
    return JobQuery(started=started, ended=ended, columns=_columns(clauses[len(_JOBS) :]))


def _clauses(text: str) -> list[str]:
    """The parts between bars, with white space only where it separates words."""
    text = " ".join(text.split()).replace('"', "'")
    text = re.sub(r" ?(=~|>=|[(),|]) ?", r"\1", text)
    return re.sub(r"\)or\b", ") or", text, flags=re.IGNORECASE).split("|")


def _matches(family: tuple[str, ...], clauses: list[str]) -> tuple[str, ...] | None:
    """What the groups of a family's patterns hold, if the first clauses match them."""
    if len(clauses) < len(family):
        return None
    groups: tuple[str, ...] = ()
    for pattern, clause in zip(family, clauses, strict=False):
        match = re.fullmatch(pattern, clause, re.IGNORECASE)
        if match is None:
            return None
        groups += match.groups()
    return groups


def _columns(clauses: list[str]) -> tuple[str, ...]:
    """The columns that ``project`` and ``order`` leave; both may be missing."""
    columns = COLUMNS
    match = _PROJECT.fullmatch(clauses[0]) if clauses else None
    if match is not None:
        columns = tuple(match[1].split(","))
        if len(set(columns)) < len(columns) or not set(columns) <= set(COLUMNS):
            raise QueryError(match[0])
        clauses = clauses[1:]
    match = _ORDER.fullmatch(clauses[0]) if clauses and "id" in columns else None
    if clauses[1 if match else 0 :]:
        raise QueryError(clauses[-1])
    return columns


def _instant(text: str) -> int:
    instant = ticks.from_text(text)
    if instant is None:
        raise QueryError(text)
    return instant
