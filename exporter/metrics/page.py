"""The whole page as bytes that are ready to send, gzip and plain, in both formats.

Each family of each vault is one block, deflated on its own and ended with a full flush, so that
blocks side by side make one gzip member (RFC 1951, 1952). A family's blocks of all vaults are
joined to a column, which both formats share. What has not changed is neither rendered nor
compressed nor joined again. Plain text is not kept: it is eight times as large, and Prometheus
asks for gzip.

isal and not zlib: it deflates 8 times as fast, inflates 5 times as fast, and has crc32_combine.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from isal import isal_zlib

from exporter.metrics.exposition import (
    FAMILIES,
    header_texts,
    item_rows,
    job_rows,
    render,
    vault_rows,
)
from exporter.metrics.families import ITEM_FAMILIES, JOB_FAMILIES, VAULT_FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.metrics.exposition import Rows
    from exporter.metrics.families import Family
    from exporter.metrics.snapshot import VaultSnapshot

_LEVEL: Final = 1
_RAW: Final = -isal_zlib.MAX_WBITS
_GZIP: Final = 16 + isal_zlib.MAX_WBITS
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"

_DEFLATED_PORTION: Final = 4 * 1024
_PLAIN_PORTION: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class Block:
    """Some bytes of the page.

    Attributes:
        deflated: A flushed piece of a raw deflate stream.
        size: How many bytes they are.
        checksum: Their CRC-32.
        samples: How many samples they hold.
    """

    deflated: bytes
    size: int
    checksum: int
    samples: int = 0


def block(text: str, *, samples: int = 0) -> Block:
    """Encode and compress one piece of the page."""
    plain = text.encode()
    compressor = isal_zlib.compressobj(_LEVEL, wbits=_RAW)
    deflated = compressor.compress(plain) + compressor.flush(isal_zlib.Z_FULL_FLUSH)
    return Block(deflated, len(plain), isal_zlib.crc32(plain), samples)


@dataclass(frozen=True, slots=True)
class VaultBlocks:
    """One vault's part of the page.

    Attributes:
        snapshot: What it says.
        blocks: One for each of ``FAMILIES``, None where it has no samples.
    """

    snapshot: VaultSnapshot
    blocks: tuple[Block | None, ...]


_ITEMS: Final = len(VAULT_FAMILIES)
_JOBS: Final = _ITEMS + len(ITEM_FAMILIES)


def vault_blocks(snapshot: VaultSnapshot, before: VaultBlocks | None = None) -> VaultBlocks:
    """Render one vault.

    Args:
        snapshot: What is known of it.
        before: Its part so far; blocks that would be the same are taken from there.
    """
    old = before.blocks if before else (None,) * len(FAMILIES)
    was, now = before.snapshot.rollup if before else None, snapshot.rollup
    of_vault, of_items, of_jobs = old[:_ITEMS], old[_ITEMS:_JOBS], old[_JOBS:]
    blocks = _blocks(VAULT_FAMILIES, vault_rows(snapshot), of_vault)
    # To compare costs a fiftieth of rendering, and most refreshes bring nothing new.
    if not (was and now and was.items == now.items):
        of_items = _blocks(ITEM_FAMILIES, item_rows(now), of_items)
    if not (was and now and was.jobs == now.jobs):
        of_jobs = _blocks(JOB_FAMILIES, job_rows(now), of_jobs)
    return VaultBlocks(snapshot, blocks + of_items + of_jobs)


def _blocks(
    families: tuple[Family[Any], ...], rows: Rows, before: tuple[Block | None, ...]
) -> tuple[Block | None, ...]:
    blocks: list[Block | None] = []
    for text, old in zip(render(families, rows), before, strict=True):
        new = block(text, samples=text.count("\n")) if text else None
        blocks.append(old if new == old else new)
    return tuple(blocks)


@dataclass(frozen=True, slots=True)
class Column:
    """One family of all vaults.

    Attributes:
        blocks: Each vault's, None where it has no samples.
        joined: All of them.
    """

    blocks: tuple[Block | None, ...]
    joined: Block


@dataclass(frozen=True)
class Body:
    """The page in one format, all but the exporter's own metrics."""

    blocks: tuple[Block, ...]
    checksum: int
    size: int

    @cached_property
    def _begun(self) -> bytes:
        """The gzip member without its end.

        One piece, because small ones are dear to send; joined when somebody asks, because large
        pages change more often than that; kept, because all who ask hold the same.
        """
        return b"".join([_GZIP_HEADER, *(piece.deflated for piece in self.blocks)])

    def plain(self, tail: bytes) -> Iterator[bytes]:
        """The answer in portions, with the exporter's own metrics at the end.

        They are inflated while they are sent: ``size`` and that of the tail say how long it is.
        """
        inflater = isal_zlib.decompressobj(wbits=_GZIP)
        for start in range(0, len(self._begun), _DEFLATED_PORTION):
            portion = self._begun[start : start + _DEFLATED_PORTION]
            while portion:
                yield inflater.decompress(portion, _PLAIN_PORTION)
                portion = inflater.unconsumed_tail
        yield inflater.flush()
        yield tail

    def gzip(self, tail: bytes) -> tuple[bytes, bytes]:
        """The same as one gzip member: what all who ask share, and the rest."""
        compressor = isal_zlib.compressobj(_LEVEL, wbits=_RAW)
        end = compressor.compress(tail) + compressor.flush()
        trailer = struct.pack(
            "<LL", isal_zlib.crc32(tail, self.checksum), (self.size + len(tail)) & 0xFFFFFFFF
        )
        return self._begun, end + trailer


