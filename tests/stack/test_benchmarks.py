"""The benchmarks run: what they print at this size means nothing, but they cannot rot."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.processes import ROOT

pytestmark = pytest.mark.stack


@pytest.mark.timeout(120)
def test_every_benchmark_runs() -> None:
    """Also without nginx and the official client."""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--smoke"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    for what in (
        "page of",
        "scrape of",
        "p99 of",
        "jobs listed",
        "start:",
        "idle",
        "requests of",
        "model of",
    ):
        assert what in ended.stdout
    assert re.search(r"\| nginx (\S+/s|is not installed) \|", ended.stdout)
