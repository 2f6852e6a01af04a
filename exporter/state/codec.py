"""Between a vault's history and the records of a state file. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import TypeAdapter

from exporter.backup.history import History, OlderFailures, TaskSuccess
from exporter.backup.model import BackupJob, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVault:
    """What is kept of one vault.

    Attributes:
        vault_id: For comparison, as ``Vault.id``.
        history: Its jobs and what outlives them. Not when lists were read, so that the first one
            after a start covers the whole look-back; nor what such a list finds anew.
        read_at: When the newest refresh that read the vault began.
    """

    vault_id: str
    history: History
    read_at: datetime


class RecordKey(NamedTuple):
    """Which record of a vault: of what kind, and its key as JSON."""

    kind: str
    key: str


class Record(NamedTuple):
    """One thing known, as JSON."""

    kind: str
    key: str
    body: str


class Changes(NamedTuple):
    """How the records of one history become those of another."""

    written: list[Record]
    dropped: list[RecordKey]


class Decoded(NamedTuple):
    """A history, and how many of its records could not be read."""

    history: History
    unreadable: int


class _Kind(NamedTuple):
    """One kind of record, named like the attribute of ``History`` it comes from."""

    key: TypeAdapter[Any]
    value: TypeAdapter[Any]
    instants: Callable[[Any], tuple[datetime | None, ...]]


_KINDS: Final = {
    "jobs": _Kind(
        TypeAdapter(str), TypeAdapter(BackupJob), lambda job: (job.start_time, job.end_time)
    ),
    "ends": _Kind(TypeAdapter(tuple[Subject, str]), TypeAdapter(datetime), lambda at: (at,)),
    "task_successes": _Kind(
        TypeAdapter(tuple[Subject, str]), TypeAdapter(TaskSuccess), lambda success: (success.at,)
    ),
    "older_failures": _Kind(
        TypeAdapter(Subject), TypeAdapter(OlderFailures), lambda failures: (failures.newest,)
    ),
}


def changes(old: History, new: History) -> Changes:
    """The difference; a history keeps the same object for an unchanged job, so it is cheap."""
    found = Changes([], [])
    for name, kind in _KINDS.items():
        before, after = getattr(old, name), getattr(new, name)
        for key, value in after.items():
            known = before.get(key)
            if known is not value and known != value:
                found.written.append(Record(name, _text(kind.key, key), _body(kind.value, value)))
        found.dropped.extend(
            RecordKey(name, _text(kind.key, key)) for key in before if key not in after
        )
    return found


def decode(records: Iterable[tuple[bytes, bytes, bytes]]) -> Decoded:
    """A history from its records, as the file has them; one that cannot be read is left out."""
    found: dict[str, Any] = {name: {} for name in _KINDS}
    unreadable = 0
    for name, key, body in records:
        try:
            kind = _KINDS[name.decode()]
            value = kind.value.validate_json(body, strict=True)
            read_key = kind.key.validate_json(key, strict=True)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            unreadable += 1
            continue
        if any(at and at.tzinfo is None for at in kind.instants(value)):
            unreadable += 1
            continue
        found[name.decode()][read_key] = value
    return Decoded(History(**found), unreadable)


def _body(adapter: TypeAdapter[Any], value: object) -> str:
    if isinstance(value, BackupJob) and value.running:
        # Tasks of an earlier reading would look fresh.
        value = replace(value, detail=None)
    return _text(adapter, value)


def _text(adapter: TypeAdapter[Any], value: object) -> str:
    return adapter.dump_json(value, exclude_defaults=True).decode()
