"""Between a vault's history and the records of a state file. Pure."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import MsgspecError, Struct, structs
from msgspec.json import Decoder, encode

from exporter.backup.history import History, OlderFailures, TaskSuccess
from exporter.backup.items import with_spellings
from exporter.backup.model import BackupJob, ItemName, Subject

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

    key: Decoder[Any]
    value: Decoder[Any]
    instants: Callable[[Any], tuple[datetime | None, ...]]


_KINDS: Final = {
    "jobs": _Kind(Decoder(str), Decoder(BackupJob), lambda job: (job.start_time, job.end_time)),
    "ends": _Kind(Decoder(tuple[Subject, str]), Decoder(datetime), lambda at: (at,)),
    "task_successes": _Kind(
        Decoder(tuple[Subject, str]), Decoder(TaskSuccess), lambda success: (success.at,)
    ),
    "older_failures": _Kind(
        Decoder(Subject), Decoder(OlderFailures), lambda failures: (failures.newest,)
    ),
    "spellings": _Kind(Decoder(ItemName), Decoder(str), lambda _: ()),
}


def changes(old: History, new: History) -> Changes:
    """The difference; a history keeps the same object for an unchanged job, so it is cheap."""
    found = Changes([], [])
    for name in _KINDS:
        before, after = getattr(old, name), getattr(new, name)
        for key, value in after.items():
            known = before.get(key)
            if known is not value and known != value:
                found.written.append(Record(name, _text(key), _body(value)))
        found.dropped.extend(RecordKey(name, _text(key)) for key in before if key not in after)
    return found


def decode(records: Iterable[tuple[bytes, bytes, bytes]]) -> Decoded:
    """A history from its records, as the file has them; one that cannot be read is left out."""
    found: dict[str, Any] = {name: {} for name in _KINDS}
    unreadable = 0
    for name, key, body in records:
        try:
            kind = _KINDS[name.decode()]
            value = kind.value.decode(body)
            read_key = kind.key.decode(key)
        except (AttributeError, KeyError, MsgspecError, RecursionError, TypeError, ValueError):
            unreadable += 1
            continue
        if any(at and at.tzinfo is None for at in kind.instants(value)):
            unreadable += 1
            continue
        found[name.decode()][_shared(read_key)] = _shared(value)
    # One that cannot be read must not leave two spellings of one item.
    found["spellings"] = with_spellings(found["spellings"], found["jobs"].values())
    return Decoded(History(**found), unreadable)


def _shared(value: Any) -> Any:
    """The same with each text kept once for all records, as the parser keeps a job's."""
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, tuple):
        make = getattr(type(value), "_make", tuple)
        return make(map(_shared, value))
    if isinstance(value, Struct):
        texts = {name: _shared(getattr(value, name)) for name in value.__struct_fields__}
        return structs.replace(value, **texts)
    return value


def _body(value: object) -> str:
    if isinstance(value, BackupJob) and value.running:
        # Tasks of an earlier reading would look fresh.
        value = structs.replace(value, detail=None)
    return _text(value)


def _text(value: object) -> str:
    return encode(value).decode()
