"""Makes the generated parts of the docs from the program: ``python docs/generate.py [--check]``."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest import mock

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import cardinality
from exporter.cli import main as run_command
from exporter.cli.job_records import KEYS
from exporter.metrics.families import ITEM_FAMILIES, JOB_FAMILIES, VAULT_FAMILIES, Family
from exporter.metrics.selfmetrics import OwnFamily, SelfMetrics

ROOT: Final = Path(__file__).parents[1]
COMMANDS: Final = (
    "serve",
    "demo",
    "once",
    "jobs",
    "track",
    "check-access",
    "diagnose",
    "check-config",
    "config-schema",
    "healthcheck",
)


def metric_table(families: Iterable[Family[Any] | OwnFamily], key: str = "") -> str:
    """Name, labels beside the key's, and HELP."""
    lines = ["| metric | type | labels | meaning |", "| --- | --- | --- | --- |"]
    for family in families:
        labels = ", ".join([*([key] if key else []), *(f"`{label}`" for label in family.labels)])
        lines.append(f"| `{family.name}` | {family.type} | {labels} | {family.help} |")
    return "\n".join(lines)


def command_help() -> str:
    """What each command's ``--help`` prints, at a fixed width."""
    texts = []
    for command in COMMANDS:
        printed = io.StringIO()
        with (
            mock.patch.dict(os.environ, {"COLUMNS": "100"}),
            redirect_stdout(printed),
        ):
            try:
                run_command([command, "--help"])
            except SystemExit:
                texts.append(f"### `{command}`\n\n```text\n{printed.getvalue().rstrip()}\n```")
    return "\n\n".join(texts)


def job_keys() -> str:
    """The keys of a job in ``jobs --json``."""
    rows = (f"| `{key}` | {meaning} |" for key, meaning in KEYS.items())
    return "\n".join(["| key | meaning |", "| --- | --- |", *rows])


def alert_table() -> str:
    """Every alert with its severity, how long it must hold, and what it says."""
    folder = ROOT / "deploy/prometheus"
    rules = yaml.safe_load((folder / "azure-backup.rules.yaml").read_text("utf-8"))
    settings = yaml.safe_load((folder / "settings.yaml").read_text("utf-8"))
    lines = ["| alert | severity | after | says |", "| --- | --- | ---: | --- |"]
    for rule in (rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule):
        says = re.sub(r"\{\{ with .*? \}\}.*?\{\{ end \}\}", "", rule["annotations"]["summary"])
        says = re.sub(r"\{\{ \$(?:labels\.)?(\w+).*? \}\}", r"*\1*", says)
        name, after = rule["alert"], rule.get("for", "at once")
        if "azure_backup:vault_down" in rule["expr"]:
            after = settings["vault_down"]
        lines.append(
            f"| [{name}](runbooks.md#{name.lower()}) | {rule['labels']['severity']} | {after}"
            f" | {says} |"
        )
    return "\n".join(lines)


PARTS: Final[dict[str, dict[str, Callable[[], str]]]] = {
    "docs/metrics.md": {
        "item families": lambda: metric_table(ITEM_FAMILIES, "K"),
        "job families": lambda: metric_table(JOB_FAMILIES, "K, `job_id`"),
        "vault families": lambda: metric_table(VAULT_FAMILIES, "V"),
        "own families": lambda: metric_table(SelfMetrics().families),
        "cardinality": cardinality.table,
    },
    "docs/commands.md": {"commands": command_help},
    "docs/terminal.md": {"job keys": job_keys},
    "docs/monitoring.md": {"alerts": alert_table},
}
"""The parts of each file that stand between two comments with their name."""


def with_parts(text: str, parts: dict[str, Callable[[], str]]) -> str:
    """The file's text with its generated parts made anew.

    Raises:
        ValueError: A part's comments are not in the file.
    """
    for name, make in parts.items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"no {begin} ... {end}")
        made = f"{begin}\n\n{make()}\n\n{end}"
        text = pattern.sub(partial(_replacement, made), text)
    return text


def _replacement(made: str, _: re.Match[str]) -> str:
    return made


def main() -> int:
    """Write the files, or say which are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    check = parser.parse_args().check
    stale = []
    for name, parts in PARTS.items():
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        new = with_parts(old, parts)
        if new != old:
            stale.append(name)
            if not check:
                path.write_text(new, encoding="utf-8")
    if check and stale:
        print(f"stale, run `make generate`: {', '.join(stale)}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
