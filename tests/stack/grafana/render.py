"""Draws the dashboards into docs/images: ``python tests/stack/grafana/render.py``.

Needs npm, Chromium, Prometheus and promtool. Grafana's libraries are installed once, below .cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

from exporter.simulator import demo_fleet  # noqa: E402 - a script, not a module of the package
from tests.stack.grafana.company import write_blocks  # noqa: E402
from tests.stack.programs import installed, scraping  # noqa: E402

PAGE: Final = Path(__file__).parent / "render"
PICTURES: Final = ROOT / "docs/images"
SPAN: Final = timedelta(days=3)
WIDTH: Final = 1400
SHOWN: Final = {
    "overview": (timedelta(days=1), {}),
    "item": (SPAN, {"item": "branch-app"}),
    "exporter": (timedelta(hours=24), {}),
}
"""How far back each picture goes, and what is chosen in its variables; else everything."""


def libraries() -> Path:
    """The folder of the page with Grafana's libraries, as its lock file has them."""
    folder = ROOT / ".cache/grafana-render"
    lock = (PAGE / "package-lock.json").read_text(encoding="utf-8")
    stamp = folder / "installed.json"
    fresh = stamp.exists() and stamp.read_text(encoding="utf-8") == lock
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    if not fresh:
        stamp.unlink(missing_ok=True)
        subprocess.run([installed("npm"), "ci"], cwd=folder, check=True)  # noqa: S603 - our own
        stamp.write_text(lock, encoding="utf-8")
    return folder


def job(name: str, prometheus: str, end: datetime, folder: Path) -> dict[str, Any]:
    """What the page needs to know for one picture."""
    span, chosen = SHOWN[name]
    text = (ROOT / f"grafana/dashboards/azure-backup-{name}.json").read_text(encoding="utf-8")
    dashboard = json.loads(text)
    variables = {v["name"]: ".*" for v in dashboard["templating"]["list"][1:]}
    return {
        "dashboard": dashboard,
        "prometheus": prometheus,
        "from": (end - span).timestamp(),
        "to": end.timestamp(),
        "variables": variables | chosen,
        "width": WIDTH,
        "picture": str(folder / f"dashboard-{name}.png"),
    }


def main() -> None:
    """Draw them all."""
    page = libraries()
    end = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_blocks(folder, demo_fleet(anchor=end), end, SPAN)
        with scraping(folder, {}) as prometheus:
            # The last page is some minutes older.
            jobs = [job(name, prometheus.url, end - timedelta(minutes=2), folder) for name in SHOWN]
            (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
            subprocess.run(  # noqa: S603 - our own command
                [installed("node"), "render.mjs", str(folder / "jobs.json")],
                cwd=page,
                env={**os.environ, "CHROMIUM": installed("chromium"), "NO_PROXY": "*"},
                check=True,
            )
        for picture in folder.glob("*.png"):
            shutil.copy(picture, PICTURES)
            print(PICTURES.relative_to(ROOT) / picture.name)  # noqa: T201 - it is a script


if __name__ == "__main__":
    main()
