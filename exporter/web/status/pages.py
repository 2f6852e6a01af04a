"""Renders the status page beside the event loop, so that it delays no scrape."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.metrics.snapshot import Overview
from exporter.web.status.page import render
from exporter.web.status.view import status_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.clock import Clock
    from exporter.metrics.store import PageStore
    from exporter.web.status.query import Query

_GOOD_FOR_SECONDS: Final = 1.0
_MOST: Final = 32
_REST: Final = 4
"""Pages are rendered for at most a fifth of the time, however many are asked for."""


class StatusPages:
    """The page as it was asked for, at most a second old.

    Args:
        store: The vaults.
        overview: The exporter around them.
        clock: For ages.
        telemetry_path: Where metrics are.
    """

    def __init__(
        self,
        store: PageStore,
        overview: Callable[[], Overview],
        clock: Clock,
        telemetry_path: str,
    ) -> None:
        self._store = store
        self._overview = overview
        self._clock = clock
        self._telemetry_path = telemetry_path
        self._renderer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="status")
        self._made: dict[Query, tuple[float, asyncio.Future[bytes]]] = {}

    async def get(self, query: Query) -> bytes:
        """The page; whoever asks for the same at the same time waits for the same."""
        now = time.monotonic()
        made_at, page = self._made.get(query, (0.0, None))
        if page is None or (page.done() and now - made_at > _GOOD_FOR_SECONDS):
            loop = asyncio.get_running_loop()
            page = loop.run_in_executor(self._renderer, self._render, query)
            self._made.pop(query, None)
            self._made[query] = now, page
            while len(self._made) > _MOST:
                del self._made[next(iter(self._made))]
        # One who leaves must not take the page away from the others.
        return await asyncio.shield(page)

    def close(self) -> None:
        """Render nothing any more."""
        self._renderer.shutdown(wait=False, cancel_futures=True)

    def _render(self, query: Query) -> bytes:
        started = time.thread_time()
        overview = self._overview()
        left = overview.fill.seconds_left(self._clock.monotonic())
        view = status_view(
            self._store.snapshots.values(),
            overview,
            query,
            now=self._clock.now(),
            fill_left=None if left is None else timedelta(seconds=left),
        )
        page = render(view, telemetry_path=self._telemetry_path)
        time.sleep(_REST * (time.thread_time() - started))
        return page
