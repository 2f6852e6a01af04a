"""The rights that the docs name are those that the requests need."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from exporter.simulator import sized_fleet
from tests.builders import NOW
from tests.processes import ROOT
from tests.steering import steered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.simulator import RecordedRequest

JOBS = "Microsoft.RecoveryServices/vaults/backupJobs/read"
VAULTS = "Microsoft.RecoveryServices/vaults/read"
GRAPH = "Microsoft.ResourceGraph/resources/read"
SUBSCRIPTION = "{subscription_id: 00000000-0000-4000-8000-000000000000}"
RIGHTS = (ROOT / "docs" / "rights.md").read_text(encoding="utf-8")


def rights_of(requests: Iterable[RecordedRequest]) -> set[str]:
    """What Azure asks for: the resource types of a path, and what is done with them."""
    rights = set()
    for request in requests:
        _, found, path = request.path.partition("/providers/")
        if found:
            provider, *parts = path.split("/")
            rights.add("/".join([provider, *parts[::2], "read"]))
    return rights


@pytest.mark.parametrize(
    ("sections", "needed"),
    [
        ({}, {JOBS}),
        ({"vaults": "[]", "discovery": f"[{SUBSCRIPTION}]"}, {JOBS, VAULTS}),
        ({"vaults": "[]", "discovery": "[{management_group: mg-sized}]"}, {JOBS, GRAPH}),
        (
            {
                "vaults": "[]",
                "discovery": "[{management_group: mg-sized, source: resource_graph}]",
            },
            {JOBS, GRAPH},
        ),
    ],
    ids=["vaults", "by subscription", "by management group", "by Resource Graph"],
)
def test_each_feature_needs_what_the_table_says(
    monkeypatch: pytest.MonkeyPatch, sections: dict[str, str], needed: set[str]
) -> None:
    """Of a vault that is no longer found, too."""
    with steered(monkeypatch, sized_fleet(vaults=2, jobs=16, anchor=NOW)) as stage:
        stage.configure(**sections)
        made = []
        for _ in range(3):
            stage.refresh()
            made += stage.simulator.requests
            stage.clock.advance(minutes=16)

    assert rights_of(made) == needed
    for right in needed:
        assert f"`{right}`" in RIGHTS


def test_the_role_that_is_shown_has_just_these_rights() -> None:
    role = json.loads(re.findall("```json\n(.*?)```", RIGHTS, re.DOTALL)[0])

    assert set(role["Actions"]) == {JOBS, VAULTS}


@pytest.mark.parametrize("name", ["README.md", "SECURITY.md"])
def test_both_pages_name_the_rights_and_lead_to_the_table(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    for right in (JOBS, VAULTS):
        assert f"`{right}`" in text
    assert "docs/rights.md" in text
