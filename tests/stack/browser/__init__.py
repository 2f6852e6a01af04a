"""Debian's Chromium, driven by playwright-core."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.stack.programs import installed

HERE = Path(__file__).parent


def look(folder: Path, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the browser sees at each address; the library is installed into the folder."""
    work = folder / "browser"
    if not work.exists():
        shutil.copytree(HERE, work, ignore=shutil.ignore_patterns("node_modules", "*.py"))
        subprocess.run([installed("npm"), "ci", "--silent"], cwd=work, check=True)  # noqa: S603 - ours
    done = subprocess.run(  # noqa: S603 - our own command
        [installed("node"), "look.mjs"],
        cwd=work,
        env={**os.environ, "CHROMIUM": installed("chromium"), "NO_PROXY": "*"},
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: list[dict[str, Any]] = json.loads(done.stdout)
    return seen
