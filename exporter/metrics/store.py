"""The page in force: each vault's part is replaced whole, a scrape reads one attribute."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from exporter.metrics.page import Page, VaultBlocks, build_page, vault_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.backup.model import Vault
    from exporter.metrics.selfmetrics import SelfMetrics
    from exporter.metrics.snapshot import VaultSnapshot


class PageStore:
    """Holds the newest snapshot of each vault and the page made of them.

    Attributes:
        page: What to serve. Rebound whole, never changed.
        snapshots: By vault id. Rebound whole, never changed.
    """

    def __init__(self, metrics: SelfMetrics) -> None:
        self._metrics = metrics
        self._changing = threading.Lock()
        self._building = threading.Lock()
        self._blocks: dict[str, VaultBlocks | None] = {}
        self._stale = False
        self._generation = 0
        self.snapshots: dict[str, VaultSnapshot] = {}
        self.page: Page = build_page([])

    def show(self, vaults: Iterable[Vault]) -> Callable[[VaultSnapshot], None]:
        """Say which vaults the page has, and in which order; others are dropped.

        Returns:
            What replaces one vault's part of the page, until ``show`` is called again: a reload
            must not be undone by a read that began before it.
        """
        with self._changing:
            self._generation += 1
            generation = self._generation
            self._blocks = {vault.id: self._blocks.get(vault.id) for vault in vaults}
            self.snapshots = {k: v for k, v in self.snapshots.items() if k in self._blocks}
            self._stale = True
        self._build()
        return partial(self._publish, generation)

    def arrange(self, vaults: Iterable[Vault]) -> None:
        """Say anew which vaults the page has, and in which order; whoever publishes goes on."""
        with self._changing:
            self._blocks = {vault.id: self._blocks.get(vault.id) for vault in vaults}
            self.snapshots = {k: v for k, v in self.snapshots.items() if k in self._blocks}
            self._stale = True
        self._build()

    def _publish(self, generation: int, snapshot: VaultSnapshot) -> None:
        """Replace one vault's part. Rendering happens in the caller's thread, beside others'."""
        started = time.perf_counter()
        blocks = vault_blocks(snapshot)
        with self._changing:
            if generation != self._generation or snapshot.vault.id not in self._blocks:
                return
            self._blocks[snapshot.vault.id] = blocks
            self.snapshots = {**self.snapshots, snapshot.vault.id: snapshot}
            self._stale = True
        self._build()
        self._metrics.render_duration.set(time.perf_counter() - started)

    def _build(self) -> None:
        with self._building:
            with self._changing:
                # Whoever was building just now may have taken this change along.
                if not self._stale:
                    return
                self._stale = False
                vaults = [blocks for blocks in self._blocks.values() if blocks]
            self.page = build_page(vaults)
        self._metrics.series.set(self.page.series)
