"""Pages, and what stands in them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from exporter.backup.rollup import roll_up
from exporter.metrics.page import Body, build_page, vault_blocks
from exporter.metrics.snapshot import VaultSnapshot
from tests.builders import (
    NOW,
    a_history,
    a_vault,
    settings,
)


def a_snapshot(*jobs: Any, **changes: Any) -> VaultSnapshot:
    vault = changes.pop("vault", a_vault())
    values: dict[str, Any] = {
        "vault": vault,
        "up": True,
        "refreshed_at": NOW,
        "refresh_duration": timedelta(seconds=1.5),
        "refresh_interval": timedelta(minutes=5),
        "details_pending": 0,
        "rollup": roll_up(vault, a_history(*jobs), NOW, settings()),
        **changes,
    }
    return VaultSnapshot(**values)


def text_of(body: Body, tail: bytes = b"") -> str:
    return b"".join(body.plain(tail)).decode()


def page_of(*snapshots: VaultSnapshot) -> str:
    return text_of(build_page(vault_blocks(snapshot) for snapshot in snapshots).text)


def samples_of(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Samples by name and labels, read by prometheus_client; no two have the same."""
    samples = [
        ((sample.name, frozenset(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    found = dict(samples)
    assert len(found) == len(samples)
    return found


def values(text: str, name: str, **labels: str) -> list[float]:
    """Of the samples of that name with these labels; only their lines are parsed, for speed."""
    start = f"azure_backup_{name}{{"
    lines = "".join(line for line in text.splitlines(keepends=True) if line.startswith(start))
    return [
        value
        for (_, found), value in samples_of(lines).items()
        if labels.items() <= dict(found).items()
    ]


def lines_about(page: str, family: str, vault: str) -> list[str]:
    return [
        line
        for line in page.splitlines()
        if line.startswith(f"azure_backup_{family}") and f'vault="{vault}"' in line
    ]
