"""What the page costs: from nothing, and after one vault has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import generate_latest

from benchmarks.estate import a_history, a_snapshot, a_vault, an_estate
from benchmarks.measuring import Figure, cpu_seconds, milliseconds, times
from benchmarks.stock import stock_registry
from exporter.metrics.page import build_page, vault_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.metrics.snapshot import VaultSnapshot

_ROUNDS = 4


def measure(*, smoke: bool) -> Iterator[Figure]:
    """Against one scrape of ``generate_latest`` over a custom collector with the same data."""
    vaults, items = (4, 10) if smoke else (40, 98)
    snapshots = an_estate(vaults, items)
    registry = stock_registry(snapshots)
    stock = ours = float("inf")
    # In turns: others on the machine slow down the one as much as the other.
    for _ in range(_ROUNDS):
        seconds, text = cpu_seconds(lambda: generate_latest(registry), 1)
        stock = min(stock, seconds)
        seconds, page = cpu_seconds(lambda: build_page([vault_blocks(one) for one in snapshots]))
        ours = min(ours, seconds)
    if text.count(b"\n") - text.count(b"\n#") - 1 != page.series:
        raise AssertionError("the two pages differ")
    baseline = f"generate_latest {milliseconds(stock)}"
    yield Figure(
        f"page of {page.series:,} series from nothing, gzip included",
        milliseconds(ours),
        baseline,
        times(stock / ours),
        "≥ 8",
    )
    changed = one_changed(snapshots)
    yield Figure(
        f"1 vault of {vaults} changed: render, gzip, join",
        milliseconds(changed),
        baseline,
        times(stock / changed),
        "≥ 25",
    )
    large = an_estate(20 if smoke else 1000, 1 if smoke else 4)
    registry = stock_registry(large)
    stock, _ = cpu_seconds(lambda: generate_latest(registry), 1)
    changed = one_changed(large)
    yield Figure(
        f"1 vault of {len(large):,} changed",
        milliseconds(changed),
        f"generate_latest {milliseconds(stock)}",
        times(stock / changed),
        "≥ 25",
    )


def one_changed(snapshots: list[VaultSnapshot]) -> float:
    """CPU seconds until the page shows a refresh of the first vault in which every job changed."""
    parts = [vault_blocks(one) for one in snapshots]
    page = build_page(parts)
    rollup = snapshots[0].rollup
    items = len(rollup.items) if rollup else 0
    # Other nights' jobs of the same items: no block is the same.
    other = a_snapshot(a_vault(), a_history(items, nights=7), seconds=2)
    shifted = a_snapshot(a_vault(), a_history(items, first=10**6), seconds=3)

    def publish() -> None:
        for snapshot in (other, shifted):
            build_page([vault_blocks(snapshot, parts[0]), *parts[1:]], page)

    return cpu_seconds(publish)[0] / 2
