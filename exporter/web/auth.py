"""Basic authentication against bcrypt hashes, which are slow on purpose."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import bcrypt

from exporter.web.settings import bcrypt_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_REMEMBERED: Final = 256
_LONGEST_PASSWORD: Final = 72
"""Bytes that bcrypt looks at; ``htpasswd`` cuts there too."""

_NOBODY: Final = f"$2b${{:02}}${'.' * 53}"


class BasicAuth:
    """Says who may enter; remembers who has shown the right password.

    One password is checked at a time, in a thread, and for each client address at most one waits
    for its turn: a flood of wrong passwords delays nobody who is known, and others only a little.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, None] = {}
        self._checker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

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
        """
        credentials = _credentials(authorization)
        if credentials is None:
            return False
        name, password = credentials
        bcrypt_hash = users.get(name)
        # An unknown name takes as long as a known one, so that time does not tell them apart.
        compared = bcrypt_hash or _NOBODY.format(max(map(bcrypt_cost, users.values())))
        proof = self._proof(name, password, compared)
        if proof in self._known:
            return True
        async with self._turns.setdefault(address, asyncio.Lock()):
            if proof in self._known:
                return True
            if not waiting():
                return False
            right = await asyncio.get_running_loop().run_in_executor(
                self._checker, bcrypt.checkpw, password[:_LONGEST_PASSWORD], compared.encode()
            )
        if not right or bcrypt_hash is None:
            return False
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[proof] = None
        return True

    def close(self) -> None:
        """Take no more questions."""
        self._checker.shutdown(cancel_futures=True)

    def _proof(self, name: str, password: bytes, bcrypt_hash: str) -> bytes:
        """What is remembered: neither password nor anything to guess it from, once we end."""
        parts = (name.encode(errors="surrogateescape"), bcrypt_hash.encode(), password)
        message = b"".join(len(part).to_bytes(4) + part for part in parts)
        return hmac.digest(self._key, message, hashlib.sha256)


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
