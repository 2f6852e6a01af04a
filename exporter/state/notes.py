"""What the state file keeps beside vaults: what was spent of read budgets, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from msgspec import DecodeError, Meta
from msgspec.json import Decoder, encode

from exporter.backup.model import Vault

_Instant = Annotated[datetime, Meta(tz=True)]
"""With a time zone: it is compared with the present."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentBudget:
    """What has been spent of a read budget; its limit is what is configured, and learnt anew.

    Attributes:
        subscription_id: Whose.
        location: Of which region; empty where that is not known.
        lists: When pages of lists were read, oldest first.
        details: The same of details.
        forbidden_until: Until when a 429 forbids all reads; None if none does.
    """

    subscription_id: str
    location: str
    lists: tuple[_Instant, ...] = ()
    details: tuple[_Instant, ...] = ()
    forbidden_until: _Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """All of it.

    Attributes:
        budgets: That were spent from.
        found: By scope, the vaults that discovery has found there.
    """

    budgets: tuple[SpentBudget, ...] = ()
    found: dict[str, tuple[Vault, ...]] | None = None


_DECODER = Decoder(Notes)


def as_text(notes: Notes) -> str:
    """As the file has it."""
    return encode(notes).decode()


def read(text: bytes) -> Notes:
    """From the file; what cannot be read is as if it had never been noted."""
    try:
        return _DECODER.decode(text)
    except (DecodeError, RecursionError):
        return Notes()
