"""Makes the Prometheus rules: ``python deploy/prometheus/generate.py [--check]``.

Labels are reduced to ``job`` and those that name the item or vault, so that an alert goes on when
the exporter moves to another instance, and a pair of exporters alerts once.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from jinja2 import Environment, StrictUndefined

sys.path.insert(0, str(Path(__file__).parents[2]))

from exporter.backup.model import PROTECTING, RESTORING, STOPPING, ItemKey, VaultKey
from exporter.config.types import read_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HERE: Final = Path(__file__).parent
SETTINGS: Final = HERE / "settings.yaml"
TEMPLATE: Final = HERE / "rules.yaml.in"
RULES: Final = HERE / "azure-backup.rules.yaml"

_VAULT: Final = ("job", *VaultKey._fields)
_THING: Final = (*_VAULT, "backup_management_type", "protection_container", "item")


def _matching(labels: Iterable[str]) -> str:
    """A selector's matchers as a format of printf in an alert's template."""
    return ", ".join(f"{label}=%q" for label in labels)


def _values(labels: Iterable[str]) -> str:
    return " ".join(f"$labels.{label}" for label in labels)


_KEY: Final = ("job", *ItemKey._fields)
# Asked when the text is made, so that an error comes and goes without a new alert, and an alert
# without one is no less an alert. A code or title that Azure leaves out is left out.
_WHY: Final = (
    f"{{{{ range query (printf `max by (error_code, error_title)"
    f" (azure_backup_last_job_error_info{{{_matching(_KEY)}}})` {_values(_KEY)})"
    ' | sortByLabel "error_code" }} Error of its last job:'
    "{{ with .Labels.error_code }} {{ . }}{{ end }}"
    "{{ with .Labels.error_title }} {{ . }}{{ end }}.{{ end }}"
)
_VAULT_WHY: Final = (
    "{{ range query (printf `max by (kind)"
    f" (azure_backup_vault_down{{{_matching(_VAULT)}}}) == 1` {_values(_VAULT)})"
    ' | sortByLabel "kind" }} Its newest failure is of the kind {{ .Labels.kind }}.{{ end }}'
)
_WORDS: Final = {
    "WHY": _WHY,
    "VAULT_WHY": _VAULT_WHY,
    "VAULT": ", ".join(_VAULT),
    "KEY": ", ".join(_KEY),
    # What is protected, and what is done to it: some jobs name no container or backup type.
    "NAME": ", ".join(label for label in _THING if label != "protection_container"),
    "THING": ", ".join(_THING),
    "BUDGET": "job, subscription_id, location",
    "DOING": ", ".join((*_THING, "operation")),
    "GREEN": "Completed|CompletedWithWarnings",
    "RUNNING": "InProgress|Cancelling",
    "STOPPING": "|".join(STOPPING),
    "PROTECTING": "|".join(PROTECTING),
    "RESTORING": "|".join(RESTORING),
    "TYPE": "{{ with $labels.backup_type }} ({{ . }}){{ end }}",
    "WHERE": "vault {{ $labels.vault }}, resource group {{ $labels.resource_group }}",
    "VAULT_WHERE": "{{ $labels.vault }} (resource group {{ $labels.resource_group }}, subscription"
    " {{ $labels.subscription_id }})",
}


class _Not(str):
    """A regular expression that must not match."""


def _seconds(duration: str) -> int:
    return int(read_duration(duration).total_seconds())


def rules(settings: dict[str, Any], *, remembers: bool = True) -> str:
    """The rule file under these settings, alerts complete with links to their runbooks.

    Args:
        settings: As in settings.yaml.
        remembers: Whether rules read their own former results. Dashboards cannot.
    """
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

    def selector(name: str, matchers: Mapping[str, str | list[str]]) -> str:
        parts = [f'job="{settings["job"]}"']
        for label, values in matchers.items():
            for value in [values] if isinstance(values, str) else values:
                plain = not value or value.isalnum()
                sign = "!~" if isinstance(value, _Not) else "=" if plain else "=~"
                parts.append(f'{label}{sign}"{value}"')
        return f"{name}{{{', '.join(parts)}}}"

    def recorded(rule: str, **matchers: str | list[str]) -> str:
        return selector(f"azure_backup:{rule}", matchers)

    def now(family: str, by: str, **matchers: str | list[str]) -> str:
        return f"max by ({by}) ({selector(f'azure_backup_{family}', matchers)})"

    def latest(family: str, by: str, **matchers: str | list[str]) -> str:
        found = selector(f"azure_backup_{family}", matchers)
        return f"max by ({by}) (last_over_time({found}[{settings['bridge']}]))"

    def remembered(rule: str, by: str, **matchers: str | list[str]) -> str:
        """What the rule itself said last, over restarts of Prometheus for up to a day."""

        def known(matchers: Mapping[str, str | list[str]]) -> str:
            found = recorded(rule, **matchers)
            return f"(last_over_time({found}[{settings['bridge']}]) or {found} offset 1d)"

        gone = [f" unless on ({by}) {known(line)}" for line in settings["gone"]]
        return known(matchers) + "".join(gone)

    def refused(**matchers: str) -> str:
        code = settings["already_running"]
        return latest(
            "last_job_error_info",
            _WORDS["KEY"],
            operation=settings["backups"],
            error_code=code,
            **matchers,
        )

    def failing(**matchers: str) -> str:
        key = _WORDS["KEY"]
        now = latest("consecutive_failures", key, operation=settings["backups"], **matchers)
        before = remembered("failures_without_success", key, **matchers)
        return f"({now} or {before})" if remembers else now

    text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        {
            **settings,
            **_WORDS,
            "remembers": remembers,
            "remembered": remembered,
            "recorded": recorded,
            "refused": refused,
            "failing": failing,
            "latest": latest,
            "now": now,
            "seconds": _seconds,
            "not_": _Not,
        }
    )
    return _with_addresses(text, settings)


def _with_addresses(text: str, settings: dict[str, Any]) -> str:
    """The rules with each alert's runbook and dashboard."""
    head, *groups = re.split(r"(?=^  - name: )", text, flags=re.MULTILINE)
    return head + "".join(
        re.sub(
            r"(- alert: (\w+)\n.*?\n +annotations:\n)( +)",
            lambda found, group=group: (
                f"{found[1]}{found[3]}runbook_url: {settings['runbooks']}#{found[2].lower()}\n"
                f"{found[3]}dashboard_url: {settings['grafana']}{_dashboard(group)}\n{found[3]}"
            ),
            group,
            flags=re.DOTALL,
        )
        for group in groups
    )


def _dashboard(group: str) -> str:
    """Path and variables of the dashboard that shows what the alerts of a group are about."""
    variables = {"job": "job"}
    if "azure-backup-exporter" not in group.partition("\n")[0]:
        variables |= {"subscription": "subscription_id", "vault": "vault"}
    if "azure-backup-items" in group.partition("\n")[0]:
        variables |= {"item": "item"}
    page = "azure-backup-item" if "item" in variables else "azure-backup-exporter"
    query = "&".join(
        f"var-{name}={{{{ $labels.{label} | urlquery }}}}" for name, label in variables.items()
    )
    # Not every job names a container: then all that have such an item are shown.
    container = "{{ with $labels.protection_container }}&var-container={{ . | urlquery }}{{ end }}"
    return f"/d/{page}?{query}" + (container if "item" in variables else "")


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
