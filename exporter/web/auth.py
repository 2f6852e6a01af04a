"""Basic authentication against bcrypt hashes, which are slow on purpose."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import bcrypt

from exporter.web.settings import HIGHEST_COST, bcrypt_cost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

_REMEMBERED: Final = 256
_LONGEST_QUEUE: Final = 8
"""For one address; a scraper or two and a browser that come at once are fewer."""

_LONGEST_PASSWORD: Final = 72
"""Bytes that bcrypt looks at; ``htpasswd`` cuts there too."""

_NOBODY: Final = f"$2b${{:02}}${'.' * 53}"


class CrowdedError(Exception):
    """Too many passwords from one address wait to be checked."""


class BasicAuth:
    """Says who may enter; remembers who has shown the right password.

    One password is checked at a time, in a thread, and the client addresses take turns: a flood of
    wrong passwords delays nobody who is known, and those at other addresses only a little.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, None] = {}
        self._checker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")
        self._turn = asyncio.Lock()
        self._queues: WeakValueDictionary[str, _Queue] = WeakValueDictionary()

    async def admits(
        self,
        users: Mapping[str, str],
        authorization: str,
        *,
        address: str,
        waiting: Callable[[], bool],
    ) -> bool:
        """Whether a request may be answered.

        Args:
            users: bcrypt hashes by name.
            authorization: The header; empty when there is none.
            address: The client's.
            waiting: Whether the client is still there.

        Raises:
            CrowdedError: Its password is not checked now.
        """
        credentials = _credentials(authorization)
        if credentials is None:
            return False
        name, password = credentials
        users = {k: v for k, v in users.items() if bcrypt_cost(v) <= HIGHEST_COST}
        bcrypt_hash = users.get(name, "")
        proof = self._proof(name, password, bcrypt_hash)
        if proof in self._known:
            return True
        queue = self._queues.setdefault(address, _Queue())
        async with queue.turn(), self._turn:
            if proof in self._known:
                return True
            if not waiting():
                return False
            if not bcrypt_hash or not await self._fits(password, bcrypt_hash):
                # Once for every cost in use, whatever the name: time does not tell names apart.
                for cost in set(map(bcrypt_cost, users.values())) - {bcrypt_cost(bcrypt_hash)}:
                    await self._fits(password, _NOBODY.format(cost))
                return False
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[proof] = None
        return True

    def close(self) -> None:
        """Take no more questions; a check that runs goes on, and nobody waits for it."""
        self._checker.shutdown(wait=False)

    async def _fits(self, password: bytes, bcrypt_hash: str) -> bool:
        return await asyncio.get_running_loop().run_in_executor(
            self._checker, bcrypt.checkpw, password[:_LONGEST_PASSWORD], bcrypt_hash.encode()
        )

    def _proof(self, name: str, password: bytes, bcrypt_hash: str) -> bytes:
        """What is remembered: neither password nor anything to guess it from, once we end."""
        parts = (name.encode(errors="surrogateescape"), bcrypt_hash.encode(), password)
        message = b"".join(len(part).to_bytes(4) + part for part in parts)
        return hmac.digest(self._key, message, hashlib.sha256)


class _Queue:
    """The clients at one address: one at a time, and not without end."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._length = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        if self._length >= _LONGEST_QUEUE:
            raise CrowdedError
        self._length += 1
        try:
            async with self._turn:
                yield
        finally:
            self._length -= 1


def _credentials(authorization: str) -> tuple[str, bytes] | None:
    """Name and password of a Basic ``Authorization`` header (RFC 7617); None if it is none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except ValueError:
        return None
    return (name.decode(errors="surrogateescape"), password) if colon else None
