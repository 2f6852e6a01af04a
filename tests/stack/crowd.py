"""Bad clients in a process of their own: ``python -m tests.stack.crowd PORT CA KIND=COUNT...``.

The CA is ``-`` for plain HTTP. Who is cut off comes again after a while, as attackers do. A line on
standard output says that all have come once; it ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from typing import Final, cast

_AT_ONCE: Final = 50
_RECEIVE_BUFFER: Final = 64 * 1024
_AGAIN_AFTER_SECONDS: Final = 3.0
_TRICKLE_SECONDS: Final = 1.0

_HEAD: Final = b" HTTP/1.1\r\nHost: localhost\r\n"
_SAID: Final = {
    "silent": b"",
    "idle": b"GET /-/healthy" + _HEAD + b"\r\n",
    "trickling": b"GET /metrics" + _HEAD + b"X-Slow: ",
    "deaf": b"GET /metrics" + _HEAD + b"\r\n",
}


class Client(asyncio.Protocol):
    """One connection that says its part and then at most a byte a second."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._gone = asyncio.Event()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._kind == "deaf":
            # It does not even notice when it is cut off.
            self._transport.pause_reading()
        self._transport.write(_SAID[self._kind])

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._gone.set()

    async def stay(self) -> None:
        """Until cut off."""
        while not self._gone.is_set():
            if self._kind == "trickling":
                self._transport.write(b"x")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), _TRICKLE_SECONDS)


class Crowd:
    """All of them.

    Args:
        port: Whom they annoy.
        context: None for plain HTTP; the silent do not even shake hands.
    """

    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        self._port = port
        self._context = context
        self._door = asyncio.Semaphore(_AT_ONCE)
        self.came = 0

    async def annoy(self, kind: str) -> None:
        """Come, stay, and come again."""
        context = None if kind == "silent" else self._context
        first = True
        while True:
            client = Client(kind)
            # Another newcomer may take the place before hands are shaken.
            with contextlib.suppress(OSError):
                async with self._door:
                    await self._connect(client, context)
            self.came += first
            first = False
            await client.stay()
            await asyncio.sleep(_AGAIN_AFTER_SECONDS)

    async def _connect(self, client: Client, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        # What the kernel keeps for us is not the exporter's doing.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, ("127.0.0.1", self._port))
            await loop.create_connection(
                lambda: client,
                sock=sock,
                ssl=context,
                server_hostname="127.0.0.1" if context else None,
            )
        except OSError:
            sock.close()
            raise


async def main(port: str, ca: str, *kinds: str) -> None:
    """Annoy until the end of standard input."""
    context = None if ca == "-" else ssl.create_default_context(cafile=ca)
    crowd = Crowd(int(port), context)
    counts = [(kind, int(count)) for kind, _, count in (text.partition("=") for text in kinds)]
    annoying = [
        asyncio.create_task(crowd.annoy(kind)) for kind, count in counts for _ in range(count)
    ]
    while crowd.came < len(annoying):
        await asyncio.sleep(0.05)
    sys.stdout.write(f"{crowd.came} have come\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    for task in annoying:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
