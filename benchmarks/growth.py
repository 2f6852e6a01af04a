"""How costs grow with jobs, items and vaults: a table and a plot."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.estate import NOW, a_history, a_snapshot, a_vault, an_estate, settings
from benchmarks.measuring import Figure, cpu_seconds, milliseconds
from benchmarks.rendering import one_changed
from exporter.backup.history import prune
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
    """Memory of the model."""
    number = 500 if smoke else 20_000
    for what, with_detail in (("from lists", False), ("with every detail", True)):
        size = _bytes_per_job(number, with_detail=with_detail)
        yield Figure(
            f"model of 100,000 jobs {what}",
            f"{size * 1e5 / 2**20:.0f} MiB",
            goal="≤ 60 MiB",
        )


def _bytes_per_job(number: int, *, with_detail: bool) -> float:
    jobs = {}
    tracemalloc.start()
    for index in range(number):
        job = parse_job(_payload(index), Counter(), with_detail=with_detail)
        jobs[job.job_id] = job
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / number


def _payload(index: int) -> Any:
    """A job as Azure sends it, decoded anew so that nothing is shared but by the parser."""
    item = f"vm-{index // 8:05}"
    return json.loads(
        json.dumps(
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
                    "startTime": "2026-01-15T00:00:00.1234567Z",
                    "endTime": "2026-01-15T00:40:00.7654321Z",
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
    )
