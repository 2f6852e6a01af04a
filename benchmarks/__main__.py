"""All measurements: ``python -m benchmarks``; ``--write`` puts them into docs/performance.md."""

from __future__ import annotations

import argparse
import platform
from typing import TYPE_CHECKING, Final

from benchmarks import cardinality, fleet, growth, latency, reading, rendering, scraping, starting
from benchmarks.measuring import ROOT, Figure, table
from docs.generate import with_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    class Measure(Protocol):
        """Measures something; quickly and roughly if it is only to see that it still works."""

        def __call__(self, *, smoke: bool) -> Iterator[Figure]:
            """The figures, as they come."""


MEASURES: Final[dict[str, Measure]] = {
    "rendering": rendering.measure,
    "scraping": scraping.measure,
    "latency": latency.measure,
    "reading": reading.measure,
    "starting": starting.measure,
    "fleet": fleet.measure,
    "memory": growth.measure,
}


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=(*MEASURES, "growth", "cardinality"))
    parser.add_argument("--smoke", action="store_true", help="small and fast; figures mean nothing")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    options = parser.parse_args()
    parts: dict[str, Callable[[], str]] = {}
    figures: list[Figure] = []
    for name, measure in MEASURES.items():
        if options.only in (None, name):
            found = list(measure(smoke=options.smoke))
            print(table(found), flush=True)
            figures += found
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    parts["figures"] = lambda: (
        f"{table(figures)}\n\nMachine: 2 cores shared with others, {machine}."
    )
    if options.only in (None, "growth"):
        items = growth.items_points(smoke=options.smoke)
        vaults = growth.vaults_points(smoke=options.smoke)
        text = growth.table(items, vaults)
        print(text, flush=True)
        parts["growth"] = lambda: text
        if options.write:
            growth.plot(items, vaults, ROOT / "docs/images/performance-growth.svg")
    if options.only in (None, "cardinality") and not options.smoke:
        print(cardinality.table())
    if options.write:
        path = ROOT / "docs/performance.md"
        path.write_text(with_parts(path.read_text(encoding="utf-8"), parts), encoding="utf-8")


if __name__ == "__main__":
    main()
