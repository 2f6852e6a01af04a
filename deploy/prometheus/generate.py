"""Makes the Prometheus rules: ``python deploy/prometheus/generate.py [--check]``.

Labels are reduced to ``job`` and those that name the item or vault, so that an alert goes on when
the exporter moves to another instance, and a pair of exporters alerts once.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any, Final

import yaml
from jinja2 import Environment, StrictUndefined

sys.path.insert(0, str(Path(__file__).parents[2]))

from exporter.backup.model import ItemKey, VaultKey
from exporter.config.types import read_duration

HERE: Final = Path(__file__).parent
SETTINGS: Final = HERE / "settings.yaml"
TEMPLATE: Final = HERE / "rules.yaml.in"
RULES: Final = HERE / "azure-backup.rules.yaml"

_VAULT: Final = ("job", *VaultKey._fields)
_THING: Final = (*_VAULT, "backup_management_type", "item")
_WORDS: Final = {
    "VAULT": ", ".join(_VAULT),
    "KEY": ", ".join(("job", *ItemKey._fields)),
    # What is protected, and what is done to it: some jobs name no container or backup type.
    "THING": ", ".join(_THING),
    "DOING": ", ".join((*_THING, "operation")),
    "GREEN": "Completed|CompletedWithWarnings",
    "RUNNING": "InProgress|Cancelling",
    "STOPPING": "DisableBackup|DeleteBackupData|UnRegister",
    "RESTORING": "Restore|CrossRegionRestore|RestoreWithRehydrate",
    "TYPE": "{{ with $labels.backup_type }} ({{ . }}){{ end }}",
    "WHERE": "vault {{ $labels.vault }}, resource group {{ $labels.resource_group }}",
    "VAULT_WHERE": "{{ $labels.vault }} (resource group {{ $labels.resource_group }}, subscription"
    " {{ $labels.subscription_id }})",
}


class _Not(str):
    """A regular expression that must not match."""


def _seconds(duration: str) -> int:
    return int(read_duration(duration).total_seconds())


def rules(settings: dict[str, Any]) -> str:
    """The rule file under these settings, alerts complete with links to their runbooks."""
    environment = Environment(
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - PromQL, no HTML
    )

    def selector(family: str, matchers: dict[str, str | list[str]]) -> str:
        parts = [f'job="{settings["job"]}"']
        for label, values in matchers.items():
            for value in [values] if isinstance(values, str) else values:
                plain = not value or value.isalnum()
                sign = "!~" if isinstance(value, _Not) else "=" if plain else "=~"
                parts.append(f'{label}{sign}"{value}"')
        return f"azure_backup_{family}{{{', '.join(parts)}}}"

    def now(family: str, by: str, **matchers: str | list[str]) -> str:
        return f"max by ({by}) ({selector(family, matchers)})"

    def latest(family: str, by: str, **matchers: str | list[str]) -> str:
        return f"max by ({by}) (last_over_time({selector(family, matchers)}[{settings['bridge']}]))"

    def risen(kinds: str) -> str:
        errors = selector("vault_refresh_errors_total", {"kind": kinds})
        return f"sum by ({_WORDS['VAULT']}) (increase({errors}[30m])) > 0"

    earlier: list[str] = []
    late_after = []
    for line in settings["late_after"]:
        if line["after"] != "never":
            late_after.append({**line, "types": [line["backup_type"], *map(_Not, earlier)]})
        earlier.append(line["backup_type"])
    text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        {
            **settings,
            **_WORDS,
            "late_after": late_after,
            "latest": latest,
            "now": now,
            "risen": risen,
            "seconds": _seconds,
            "not_": _Not,
        }
    )
    return re.sub(
        r"(- alert: (\w+)\n.*?\n +annotations:\n)( +)",
        lambda found: (
            f"{found[1]}{found[3]}runbook_url: {settings['runbooks']}#{found[2].lower()}\n"
            f"{found[3]}"
        ),
        text,
        flags=re.DOTALL,
    )


def main() -> int:
    """Write the rules, or say that they are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    check = parser.parse_args().check
    made = rules(yaml.safe_load(SETTINGS.read_text(encoding="utf-8")))
    if not check:
        RULES.write_text(made, encoding="utf-8")
    elif not RULES.exists() or made != RULES.read_text(encoding="utf-8"):
        print(f"stale, run `make generate`: {RULES.name}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
