"""The page in force: each vault's part is replaced whole, a scrape reads one attribute."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from exporter.metrics.page import Page, VaultBlocks, build_page, vault_blocks
from exporter.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.backup.model import Vault
    from exporter.metrics.selfmetrics import SelfMetrics
    from exporter.metrics.snapshot import VaultSnapshot

_AT_ONCE: Final = 100
"""Up to so many vaults, joining the page costs less than rendering the one that has changed."""

_REST: Final = 9
"""Above that, the page is joined for at most a tenth of the time."""


class PageStore:
    """Holds the newest snapshot of each vault and the page made of them.

    Attributes:
        served: What a scrape gets: whole snapshots, never one half published, but of a large page
            perhaps not the newest ones of the last moment. Rebound whole, never changed.
        snapshots: By vault id. Rebound whole, never changed.
    """

    def __init__(self, metrics: SelfMetrics) -> None:
        self._metrics = metrics
        self._changing = threading.Lock()
        self._building = threading.Lock()
        self._parts: dict[str, VaultBlocks | None] = {}
        self._served_parts: dict[str, VaultBlocks | None] = {}
        self._stale = False
        self._put_off = False
        self._rests_until = float("-inf")
        self._generation = 0
        self.snapshots: dict[str, VaultSnapshot] = {}
        self.served: Page = build_page([])

    @property
    def page(self) -> Page:
        """The page with all that was published before; waits until it is built."""
        with self._building:
            if self._stale:
                self._build()
            return self.served

    @property
    def complete(self) -> bool:
        """Whether what is served has a refresh of every vault, ended well or badly."""
        served = self._served_parts
        parts = (served.get(vault_id) for vault_id in self._parts)
        return all(part is not None and part.snapshot.up is not None for part in parts)

    def show(self, vaults: Iterable[Vault]) -> Callable[[VaultSnapshot], None]:
        """Say which vaults the page has, and in which order; others are dropped.

        Returns:
            What replaces one vault's part of the page, until ``show`` is called again: a reload
            must not be undone by a read that began before it.
        """
        with self._changing:
            self._generation += 1
            generation = self._generation
        self.arrange(vaults)
        return partial(self._publish, generation)

    def arrange(self, vaults: Iterable[Vault]) -> None:
        """Say the same anew; whoever publishes goes on."""
        with self._changing:
            self._parts = {vault.id: self._parts.get(vault.id) for vault in vaults}
            self.snapshots = {k: v for k, v in self.snapshots.items() if k in self._parts}
            self._stale = True
        self._build_soon()

    def _publish(self, generation: int, snapshot: VaultSnapshot) -> None:
        """Replace one vault's part. Rendering happens in the caller's thread, beside others'."""
        started = time.perf_counter()
        part = vault_blocks(snapshot, self._parts.get(snapshot.vault.id))
        with self._changing:
            if generation != self._generation or snapshot.vault.id not in self._parts:
                return
            self._parts[snapshot.vault.id] = part
            self.snapshots = {**self.snapshots, snapshot.vault.id: snapshot}
            self._stale = True
        self._build_soon()
        self._metrics.render_duration.set(time.perf_counter() - started)

    def _build_soon(self) -> None:
        """See to it that what was published comes onto the page, without waiting for others.

        Whoever builds looks again afterwards, so what comes meanwhile is left to him.
        """
        while self._stale:
            rest = self._rests_until - time.monotonic()
            if rest > 0 and self._later(rest):
                return
            if not self._building.acquire(blocking=False):
                return
            try:
                self._build()
            finally:
                self._building.release()

    def _later(self, seconds: float) -> bool:
        """Have it built after a rest; whether that could be arranged."""
        with self._changing:
            if self._put_off:
                return True
            self._put_off = True
        try:
            start_thread("page", self._build_after, seconds)
        except RuntimeError:  # the machine has no thread left
            self._put_off = False
        return self._put_off

    def _build_after(self, seconds: float) -> None:
        time.sleep(seconds)
        self._put_off = False
        self._build_soon()

    def _build(self) -> None:
        """Build the page. The caller holds ``_building``."""
        started = time.thread_time()
        with self._changing:
            self._stale = False
            known = dict(self._parts)
        parts = [part for part in known.values() if part]
        self.served = build_page(parts, self.served)
        self._served_parts = known
        self._metrics.series.set(self.served.series)
        if len(parts) > _AT_ONCE:
            spent = time.thread_time() - started
            self._rests_until = time.monotonic() + _REST * spent
