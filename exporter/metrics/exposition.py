"""One vault's samples as text, one text for each family; and the exporter's own metrics.

Hand-written because ``generate_latest`` costs ten times the CPU (docs/performance.md): the label
text of an item is built once for all its families, and that of a job begins with its item's.
Samples read the same in text 0.0.4 and OpenMetrics, so the texts serve both.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from exporter.backup.model import ItemKey, VaultKey
from exporter.metrics.families import (
    ITEM_FAMILIES,
    JOB_FAMILIES,
    VAULT_FAMILIES,
    Family,
    JobRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client import CollectorRegistry

    from exporter.backup.rollup import Rollup
    from exporter.metrics.snapshot import VaultSnapshot

FAMILIES: Final[tuple[Family[Any], ...]] = (*VAULT_FAMILIES, *ITEM_FAMILIES, *JOB_FAMILIES)
"""Every family about vaults, in the order of the page."""

Rows = list[tuple[str, Any]]
"""What the families of one kind speak of: each row after the text of its labels."""

_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_needs_escapes: Final = re.compile(r'[\\"\n]').search
_EXACT: Final = 2**53


def vault_rows(snapshot: VaultSnapshot) -> Rows:
    """The vault itself."""
    return [(_labels(VaultKey._fields, snapshot.vault.key), snapshot)]


def item_rows(rollup: Rollup | None) -> Rows:
    """Its items; none where nothing is known."""
    return [(_labels(ItemKey._fields, item.key), item) for item in rollup.items] if rollup else []


def job_rows(rollup: Rollup | None) -> Rows:
    """Its individual jobs; none where nothing is known."""
    jobs = rollup.jobs if rollup else ()
    of_item = {key: _labels(ItemKey._fields, key) for key in {key for key, _ in jobs}}
    return [
        (f"{of_item[key]},{_labels(('job_id',), (job.job_id,))}", JobRow(key, job))
        for key, job in jobs
    ]


def render(families: Sequence[Family[Any]], rows: Rows) -> list[str]:
    """The rows' samples, one text for each family."""
    return [_column(family, rows) for family in families]


def registry_text(registry: CollectorRegistry, *, openmetrics: bool = False) -> bytes:
    """Counters, gauges and histograms of prometheus_client; in OpenMetrics with the page's end."""
    lines: list[str] = []
    for metric in registry.collect():
        suffix = "_total" if metric.type == "counter" else ""
        headers = header_texts(metric.name + suffix, metric.type, metric.documentation)
        lines.append(headers[openmetrics])
        for name, labels, value, *_ in metric.samples:
            of_sample = f"{{{_labels(tuple(labels), tuple(labels.values()))}}}" if labels else ""
            lines.append(f"{name}{of_sample} {format_value(value)}\n")
    if openmetrics:
        lines.append("# EOF\n")
    return "".join(lines).encode()


@cache
def header_texts(name: str, kind: str, text: str) -> tuple[str, str]:
    """HELP and TYPE for text 0.0.4 and for OpenMetrics, which names a counter without _total."""
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    quoted = text.replace('"', r"\"")
    base = name.removesuffix("_total") if kind == "counter" else name
    return (
        f"# HELP {name} {text}\n# TYPE {name} {kind}\n",
        f"# HELP {base} {quoted}\n# TYPE {base} {kind}\n",
    )


def _column(family: Family[Any], rows: Rows) -> str:
    lines: list[str] = []
    start, names, samples = f"{family.name}{{", family.labels, family.samples
    if free := family.free_labels:
        rows = [(",".join([common, *_pairs(free(row))]), row) for common, row in rows]
    # Statuses, tasks and the like are few, and the same in all rows.
    own: dict[tuple[str, ...], str] = {(): ""}
    for common, row in rows:
        for values, value in samples(row):
            labels = own.get(values)
            if labels is None:
                labels = own[values] = f",{_labels(names, values)}"
            number = value if value.__class__ is int else format_value(value)
            lines.append(f"{start}{common}{labels}}} {number}\n")
    return "".join(lines)


def _pairs(labels: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (_labels((name,), (value,)) for name, value in labels)


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if _needs_escapes("".join(values)):
        values = tuple(value.translate(_ESCAPES) for value in values)
    return ",".join([f'{name}="{value}"' for name, value in zip(names, values, strict=True)])


def format_value(value: float) -> str:
    """The shortest text that reads back as the same float; whole numbers without a point."""
    value = float(value)
    if value.is_integer() and -_EXACT < value < _EXACT:
        return str(int(value))
    return repr(value)
