"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# A shared CI machine may pause for longer than hypothesis allows one example.
settings.register_profile("quick", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_xdist_auto_num_workers() -> int:
    """Many tests wait for sockets and processes, so two more than there are cores."""
    return (os.cpu_count() or 1) + 2


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Each test leaves the environment as it was: the exporter mends what names its proxies."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the project with recorded answers of Azure; CI must have it."""
    folder = Path(__file__).parents[2] / "shared" / "azure-api"
    if not folder.is_dir():
        if os.environ.get("REQUIRE_SHARED"):
            pytest.fail(f"{folder} is missing, and REQUIRE_SHARED is set")
        pytest.skip("the recorded answers are not beside the project")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests have measured (``record_property("figure", ...)``)."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(str(value))