@dataclass(frozen=True, slots=True)
class Page:
    """What ``/metrics`` answers.

    Attributes:
        text: For text format 0.0.4.
        openmetrics: For OpenMetrics 1.0.
        series: How many samples of vaults it has.
        columns: What it was made of, one for each of ``FAMILIES``.
    """

    text: Body
    openmetrics: Body
    series: int
    columns: tuple[Column, ...] = ()


def build_page(vaults: Iterable[VaultBlocks], before: Page | None = None) -> Page:
    """Join the vaults' blocks, family by family.

    Args:
        vaults: In the order of the page.
        before: The page so far; columns that would be the same are taken from there.
    """
    found = list(zip(*(vault.blocks for vault in vaults), strict=True))
    columns = tuple(_columns(found or [()] * len(FAMILIES), before.columns if before else ()))
    shown = [
        (headers, column.joined)
        for headers, column in zip(_HEADERS, columns, strict=True)
        if column.joined.samples
    ]
    return Page(
        text=_body([piece for (header, _), joined in shown for piece in (header, joined)]),
        openmetrics=_body([piece for (_, header), joined in shown for piece in (header, joined)]),
        series=sum(column.joined.samples for column in columns),
        columns=columns,
    )


def _columns(found: list[tuple[Block | None, ...]], before: tuple[Column, ...]) -> Iterator[Column]:
    for position, blocks in enumerate(found):
        if before and before[position].blocks == blocks:
            yield before[position]
        else:
            yield Column(blocks, _joined([piece for piece in blocks if piece]))


def _joined(blocks: list[Block]) -> Block:
    return Block(
        b"".join([piece.deflated for piece in blocks]),
        sum(piece.size for piece in blocks),
        _checksum(blocks),
        sum(piece.samples for piece in blocks),
    )


def _checksum(blocks: list[Block]) -> int:
    checksum = 0
    for piece in blocks:
        checksum = isal_zlib.crc32_combine(checksum, piece.checksum, piece.size)
    return checksum


def _body(blocks: list[Block]) -> Body:
    return Body(tuple(blocks), _checksum(blocks), sum(piece.size for piece in blocks))


def _headers(family: Family[Any]) -> tuple[Block, Block]:
    text, openmetrics = header_texts(family.name, family.type, family.help)
    return block(text), block(openmetrics)


_HEADERS: Final = tuple(_headers(family) for family in FAMILIES)
