"""The SQLite file as such: how it is opened, told from others, and what its faults mean."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from exporter.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BUSY_SECONDS: Final = 1.0
_MAGIC: Final = b"SQLite format 3\0"
_APPLICATION_ID: Final = 0x41424558
_APPLICATION_AT: Final = slice(68, 72)
_FORMAT: Final = 4

_SCHEMA: Final = (
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_FORMAT}",
    """CREATE TABLE vault (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        revision TEXT NOT NULL,
        read_at TEXT NOT NULL
    )""",
    """CREATE TABLE note (
        number INTEGER PRIMARY KEY CHECK (number = 1),
        body TEXT NOT NULL
    )""",
    """CREATE TABLE record (
        vault INTEGER NOT NULL REFERENCES vault ON DELETE CASCADE,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (vault, kind, key)
    ) WITHOUT ROWID""",
)

_NAME_ANOTHER: Final = "remove it, or name another state.path"
_ADVICE: Final = {
    "BUSY": "another process holds it; end that one",
    "FULL": "make room on its disk",
    "IOERR": "check its disk",
    "CANTOPEN": "create its directory, and let this user read and write there",
    "READONLY": "let this user write the file and its directory",
    "NOTADB": f"this is no state file; {_NAME_ANOTHER}",
}
_KINDS: Final = {
    errno.EACCES: "READONLY",
    errno.EROFS: "READONLY",
    errno.ENOSPC: "FULL",
}
"""What SQLite would call these faults of the system."""


def create(path: Path) -> None:
    """Make an empty file that only its owner reads, if there is none."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


@contextmanager
def transaction(path: Path, begin: str) -> Iterator[sqlite3.Connection]:
    """An open file, which must exist; what was written is rolled back on any error.

    A rollback journal, the default, works on network file systems too, unlike WAL.
    """
    uri = f"{path.as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)) as db:
        # Damaged text is for the decoder to refuse, record by record.
        db.text_factory = bytes
        db.execute("PRAGMA foreign_keys = ON")
        if not path.stat().st_size:
            # Can only be said before there is a page; what is pruned makes the file smaller.
            db.execute("PRAGMA auto_vacuum = FULL")
        db.execute(begin)
        yield db
        db.execute("COMMIT")


def is_new(db: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is empty.

    Raises:
        StateError: It is not one that this version writes; it stays untouched.
    """
    [application] = db.execute("PRAGMA application_id").fetchone()
    [version] = db.execute("PRAGMA user_version").fetchone()
    if (application, version) == (_APPLICATION_ID, _FORMAT):
        return False
    if application == _APPLICATION_ID:
        raise StateError(
            f"{path}: its format is {version}, this version of the exporter reads {_FORMAT}",
            f"use the version that wrote it, {_NAME_ANOTHER}",
        )
    [tables] = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application or version or tables:
        raise StateError(f"{path}: another program's database", _ADVICE["NOTADB"])
    return True


def set_up(db: sqlite3.Connection) -> None:
    """Make the tables."""
    for statement in _SCHEMA:
        db.execute(statement)


@contextmanager
def faults_of(path: Path) -> Iterator[None]:
    """Tell what is wrong with the file, and what to do, as a ``StateError``."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # A damaged schema may make a message that is no text.
        default = "SQLITE_CORRUPT" if isinstance(error, UnicodeDecodeError) else "SQLITE_ERROR"
        kind = getattr(error, "sqlite_errorname", default).split("_")[1]
        damaged = kind in ("CORRUPT", "NOTADB") and _began_as_ours(path)
        advice = "remove it" if damaged else _ADVICE.get(kind, _NAME_ANOTHER)
        raise StateError(f"{path}: {error}", advice, damaged=damaged) from error
    except OSError as error:
        kind = _KINDS.get(error.errno or 0, "CANTOPEN")
        raise StateError(f"{path}: {error.strerror}", _ADVICE[kind]) from error


def _began_as_ours(path: Path) -> bool:
    """Whether the file begins as ours do, though SQLite cannot read it.

    Or with nothing but zeros: so a loss of power leaves what was being written.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_APPLICATION_AT.stop)
    except OSError:
        return False
    if not any(start):
        return True
    return start.startswith(_MAGIC) and start[_APPLICATION_AT] == _APPLICATION_ID.to_bytes(4, "big")
