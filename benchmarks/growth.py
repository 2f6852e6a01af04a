"""How costs grow with jobs, items and vaults: a table and a plot."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.estate import NIGHTS, NOW, a_history, a_snapshot, a_vault, an_estate, settings
from benchmarks.measuring import Figure, cpu_seconds, milliseconds
from benchmarks.rendering import one_changed
from exporter.backup.history import History, Window, merge_list, prune
from exporter.backup.parse import parse_job
from exporter.metrics.page import vault_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ITEMS = (10, 100, 1000, 10_000)
VAULTS = (10, 100, 1000)


class Point(NamedTuple):
    """What one refresh of a vault costs in CPU seconds beside the reading.

    Attributes:
        size: Items of the vault, or vaults of the page.
        jobs: Jobs of the vault, or of all vaults.
        core: To forget old jobs and roll up the rest.
        render: To render and compress the vault if all of it is new.
        unchanged: The same if no job is new.
    """

    size: int
    jobs: int
    core: float
    render: float
    unchanged: float


def items_points(*, smoke: bool) -> list[Point]:
    """One vault with more and more items, each with 8 jobs."""
    points = []
    for items in ITEMS[:2] if smoke else ITEMS:
        history = a_history(items)
        core, snapshot = cpu_seconds(
            lambda history=history: a_snapshot(  # type: ignore[misc] # bound for each size
                a_vault(), prune(history, NOW, settings())
            ),
            3,
        )
        render, part = cpu_seconds(lambda snapshot=snapshot: vault_blocks(snapshot), 3)  # type: ignore[misc]
        again = a_snapshot(a_vault(), history, seconds=2)
        same, _ = cpu_seconds(lambda again=again, part=part: vault_blocks(again, part), 3)  # type: ignore[misc]
        points.append(Point(items, len(history.jobs), core, render, same))
    return points


def vaults_points(*, smoke: bool) -> list[tuple[int, float]]:
    """CPU seconds until the page shows one changed vault of so many, with 10 items each."""
    sizes = VAULTS[:1] if smoke else VAULTS
    return [(vaults, one_changed(an_estate(vaults, 10))) for vaults in sizes]


def table(items: Iterable[Point], vaults: Iterable[tuple[int, float]]) -> str:
    """Both as Markdown."""
    return "\n".join(
        [
            "| items of the vault | jobs | roll up | render, all new | render, nothing new |",
            "| ---: | ---: | ---: | ---: | ---: |",
            *(
                f"| {p.size:,} | {p.jobs:,} | {milliseconds(p.core)} | {milliseconds(p.render)}"
                f" | {milliseconds(p.unchanged)} |"
                for p in items
            ),
            "",
            "| vaults with 10 items each | one of them all new: render, gzip, join |",
            "| ---: | ---: |",
            *(f"| {size:,} | {milliseconds(seconds)} |" for size, seconds in vaults),
        ]
    )


def plot(items: list[Point], vaults: list[tuple[int, float]], path: Path) -> None:
    """Both as curves, both axes logarithmic."""
    import matplotlib as mpl  # noqa: PLC0415 - of the group bench

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "performance"
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
    sizes = [point.size for point in items]
    for name in ("core", "render", "unchanged"):
        left.loglog(
            sizes,
            [getattr(point, name) * 1e3 for point in items],
            marker="o",
            label={
                "core": "roll up",
                "render": "render, all new",
                "unchanged": "render, nothing new",
            }[name],
        )
    left.set(xlabel="items of the vault (8 jobs each)", ylabel="CPU of one refresh, ms")
    left.legend()
    right.loglog([size for size, _ in vaults], [s * 1e3 for _, s in vaults], marker="o")
    right.set(xlabel="vaults on the page (10 items each), one of them all new")
    for axes in (left, right):
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def measure(*, smoke: bool) -> Iterator[Figure]:
    """Memory of what is known of a vault."""
    number = 800 if smoke else 20_000
    for what, nights, with_detail, goal in (
        (f"of {NIGHTS} nights, from lists", NIGHTS, False, "≤ 60 MiB"),
        (f"of {NIGHTS} nights, every detail read", NIGHTS, True, "≤ 60 MiB"),
        ("of one night, every detail read", 1, True, ""),
    ):
        size = _bytes_of_history(number, nights, with_detail=with_detail)
        yield Figure(
            f"model of 100,000 jobs {what}",
            f"{size / number * 1e5 / 2**20:.0f} MiB",
            goal=goal,
        )


def _bytes_of_history(number: int, nights: int, *, with_detail: bool) -> int:
    window = Window(start=NOW - timedelta(days=9), end=NOW, full=True)
    texts = [_payload(index, index % nights) for index in range(number)]
    gc.collect()
    tracemalloc.start()
    # Decoded one by one, so that nothing is shared but by the parser.
    jobs = (parse_job(json.loads(text), Counter(), with_detail=with_detail) for text in texts)
    history = prune(merge_list(History(), jobs, window, settings()), NOW, settings())
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del history
    return size


def _payload(index: int, night: int) -> str:
    """A job as Azure sends it."""
    item = f"vm-{index // NIGHTS:05}"
    start = NOW - timedelta(days=night, hours=2, microseconds=index)
    return json.dumps(
        {
            "name": f"{index:08x}-0000-4000-8000-000000000000",
            "properties": {
                "jobType": "AzureIaaSVMJob",
                "backupManagementType": "AzureIaasVM",
                "entityFriendlyName": item,
                "containerName": f"iaasvmcontainerv2;rg-machines;{item}",
                "operation": "Backup",
                "status": "Completed",
                "activityId": f"{index:08x}-0000-4000-8000-000000000001",
                "startTime": start.isoformat(),
                "endTime": (start + timedelta(minutes=40)).isoformat(),
                "duration": f"PT40M0.{index:07}S",
                "extendedInfo": {
                    "tasksList": [
                        {"taskId": name, "status": "Completed", "duration": f"PT{index}S"}
                        for name in ("Take Snapshot", "Transfer data to vault")
                    ],
                    "propertyBag": {"Backup Size": f"{index} MB"},
                },
            },
        }
    )
