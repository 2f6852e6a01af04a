"""Keeps the state file current beside the refreshes; no fault of the file reaches them."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from exporter.errors import StateError
from exporter.state.notes import Notes
from exporter.state.store import StateStore
from exporter.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from exporter.state.codec import StoredVault

log = logging.getLogger(__name__)

_FLUSH_SECONDS: Final = 5.0
_HANGS_SECONDS: Final = 60.0
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class StateKeeper:
    """A state file, and a thread that writes it while there is something to write.

    Attributes:
        path: Of the file.
        usable: False after it could not be read: then it is not written either, so that nothing
            in it is lost.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.usable = True
        self._store = StateStore(path)
        self._idle = threading.Condition()
        self._writing = False
        self._waiting: Mapping[str, StoredVault] = {}
        self._notes: Notes | None = None
        self._forget_before = _LONG_AGO
        self._fault = ""
        self._worked: bool | None = None
        self._begun_at: float | None = None

    @property
    def writable(self) -> bool | None:
        """Whether the last write worked; a read that failed keeps all writes off.

        None before the first write has ended. One that goes on for a minute does not work.
        """
        begun_at = self._begun_at
        hangs = begun_at is not None and time.monotonic() - begun_at > _HANGS_SECONDS
        return False if hangs or not self.usable else self._worked

    def load(self, vault_ids: Iterable[str]) -> dict[str, StoredVault]:
        """What the file holds of these vaults; nothing if it cannot be read."""
        try:
            return self._load(vault_ids)
        except StateError as error:
            self.usable = False
            log.warning("nothing is kept across restarts until the next start or reload: %s", error)
            return {}

    def put(self, stored: StoredVault, *, forget_before: datetime) -> None:
        """Have this written soon.

        Args:
            stored: Replaces what still waits for the same vault.
            forget_before: Vaults last read before are dropped.
        """
        with self._idle:
            if not self.usable:
                return
            self._waiting = {**self._waiting, stored.vault_id: stored}
            self._forget_before = forget_before
            self._begin()

    def load_notes(self) -> Notes:
        """What the file holds beside vaults; nothing if it cannot be read."""
        try:
            return self._store.load_notes()
        except StateError:
            # Loading vaults tells it, and what follows from it.
            return Notes()

    def put_notes(self, notes: Notes) -> None:
        """Have this written soon, in place of what the file has of it."""
        with self._idle:
            if self.usable:
                self._notes = notes
                self._begin()

    def flush(self) -> None:
        """Wait until all is written or cannot be, for some seconds at most."""
        with self._idle:
            # What could not be written may be by now.
            self._begin()
            self._idle.wait_for(lambda: not self._writing, _FLUSH_SECONDS)

    def _load(self, vault_ids: Iterable[str]) -> dict[str, StoredVault]:
        try:
            loaded = self._store.load(vault_ids)
        except StateError as error:
            if not error.damaged:
                raise
            aside = self._store.set_aside()
            log.warning(
                "the state file was damaged and is now %s; a new one begins: %s", aside, error
            )
            return {}
        if loaded.unreadable:
            log.warning(
                "%d records of the state file %s cannot be read and are left out; what they said"
                " is read from Azure again, as far as it still has it",
                loaded.unreadable,
                self.path,
            )
        return loaded.vaults

    def _write(self, _: None) -> None:
        """Write what waits, until nothing does or it cannot be written; then that waits on."""
        while True:
            with self._idle:
                batch, self._waiting = self._waiting, {}
                notes, self._notes = self._notes, None
                if not batch and not notes:
                    self._end()
                    return
            self._begun_at = time.monotonic()
            fault = self._save(batch, notes)
            self._begun_at = None
            self._tell(fault)
            if fault:
                with self._idle:
                    self._waiting = {**batch, **self._waiting}
                    self._notes = self._notes or notes
                    self._end()
                    return

    def _begin(self) -> None:
        if self._writing or not (self._waiting or self._notes):
            return
        try:
            start_thread("state", self._write, None)
        except RuntimeError as error:  # the machine has no thread left
            self._tell(str(error))
        else:
            self._writing = True

    def _end(self) -> None:
        self._writing = False
        self._idle.notify_all()

    def _save(self, batch: Mapping[str, StoredVault], notes: Notes | None) -> str:
        """Returns what went wrong."""
        try:
            self._store.save(batch.values(), forget_before=self._forget_before, notes=notes)
        except StateError as error:
            return str(error)
        except Exception as error:  # no fault of ours in a file that is optional may end anything
            log.exception("writing the state file broke")
            return repr(error)
        return ""

    def _tell(self, fault: str) -> None:
        """Log a change."""
        if fault and fault != self._fault:
            log.warning("the state file cannot be written: %s", fault)
        elif self._fault and not fault:
            log.info("the state file is written again", extra={"path": str(self.path)})
        self._fault, self._worked = fault, not fault
