"""GUIDs that tell which job they name, so that a detail is found without any index."""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

from exporter.simulator.job import guid_text

_HEAD_BYTES: Final = 9
_PLACE: Final = struct.Struct(">HBi")


class Place(NamedTuple):
    """Where a job stands in its vault."""

    item: int
    schedule: int
    slot: int


def name_of(place: Place, dice: bytes, salt: bytes) -> str:
    """The GUID of a job: a random head, then its place, hidden by a hash of the head."""
    head = bytearray(dice[:_HEAD_BYTES])
    # Version 4, variant 1, as in Azure's names.
    head[6] = 0x40 | head[6] & 0x0F
    head[8] = 0x80 | head[8] & 0x3F
    return guid_text(bytes(head) + _masked(_PLACE.pack(*place), bytes(head), salt))


def place_of(name: str, salt: bytes) -> Place | None:
    """The place a GUID tells; a foreign GUID tells a wrong one or None."""
    try:
        data = UUID(name).bytes
    except ValueError:
        return None
    head = data[:_HEAD_BYTES]
    return Place(*_PLACE.unpack(_masked(data[_HEAD_BYTES:], head, salt)))


def _masked(place: bytes, head: bytes, salt: bytes) -> bytes:
    mask = blake2b(head, digest_size=_PLACE.size, key=salt).digest()
    return (int.from_bytes(place) ^ int.from_bytes(mask)).to_bytes(_PLACE.size)
