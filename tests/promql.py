"""What PromQL expressions name, and what the exporter serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import promql_parser

from exporter.metrics.families import ITEM_FAMILIES, JOB_FAMILIES, VAULT_FAMILIES, Family
from exporter.metrics.selfmetrics import SelfMetrics

TARGET_LABELS = {"job", "instance"}
"""What Prometheus adds to every series of a target."""


def served() -> dict[str, set[str]]:
    """Labels by metric name, as on the page; histograms under their three names."""
    families: list[Family[Any]] = [*ITEM_FAMILIES, *JOB_FAMILIES, *VAULT_FAMILIES]
    names = {family.name: {*family.key, *family.labels} for family in families}
    for own in SelfMetrics().families:
        names[own.name] = set(own.labels)
        if own.type == "histogram":
            names[f"{own.name}_bucket"] = {*own.labels, "le"}
            names[f"{own.name}_sum"] = names[f"{own.name}_count"] = set(own.labels)
    names["up"] = set()
    return names


def selectors(expr: str) -> Iterator[tuple[str, set[str]]]:
    """Every metric that an expression reads, with the labels it matches on.

    Raises:
        ValueError: It is no PromQL.
    """
    yield from _walk(promql_parser.parse(expr))


def grouped(expr: str) -> set[str]:
    """Every label in ``by``, ``on``, ``ignoring`` and ``group_left``."""
    return set(_labels(promql_parser.parse(expr)))


def _walk(node: Any) -> Iterator[tuple[str, set[str]]]:
    if isinstance(node, promql_parser.VectorSelector):
        matchers = {matcher.name for matcher in node.matchers.matchers}
        yield node.name or "", matchers
    for child in _children(node):
        yield from _walk(child)


def _labels(node: Any) -> Iterator[str]:
    modifier = getattr(node, "modifier", None)
    if isinstance(node, promql_parser.AggregateExpr) and modifier:
        yield from modifier.labels
    elif isinstance(node, promql_parser.BinaryExpr) and modifier:
        if modifier.matching:
            yield from modifier.matching.labels
        yield from modifier.group_labels or ()
    for child in _children(node):
        yield from _labels(child)


def _children(node: Any) -> Iterator[Any]:
    for name in ("lhs", "rhs", "expr", "param", "vector_selector"):
        child = getattr(node, name, None)
        if child is not None:
            yield child
    if isinstance(node, promql_parser.Call):
        yield from node.args
