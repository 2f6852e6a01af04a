"""One vault's samples as text blocks, one block for each family.

Hand-written because ``generate_latest`` costs 12 times the CPU (PERFORMANCE.md of the project's
notes): the label text of an item is built once for all its families. Samples read the same in
text 0.0.4 and OpenMetrics, so the blocks serve both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exporter.metrics.families import (
    ITEM_FAMILIES,
    JOB_FAMILIES,
    VAULT_FAMILIES,
    Family,
    JobRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.metrics.snapshot import VaultSnapshot

FAMILIES: Final[tuple[Family[Any], ...]] = (*VAULT_FAMILIES, *ITEM_FAMILIES, *JOB_FAMILIES)
"""Every family about vaults, in the order of the page."""

_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_EXACT: Final = 2**53


def render_vault(snapshot: VaultSnapshot) -> list[str]:
    """The samples of one vault, one text for each of ``FAMILIES``; empty where it has none."""
    rollup = snapshot.rollup
    return [
        *_render(VAULT_FAMILIES, [(snapshot.vault.key, snapshot)]),
        *_render(ITEM_FAMILIES, [(item.key, item) for item in rollup.items] if rollup else []),
        *_render(
            JOB_FAMILIES,
            [((*key, job.job_id), JobRow(key, job)) for key, job in rollup.jobs] if rollup else [],
        ),
    ]


def _render(
    families: Sequence[Family[Any]], rows: Iterable[tuple[tuple[str, ...], Any]]
) -> Iterable[str]:
    lines: list[list[str]] = [[] for _ in families]
    names = families[0].key
    for key, row in rows:
        common = _labels(names, key)
        for family, out in zip(families, lines, strict=True):
            for values, value in family.samples(row):
                labels = f"{common},{_labels(family.labels, values)}" if values else common
                out.append(f"{family.name}{{{labels}}} {format_value(value)}\n")
    return map("".join, lines)


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    return ",".join(
        f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True)
    )


def format_value(value: float) -> str:
    """The shortest text that reads back as the same float; whole numbers without a point."""
    if value == int(value) and abs(value) < _EXACT:
        return str(int(value))
    return repr(float(value))
