"""What the documents say exists: metrics, make targets, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.processes import ROOT
from tests.promql import served

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
RULES = yaml.safe_load((ROOT / "deploy/prometheus/azure-backup.rules.yaml").read_text("utf-8"))
RECORDED = {
    rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule
}

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


@each_document
def test_every_metric_exists(document: Path) -> None:
    names = re.findall(r"\bazure_backup[_:][a-z_]*[a-z](?![a-z_*.]|…)", document.read_text("utf-8"))

    assert set(names) <= served().keys() | RECORDED


@each_document
def test_every_make_target_exists(document: Path) -> None:
    targets = re.findall(r"(?:`|^)make ([a-z-]+)", document.read_text("utf-8"), flags=re.MULTILINE)
    known = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)

    assert set(targets) <= set(known)


@each_document
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text("utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)

    assert [link for link in links if not (document.parent / link).exists()] == []
