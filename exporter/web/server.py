"""The HTTP server: tornado in a thread of its own, so that nothing else delays a scrape."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from typing import TYPE_CHECKING, Final

import tornado.httpserver
import tornado.netutil

from exporter.web.handlers import make_application

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from exporter.web.handlers import Site

log = logging.getLogger(__name__)

_IDLE_SECONDS: Final = 10
"""For a whole request header, and for a kept connection between two requests."""

_DRAIN_SECONDS: Final = 5
_LARGEST_HEADER: Final = 16 * 1024
_LARGEST_BODY: Final = 64 * 1024


def bind(listen_address: str) -> list[socket.socket]:
    """Open the listening sockets.

    Args:
        listen_address: ``host:port``; ``:port`` for every address, ``[::1]:port`` for IPv6.

    Raises:
        ValueError: The address has another form.
        OSError: The port is taken, or not allowed.
    """
    match = re.fullmatch(
        r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})", listen_address
    )
    if match is None:
        raise ValueError(f"{listen_address!r} is no listen address; write host:port or :port")
    return tornado.netutil.bind_sockets(int(match["port"]), match["v6"] or match["host"] or None)


class WebServer:
    """Serves a site until stopped.

    Args:
        sockets: From ``bind``.
        site: What is served.
    """

    def __init__(self, sockets: list[socket.socket], site: Site) -> None:
        self._sockets = sockets
        self._site = site
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def port(self) -> int:
        """The port in use, also where 0 was asked for."""
        return int(self._sockets[0].getsockname()[1])

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting, let running answers end, then return."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_DRAIN_SECONDS + 1)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = tornado.httpserver.HTTPServer(
            make_application(self._site),
            idle_connection_timeout=_IDLE_SECONDS,
            body_timeout=_IDLE_SECONDS,
            max_header_size=_LARGEST_HEADER,
            max_body_size=_LARGEST_BODY,
        )
        server.add_sockets(self._sockets)
        await self._stopping.wait()
        server.stop()
        await self._drained(lambda: self._site.under_way == 0)
        await server.close_all_connections()

    async def _drained(self, done: Callable[[], bool]) -> None:
        deadline = self._loop.time() + _DRAIN_SECONDS
        while not done() and self._loop.time() < deadline:
            await asyncio.sleep(0.02)
