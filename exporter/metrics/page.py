"""The whole page as bytes that are ready to send, plain and gzip, in both formats.

A page is a list of references to the vaults' blocks: after one vault has changed nothing else is
rendered, compressed or copied. Each block is deflated on its own and ended with a full flush, so
that blocks side by side make one gzip member (RFC 1951, 1952).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from exporter.metrics.exposition import FAMILIES, render_vault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.metrics.families import Family
    from exporter.metrics.snapshot import VaultSnapshot

_LEVEL: Final = 1
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"


@dataclass(frozen=True, slots=True)
class Block:
    """Some bytes of the page, plain and as a flushed piece of a raw deflate stream."""

    plain: bytes
    deflated: bytes
    samples: int = 0


def block(text: str, *, samples: int = 0) -> Block:
    """Encode and compress one piece of the page."""
    plain = text.encode()
    compressor = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
    deflated = compressor.compress(plain) + compressor.flush(zlib.Z_FULL_FLUSH)
    return Block(plain, deflated, samples)


VaultBlocks = tuple[Block | None, ...]
"""One vault's part of the page: a block for each of ``FAMILIES``, None where it has no samples."""


def vault_blocks(snapshot: VaultSnapshot) -> VaultBlocks:
    """Render one vault."""
    return tuple(
        block(text, samples=text.count("\n")) if text else None for text in render_vault(snapshot)
    )


@dataclass(frozen=True, slots=True)
class Body:
    """The page in one format, all but the exporter's own metrics."""

    blocks: tuple[Block, ...]
    checksum: int
    size: int

    def plain(self, tail: bytes) -> list[bytes]:
        """The answer's pieces, with the exporter's own metrics at the end."""
        return [*(piece.plain for piece in self.blocks), tail]

    def gzip(self, tail: bytes) -> list[bytes]:
        """The same as one gzip member."""
        compressor = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
        end = compressor.compress(tail) + compressor.flush()
        trailer = struct.pack(
            "<LL", zlib.crc32(tail, self.checksum), (self.size + len(tail)) & 0xFFFFFFFF
        )
        return [_GZIP_HEADER, *(piece.deflated for piece in self.blocks), end, trailer]


@dataclass(frozen=True, slots=True)
class Page:
    """What ``/metrics`` answers.

    Attributes:
        text: For text format 0.0.4.
        openmetrics: For OpenMetrics 1.0.
        series: How many samples of vaults it has.
    """

    text: Body
    openmetrics: Body
    series: int


def build_page(vaults: Iterable[VaultBlocks]) -> Page:
    """Join the vaults' blocks, family by family."""
    columns: Sequence[Sequence[Block | None]] = list(zip(*vaults, strict=True)) or [()] * len(
        FAMILIES
    )
    series = 0
    text: list[Block] = []
    openmetrics: list[Block] = []
    for (text_header, openmetrics_header), column in zip(_HEADERS, columns, strict=True):
        blocks = [piece for piece in column if piece is not None]
        series += sum(piece.samples for piece in blocks)
        if blocks:
            text += (text_header, *blocks)
            openmetrics += (openmetrics_header, *blocks)
    return Page(text=_body(text), openmetrics=_body(openmetrics), series=series)


def _body(blocks: list[Block]) -> Body:
    checksum = 0
    for piece in blocks:
        checksum = zlib.crc32(piece.plain, checksum)
    return Body(tuple(blocks), checksum, sum(len(piece.plain) for piece in blocks))


def _headers(family: Family[Any]) -> tuple[Block, Block]:
    """HELP and TYPE for text 0.0.4 and for OpenMetrics, which names a counter without _total."""
    text = family.help.replace("\\", r"\\").replace("\n", r"\n")
    quoted = text.replace('"', r"\"")
    base = family.name.removesuffix("_total") if family.type == "counter" else family.name
    return (
        block(f"# HELP {family.name} {text}\n# TYPE {family.name} {family.type}\n"),
        block(f"# HELP {base} {quoted}\n# TYPE {base} {family.type}\n"),
    )


_HEADERS: Final = tuple(_headers(family) for family in FAMILIES)
