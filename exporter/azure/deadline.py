"""A deadline over a whole answer, its header too.

A socket's timeout begins anew with each byte, so an answer that drips would have no end.
"""

from __future__ import annotations

import io
import threading
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from socket import SocketIO, socket

    from _typeshed import WriteableBuffer

_thread = threading.local()


def give_up_after(seconds: float) -> None:
    """Have answers that this thread reads from now on end within so many seconds."""
    _thread.give_up_at = time.monotonic() + seconds


def passed() -> bool:
    """Whether the deadline of this thread is over."""
    return time.monotonic() >= getattr(_thread, "give_up_at", float("inf"))


class _Bounded(io.RawIOBase):
    """What comes from a socket, until the deadline.

    It is read by the thread that set it.
    """

    def __init__(self, sock: socket) -> None:
        self._sock = sock
        # The socket counts its files: one that is closed meanwhile is read to the end.
        self._file: SocketIO = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        left = getattr(_thread, "give_up_at", float("inf")) - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not end in time")
        timeout = self._sock.gettimeout()
        if timeout is None or timeout > left:
            self._sock.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Socket:
    """As much of a socket as a response reads from."""

    def __init__(self, sock: socket) -> None:
        self._sock = sock

    def makefile(self, mode: str) -> io.BufferedReader:
        del mode
        return io.BufferedReader(_Bounded(self._sock))


def _response(sock: socket, *arguments: Any, **options: Any) -> HTTPResponse:
    return HTTPResponse(_Socket(sock), *arguments, **options)  # type: ignore[arg-type]


class _Http(HTTPConnection):
    response_class = staticmethod(_response)  # type: ignore[assignment]


class _Https(HTTPSConnection):
    response_class = staticmethod(_response)  # type: ignore[assignment]


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class BoundedAdapter(HTTPAdapter):
    """Connections whose answers keep the deadline of the thread that reads them."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Use them when Azure is asked directly."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """Use them behind a proxy."""
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return manager
