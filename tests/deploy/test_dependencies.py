"""What the package says of the libraries it needs."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.version import Version

from tests.processes import ROOT


def test_each_lower_bound_is_a_version_that_is_tested() -> None:
    """`make test-lowest` installs these. One that was withdrawn would be passed over unseen."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (ROOT / "requirements-lowest.txt").read_text(encoding="utf-8")
    tested = dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", lock, re.MULTILINE))

    for requirement in map(Requirement, project["dependencies"]):
        [bound] = [one.version for one in requirement.specifier if one.operator == ">="]
        assert Version(bound) == Version(tested[requirement.name]), requirement
