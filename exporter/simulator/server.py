"""HTTP on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import threading
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import parse_qsl, unquote

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, ResponseStartLine
from tornado.iostream import StreamClosedError

from exporter.simulator.answers import Answer, Ending
from exporter.simulator.recording import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tornado.http1connection import HTTP1Connection
    from tornado.httputil import HTTPServerRequest
    from tornado.iostream import IOStream

_BACKLOG: Final = 512
_STOP_SECONDS: Final = 10
_LINGER_NOT: Final = struct.pack("ii", 1, 0)

_log = logging.getLogger(__name__)


class Server:
    """Serves until stopped.

    Args:
        respond: Makes the answer to a request; called in the server's thread.
    """

    def __init__(self, respond: Callable[[Request], Answer], host: str, port: int) -> None:
        self._respond = respond
        self._socket = socket.create_server((host, port), backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._answering: set[asyncio.Task[None]] = set()
        self._held: set[IOStream] = set()
        self._thread = threading.Thread(target=self._run, name="azure-simulator", daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self._socket.getsockname()
        return host, port

    @property
    def held(self) -> int:
        """How many clients are kept waiting on purpose."""
        return len(self._held)

    def stop(self) -> None:
        """Close all connections and end the thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError(f"the simulator did not stop within {_STOP_SECONDS} s")

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = HTTPServer(self._accept)
        server.add_socket(self._socket)
        await self._stopping.wait()
        server.stop()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)
        for stream in list(self._held):
            stream.close()
        await server.close_all_connections()

    def _accept(self, request: HTTPServerRequest) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(request))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, request: HTTPServerRequest) -> None:
        connection = cast("HTTP1Connection", request.connection)
        try:
            answer = self._respond(_request(request))
        except Exception:
            # A fault of the simulator shows as one that Azure never has, and nobody waits.
            _log.exception("%s %s", request.method, request.uri)
            answer = Answer(status=HTTPStatus.NOT_IMPLEMENTED)
        try:
            if answer.delay:
                await asyncio.sleep(answer.delay.total_seconds())
            await self._send(connection, request, answer)
        except StreamClosedError:
            """The client has gone."""

    async def _send(
        self, connection: HTTP1Connection, request: HTTPServerRequest, answer: Answer
    ) -> None:
        body = b"" if request.method == "HEAD" else answer.body
        start = ResponseStartLine("HTTP/1.1", answer.status, HTTPStatus(answer.status).phrase)
        headers = HTTPHeaders(
            {"Date": formatdate(usegmt=True), **answer.headers, "Content-Length": str(len(body))}
        )
        match answer.ending:
            case Ending.COMPLETE:
                await connection.write_headers(start, headers, body)
                connection.finish()
            case Ending.STALLED:
                await connection.write_headers(start, headers, body[: len(body) // 2])
                self._hold(connection.detach())
            case Ending.SILENT:
                self._hold(connection.detach())
            case Ending.RESET:
                stream = connection.detach()
                # Closed without lingering, a socket sends RST instead of FIN.
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
                stream.close()

    def _hold(self, stream: IOStream) -> None:
        self._held.add(stream)
        stream.set_close_callback(lambda: self._held.discard(stream))


def _request(request: HTTPServerRequest) -> Request:
    return Request(
        method=request.method or "",
        path=unquote(request.path),
        query=dict(parse_qsl(request.query, keep_blank_values=True)),
        headers=request.headers,
        body=request.body,
    )
