"""The HTTP server: tornado in a thread of its own, so that nothing else delays a scrape."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import socket
import threading
from typing import TYPE_CHECKING, Any, Final, cast

import tornado.httpserver
import tornado.netutil

from exporter.threads import begin
from exporter.web.handlers import make_application

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from tornado.http1connection import HTTP1ServerConnection
    from tornado.iostream import IOStream

    from exporter.web.connections import Connections
    from exporter.web.site import Site
    from exporter.web.watch import PolicyFile

log = logging.getLogger(__name__)

_BACKLOG: Final = 1024
"""Connections that wait to be accepted: the kernel drops more, and then they wait a second."""

_HIGHEST_PORT: Final = 65535
_DRAIN_SECONDS: Final = 5
_DRAIN_STEP_SECONDS: Final = 0.02
_SEND_BUFFER: Final = 128 * 1024
_LARGEST_HEADER: Final = 16 * 1024
_LARGEST_BODY: Final = 64 * 1024


def bind_all(listen_addresses: Iterable[str]) -> list[socket.socket]:
    """Open the listening sockets of several addresses, or none of them.

    Raises:
        BindError: One of them cannot be listened on.
    """
    sockets: list[socket.socket] = []
    for address in listen_addresses:
        try:
            sockets += bind(address)
        except (OSError, ValueError) as error:
            for one in sockets:
                one.close()
            raise BindError(f"cannot listen on {address}: {error}") from error
    return sockets


class BindError(Exception):
    """An address cannot be listened on; the message names it and says why."""


def bind(listen_address: str) -> list[socket.socket]:
    """Open the listening sockets of one address.

    Args:
        listen_address: ``host:port``; ``:port`` for every address, ``[::1]:port`` for IPv6.

    Raises:
        ValueError: The address has another form.
        OSError: The port is taken, or not allowed.
    """
    match = re.fullmatch(
        r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})", listen_address
    )
    if match is None or int(match["port"]) > _HIGHEST_PORT:
        raise ValueError(f"{listen_address!r} is no listen address; write host:port or :port")
    address = match["v6"] or match["host"] or None
    return tornado.netutil.bind_sockets(int(match["port"]), address, backlog=_BACKLOG)


class _Server(tornado.httpserver.HTTPServer):
    """Keeps count of its connections.

    tornado shakes hands without waiting in the event loop; the deadline is ``Connections``'.
    """

    connections: Connections

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        # The kernel would grow it to megabytes for each client that never reads.
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self.connections.accept(stream)
        send = stream.write_to_fd

        def write_to_fd(data: memoryview) -> int:
            sent = send(data)
            if sent:
                self.connections.get_on(stream)
            return sent

        stream.write_to_fd = write_to_fd  # type: ignore[method-assign] # tornado makes the stream
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        self.connections.forget(cast("HTTP1ServerConnection", server_conn).stream)
        super().on_close(server_conn)


class WebServer:
    """Serves a site until stopped.

    Args:
        sockets: From ``bind``.
        site: What is served.
        policy_file: Where ``site.policy`` comes from; None for plain HTTP to everybody.
        upkeep_seconds: How often connections and files are looked after.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        site: Site,
        policy_file: PolicyFile | None = None,
        *,
        upkeep_seconds: float = 1.0,
    ) -> None:
        self._upkeep_seconds = upkeep_seconds
        self._sockets = sockets
        self._site = site
        self._policy_file = policy_file
        if policy_file:
            site.policy = policy_file.policy
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def port(self) -> int:
        """The port in use, also where 0 was asked for."""
        return int(self._sockets[0].getsockname()[1])

    @property
    def addresses(self) -> list[str]:
        """Where it listens, as it stands in a URL."""
        names = [one.getsockname()[:2] for one in self._sockets]
        return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in names]

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self._site.policy.tls else "http"

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting, let running answers end, then return."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_DRAIN_SECONDS + 1)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = _Server(
            make_application(self._site),
            ssl_options=self._site.policy.tls,
            max_header_size=_LARGEST_HEADER,
            max_body_size=_LARGEST_BODY,
            max_buffer_size=_LARGEST_HEADER + _LARGEST_BODY,
        )
        server.connections = self._site.connections
        server.add_sockets(self._sockets)
        upkeep = [asyncio.create_task(self._repeat(self._close_overdue))]
        if policy_file := self._policy_file:
            renew = functools.partial(self._renew_policy, server, policy_file)
            upkeep.append(asyncio.create_task(self._repeat(renew)))
        await self._stopping.wait()
        server.stop()
        await self._drained()
        for task in upkeep:
            task.cancel()
        await server.close_all_connections()
        self._site.auth.close()
        self._site.status.close()

    async def _repeat(self, upkeep: Callable[[], Awaitable[None]]) -> None:
        """Do it again and again: nobody would notice if a failure were the end of it."""
        told = ""
        while True:
            await asyncio.sleep(self._upkeep_seconds)
            try:
                await upkeep()
                told = ""
            except Exception as error:
                if told != repr(error):
                    log.exception("the web server's upkeep failed and is tried again")
                told = repr(error)

    async def _close_overdue(self) -> None:
        self._site.connections.close_overdue()

    async def _renew_policy(self, server: _Server, policy_file: PolicyFile) -> None:
        await asyncio.wrap_future(begin("web files", policy_file.renew))
        if self._site.policy is not policy_file.policy:
            self._site.policy = policy_file.policy
            server.ssl_options = policy_file.policy.tls
            # What let a kept connection in may no longer be in force.
            self._site.connections.retire()

    async def _drained(self) -> None:
        deadline = self._loop.time() + _DRAIN_SECONDS
        # A request may have arrived that nobody has looked at yet.
        await asyncio.sleep(_DRAIN_STEP_SECONDS)
        while self._site.connections.busy and self._loop.time() < deadline:
            await asyncio.sleep(_DRAIN_STEP_SECONDS)
