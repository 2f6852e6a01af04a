"""Which of several exporters reads a vault."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Protocol


class Choice(Protocol):
    """Which vaults are read."""

    def reads(self, vault_id: str) -> bool:
        """Whether a vault is one of them; its id in lower case."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of so many exporters that split the vaults between them.

    Attributes:
        index: From 0.
        total: How many there are.
    """

    index: int
    total: int

    def reads(self, vault_id: str) -> bool:
        """Whether a vault is this one's.

        Rendezvous hashing: each vault goes to the shard with the highest hash for it, so of a
        number that changes from n to n + 1 only one vault in n + 1 moves. Of no seed, so that all
        shards agree without speaking to one another.

        Args:
            vault_id: In lower case.
        """
        return self.index == max(range(self.total), key=lambda index: _weight(vault_id, index))


UNSHARDED: Final = Shard(0, 1)


def _weight(vault_id: str, index: int) -> bytes:
    return blake2b(f"{index}:{vault_id}".encode(), digest_size=8).digest()
