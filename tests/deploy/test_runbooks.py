"""The runbooks: one for each alert, and nothing in them that does not exist."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from exporter.cli import _parser
from tests.processes import ROOT
from tests.promql import TARGET_LABELS, grouped, selectors, served

if TYPE_CHECKING:
    from pathlib import Path

TEXT: Final = (ROOT / "docs/runbooks.md").read_text("utf-8")
RULES: Final = yaml.safe_load(
    (ROOT / "deploy/prometheus/azure-backup.rules.yaml").read_text("utf-8")
)
ALERTS: Final = [
    rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule
]
RECORDED: Final = {
    rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule
}
SECTIONS: Final = dict(re.findall(r"^## (\S.*?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))
CODES: Final = "Error codes"


def queries(text: str) -> list[str]:
    return re.findall(r"```promql\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Arguments of every command of ours, up to a pipe."""
    found = re.findall(r"`azure-backup-exporter([^`]*)`", text)
    return [shlex.split(command.partition("|")[0]) for command in found]


def test_every_alert_has_a_section_in_the_order_of_the_rules() -> None:
    """An alert links to its own name in lower case, as GitHub makes anchors of headings."""
    assert list(SECTIONS) == [*ALERTS, CODES]


@pytest.mark.parametrize("alert", ALERTS)
def test_a_section_says_all_that_is_needed_at_night(alert: str) -> None:
    section = SECTIONS[alert]
    parts = re.findall(r"^\*\*(\w+)\.\*\*", section, re.MULTILINE)
    diagnosis = section.partition("**Diagnosis.**")[2].partition("**Mitigation.**")[0]

    assert parts == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert queries(diagnosis)
    assert "\n- Portal: " in diagnosis
    assert "\n- Command: " in diagnosis
    assert commands(diagnosis)


@pytest.mark.parametrize("query", queries(TEXT))
def test_queries_name_only_what_is_served(query: str) -> None:
    families = served()
    found = list(selectors(query))

    assert found
    for metric, labels in found:
        if metric in RECORDED:
            continue
        assert metric in families, metric
        assert labels <= families[metric] | TARGET_LABELS, metric
    assert grouped(query) <= TARGET_LABELS.union(*families.values())


@pytest.mark.parametrize("command", commands(TEXT), ids=shlex.join)
def test_commands_and_their_flags_exist(command: list[str]) -> None:
    _parser().parse_args(command)


def test_links_within_the_page_lead_to_a_heading() -> None:
    anchors = {heading.lower().replace(" ", "-") for heading in SECTIONS}
    links = re.findall(r"\]\(#([^)]*)\)", TEXT)

    assert links
    assert set(links) <= anchors


def test_alerts_named_in_the_text_exist() -> None:
    named = set(re.findall(r"\bAzureBackup\w+\b(?!…)", TEXT))

    assert named <= set(ALERTS)


def test_settings_named_in_the_text_exist() -> None:
    example = (ROOT / "config.example.yaml").read_text("utf-8")
    named = re.findall(r"`((?:refresh|metrics|state)\.\w+)`", TEXT)

    assert named
    for name in named:
        section, _, key = name.partition(".")
        body = example.partition(f"\n{section}:\n")[2]
        assert re.search(rf"^  {key}:", re.split(r"\n(?=\w)", body)[0], re.MULTILINE), name


def test_every_error_code_says_who_acts() -> None:
    rows = [line for line in SECTIONS[CODES].splitlines() if line.startswith("| ")][2:]

    assert len(rows) > 10
    for row in rows:
        code, _, meaning, who, what = (cell.strip() for cell in row.strip("|").split("|"))
        assert re.fullmatch(r"\d+|\(none\)", code), row
        assert meaning, row
        assert who, row
        assert what, row
    codes = [row.split("|")[1].strip() for row in rows if "(none)" not in row]
    assert codes == sorted(set(codes), key=int)


def test_the_codes_of_the_recorded_answers_are_explained(shared: Path) -> None:
    """FACTS 8 lists every code that was seen; those with a number and a meaning stand here."""
    facts = (shared / "FACTS.md").read_text("utf-8")
    seen = re.search(r"^Codes seen: (.*)$", facts, re.MULTILINE)

    assert seen
    for code in re.findall(r"\b\d{6,}\b", seen[1].partition(" Codes exceed")[0]):
        assert code in SECTIONS[CODES], code
