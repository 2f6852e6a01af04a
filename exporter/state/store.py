"""The state file: one SQLite database for several vaults."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from exporter.backup.history import History
from exporter.state.codec import StoredVault, changes, decode
from exporter.state.database import create, faults_of, is_new, set_up, transaction
from exporter.state.notes import Notes, as_text, read

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path


class Loaded(NamedTuple):
    """What a state file holds of some vaults, and how many records could not be read."""

    vaults: dict[str, StoredVault]
    unreadable: int


class _Saved(NamedTuple):
    """What this process last read or wrote of a vault."""

    revision: str
    history: History


class StateStore:
    """Reads and writes a state file.

    It is opened anew for each use: one that was mended, removed or replaced is taken as it is.

    Args:
        path: Of the file; made when something is saved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._saved: dict[str, _Saved] = {}

    def load(self, vault_ids: Iterable[str]) -> Loaded:
        """What is known of these vaults; nothing when there is no file yet.

        Raises:
            StateError: The file cannot be read.
        """
        vaults, unreadable = {}, 0
        with faults_of(self._path):
            if not self._path.exists():
                return Loaded({}, 0)
            with transaction(self._path, "BEGIN") as db:
                if is_new(db, self._path):
                    return Loaded({}, 0)
                for vault_id in vault_ids:
                    stored, skipped = self._read(db, vault_id)
                    unreadable += skipped
                    if stored:
                        vaults[vault_id] = stored
        return Loaded(vaults, unreadable)

    def load_notes(self) -> Notes:
        """What is known beside vaults; nothing when there is no file yet.

        Raises:
            StateError: The file cannot be read.
        """
        with faults_of(self._path):
            if not self._path.exists():
                return Notes()
            with transaction(self._path, "BEGIN") as db:
                row = None
                if not is_new(db, self._path):
                    row = db.execute("SELECT body FROM note").fetchone()
        return read(row[0]) if row else Notes()

    def save(
        self,
        vaults: Iterable[StoredVault],
        *,
        forget_before: datetime,
        notes: Notes | None = None,
    ) -> None:
        """Make the file say this of these vaults, all at once or not at all.

        What another process has written of them meanwhile is replaced.

        Args:
            vaults: Written as far as they have changed.
            forget_before: Vaults last read before are dropped.
            notes: Replace those of the file; None to leave them.

        Raises:
            StateError: The file cannot be written; it is as it was.
        """
        with faults_of(self._path):
            create(self._path)
            with transaction(self._path, "BEGIN IMMEDIATE") as db:
                if is_new(db, self._path):
                    set_up(db)
                saved = {stored.vault_id: self._write(db, stored) for stored in vaults}
                if notes:
                    db.execute("INSERT OR REPLACE INTO note VALUES (1, ?)", (as_text(notes),))
                db.execute("DELETE FROM vault WHERE read_at < ?", (_sortable(forget_before),))
        self._saved.update(saved)

    def set_aside(self) -> Path:
        """Rename a damaged file; returns its new name.

        Raises:
            StateError: It cannot be renamed.
        """
        aside = self._path.with_name(f"{self._path.name}.corrupt")
        with faults_of(self._path):
            # A journal left behind would be applied to the file that comes next.
            self._path.with_name(f"{self._path.name}-journal").unlink(missing_ok=True)
            return self._path.replace(aside)

    def _read(self, db: sqlite3.Connection, vault_id: str) -> tuple[StoredVault | None, int]:
        """What is known of a vault, and how many of its records cannot be read."""
        found = db.execute(
            "SELECT number, revision, read_at FROM vault WHERE id = ?",
            (vault_id,),
        ).fetchone()
        if not found:
            return None, 0
        number, revision, read_at = found
        history, unreadable = decode(
            db.execute("SELECT kind, key, body FROM record WHERE vault = ?", (number,))
        )
        try:
            stored = StoredVault(vault_id=vault_id, history=history, read_at=_instant(read_at))
            saved = _Saved(revision.decode(), history)
        except (AttributeError, TypeError, ValueError):
            return None, unreadable + 1
        if not unreadable:
            # Else the next save writes the vault anew, without what cannot be read.
            self._saved[vault_id] = saved
        return stored, unreadable

    def _write(self, db: sqlite3.Connection, stored: StoredVault) -> _Saved:
        """Write what has changed since this process last did, or all if another has since."""
        vault_id = stored.vault_id
        known = self._saved.get(vault_id, _Saved("", History()))
        found = db.execute(
            "SELECT number FROM vault WHERE id = ? AND revision = ?", (vault_id, known.revision)
        ).fetchone()
        if not found:
            known = _Saved("", History())
            db.execute("DELETE FROM vault WHERE id = ?", (vault_id,))
            found = [
                db.execute(
                    "INSERT INTO vault (id, revision, read_at) VALUES (?, '', '')", (vault_id,)
                ).lastrowid
            ]
        [number] = found
        written, dropped = changes(known.history, stored.history)
        db.executemany(
            "DELETE FROM record WHERE vault = ? AND kind = ? AND key = ?",
            ((number, *key) for key in dropped),
        )
        db.executemany(
            "INSERT OR REPLACE INTO record (vault, kind, key, body) VALUES (?, ?, ?, ?)",
            ((number, *record) for record in written),
        )
        revision = secrets.token_hex(8)
        db.execute(
            "UPDATE vault SET revision = ?, read_at = ? WHERE number = ?",
            (revision, _sortable(stored.read_at), number),
        )
        return _Saved(revision, stored.history)


def _sortable(instant: datetime) -> str:
    """The instant, UTC, so that texts sort as instants do."""
    return instant.isoformat(timespec="microseconds")


def _instant(text: bytes) -> datetime:
    instant = datetime.fromisoformat(text.decode())
    if instant.tzinfo is None:
        raise ValueError("an instant without time zone")
    return instant
