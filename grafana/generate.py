"""Makes the Grafana dashboards: ``python grafana/generate.py [--check]``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.source.item import item
from grafana.source.itself import itself
from grafana.source.overview import overview

DASHBOARDS: Final = Path(__file__).parent / "dashboards"
SCHEMA_VERSION: Final = 41
"""Of Grafana 11.6; newer ones migrate it."""


def dashboards() -> dict[str, str]:
    """The JSON of each dashboard, by file name."""
    made = {}
    for dashboard in (overview(), item(), itself()):
        plain = json.loads(json.dumps(dashboard, cls=JSONEncoder))
        made[f"{dashboard.uid}.json"] = json.dumps(_tidy(plain), indent=2) + "\n"
    return made


def _tidy(dashboard: dict[str, Any]) -> dict[str, Any]:
    dashboard["schemaVersion"] = SCHEMA_VERSION
    for variable in dashboard["templating"]["list"]:
        # All have the same one, and would overwrite each other; auto* is for intervals only.
        for key in ("id", "auto", "auto_min", "auto_count"):
            variable.pop(key, None)
    for panel in dashboard["panels"]:
        # Grafana 12 knows it no more, and none is meant.
        panel.get("options", {}).pop("footer", None)
    return dashboard


def main() -> int:
    """Write the dashboards, or say that they are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    check = parser.parse_args().check
    made = dashboards()
    stale = [path.name for path in DASHBOARDS.glob("*.json") if path.name not in made]
    for name, text in made.items():
        path = DASHBOARDS / name
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    for name in stale:
        print(f"stale, run `make generate`: {name}")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
