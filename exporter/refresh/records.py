"""All that is known of what is read: frozen records, replaced whole and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from exporter.backup.history import History
from exporter.backup.model import BackupJob, Vault
from exporter.errors import ErrorKind
from exporter.refresh.pending import Details

if TYPE_CHECKING:
    from exporter.backup.history import Window
    from exporter.config.estate import DiscoveryEntry
    from exporter.errors import ArmError

BudgetKey = tuple[str, str]
"""Subscription and region: vaults of both share a read budget (FACTS 10)."""

NEVER = float("-inf")


class Moment(NamedTuple):
    """The present: by Azure's clock, and in monotonic seconds."""

    wall: datetime
    monotonic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How one reading of one subject stands. A round is one reading with its pages and retries.

    Attributes:
        due: Monotonic time of the next request at the earliest. Only the scheduler makes one.
        began: Monotonic time when the newest round that has ended began.
        interval: Seconds between the beginnings of that round and the next.
        round_began: The same of the round under way; None between two rounds.
        attempts: Requests that failed since the last one that worked.
        hung: Whether the last request met a timeout.
    """

    due: float = NEVER
    began: float | None = None
    interval: float = 0.0
    round_began: float | None = None
    attempts: int = 0
    hung: bool = False

    @property
    def ended_once(self) -> bool:
        """Whether a round has ended, well or badly."""
        return self.began is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """How far a job list has been read: a long one may need more than one budget.

    Attributes:
        window: What is listed.
        next_url: The first page not read yet.
        since: Monotonic time when it was asked for: how old its data are.
        seen: The pages read.
        jobs: Of those pages.
        unreadable: How many more there were that could not be read.
    """

    window: Window
    next_url: str
    since: float
    seen: frozenset[str] = frozenset()
    jobs: tuple[BackupJob, ...] = ()
    unreadable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultRecord:
    """All that is known of one vault.

    Attributes:
        vault: Which one.
        scope: The scope whose query of Resource Graph brings its job list; empty where the vault
            is asked itself.
        region: The location that Azure was asked for, where none is configured; empty before.
        appeared: Monotonic time since when it is known, and has been read or not.
        recalled: Whether the state file has been asked.
        history: Its jobs, but for details that have just arrived.
        ended_once: Whether a refresh has ended, well or badly.
        up: Whether the last refresh read it, or could not begin for too long; None before that.
        refreshed_at: When the list was asked for that its data are from.
        data_since: The same as monotonic time, which tells their age also when the clock is set.
        refresh_duration: Of the last refresh.
        errors: Failed refreshes by kind.
        failed_kind: Why it is down; None while it is up.
        failure: The same for people.
        for_support: Ids of the request that failed, for people; empty where there are none.
        spoilt: Whether a fault of ours keeps what is known off the page.
        listing: The pages of a list that is not complete.
        pages: Of the last complete list: what the next one will cost.
        details: Those that it waits for.
        details_pending: How many did when it was read last; None before.
        filled: Whether no detail of a failed or newest job has waited since the first list, or it
            is down.
        long_runs_read: Whether it has been asked for jobs that began before the look-back.
        turns: How each reading stands, by its name.
    """

    vault: Vault
    scope: str = ""
    region: str = ""
    appeared: float
    recalled: bool = False
    history: History = field(default_factory=History)
    ended_once: bool = False
    up: bool | None = None
    refreshed_at: datetime | None = None
    data_since: float = NEVER
    refresh_duration: timedelta | None = None
    errors: Mapping[ErrorKind, int] = field(default_factory=dict)
    failed_kind: ErrorKind | None = None
    failure: str | None = None
    for_support: str = ""
    spoilt: bool = False
    listing: Listing | None = None
    pages: int = 1
    details: Details = field(default_factory=Details)
    details_pending: int | None = None
    filled: bool = False
    long_runs_read: bool = False
    turns: Mapping[str, Turn] = field(default_factory=dict)

    @property
    def budget(self) -> BudgetKey:
        """Whose reads it spends."""
        return self.vault.subscription_id, self.vault.location


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRecord:
    """What the search of one discovery entry has found.

    Attributes:
        entry: Where it looks.
        found: All vaults there, by id; None before the first search that worked.
        vaults: Those that are wanted, in the order of their ids; None before.
        unseen: Of those, by id, the ones that the newest search did not find and that cannot be
            asked either, and why.
        missed: By id, how often in a row a vault was not found.
        found_at: When the newest search that worked ended.
        failure: Why the last one failed; None if it worked.
        turns: How its reading stands.
    """

    entry: DiscoveryEntry
    found: Mapping[str, Vault] | None = None
    vaults: tuple[Vault, ...] | None = None
    unseen: Mapping[str, ArmError] = field(default_factory=dict)
    missed: Mapping[str, int] = field(default_factory=dict)
    found_at: datetime | None = None
    failure: ArmError | None = None
    turns: Mapping[str, Turn] = field(default_factory=dict)

    @property
    def ended_once(self) -> bool:
        """Whether a search has ended, well or badly."""
        return any(turn.ended_once for turn in self.turns.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRecord:
    """The job lists of many vaults out of one query of Resource Graph.

    Attributes:
        scope: Path of the subscription or management group that has the vaults.
        members: Their ids.
        unseen: By id, those that Resource Graph does not show any more, and why.
        turns: How its reading stands.
    """

    scope: str
    members: tuple[str, ...] = ()
    unseen: Mapping[str, ArmError] = field(default_factory=dict)
    turns: Mapping[str, Turn] = field(default_factory=dict)


Record = VaultRecord | SearchRecord | ScopeRecord


JOB_LIST = "job_list"
"""Of vaults that are asked for their lists themselves."""

JOB_DETAIL = "job_detail"

GRAPH_JOBS = "graph_jobs"
"""Of scopes whose query brings the lists of their vaults."""


def query_of(scope: str) -> str:
    """The subject of the query of a scope."""
    return f"the jobs below {scope}"


def search_of(scope: str, number: int) -> str:
    """The subject of the search of one of the discovery entries."""
    return f"discovery of {scope}" + (f" ({number})" if number else "")


def turn_of(record: Record, reading: str) -> Turn:
    """How a reading of a record stands; due at once if it has never been made."""
    return record.turns.get(reading, Turn())


def list_turn(record: VaultRecord, records: Mapping[str, Record]) -> Turn:
    """How the reading of a vault's list stands, wherever it comes from."""
    if record.scope:
        source = records.get(query_of(record.scope))
        return turn_of(source, GRAPH_JOBS) if source else Turn()
    return turn_of(record, JOB_LIST)


def with_turn(record: Record, reading: str, turn: Turn) -> Record:
    """The record with another turn of a reading."""
    return replace(record, turns={**record.turns, reading: turn})


def source_of(record: VaultRecord) -> str:
    """The subject that its job list is read of."""
    return query_of(record.scope) if record.scope else record.vault.id


def unread(scope: ScopeRecord, records: Mapping[str, Record]) -> bool:
    """Whether a vault of it has never been read: it may be newer than the last query."""
    members = (records.get(vault_id) for vault_id in scope.members)
    return any(isinstance(one, VaultRecord) and not one.ended_once for one in members)


def names_of(vault: Vault) -> dict[str, str]:
    """The vault as fields of a log record."""
    return {
        "vault_name": vault.name,
        "resource_group": vault.resource_group,
        "subscription_id": vault.subscription_id,
    }
