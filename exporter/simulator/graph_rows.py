"""Rows of Resource Graph's tables: vaults and their jobs as they were at one instant."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from exporter.simulator import ticks
from exporter.simulator.arm_json import list_document
from exporter.simulator.kusto import COLUMNS, JobQuery
from exporter.simulator.lifecycle import observe
from exporter.simulator.vault_json import vault_properties, vault_sku

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.simulator.arm_json import Document
    from exporter.simulator.fleet import Fleet
    from exporter.simulator.inventory import Vault
    from exporter.simulator.job import Job

# Resource Graph has no api-versions of resources; it tells what the newest one does.
_API_VERSION: Final = "2024-10-01"
_TENANT: Final = "3a7d5c2e-91b4-4f08-a6e3-0c52d8f1b947"
_RUNNING: Final = ("InProgress", "Cancelling")
# Jobs are known for so long, running ones longer (F§15).
_KEPT: Final = ticks.from_timedelta(timedelta(days=14))


def vault_row(vault: Vault, columns: Sequence[str]) -> Document:
    """One row of ``Resources``."""
    return _row(
        vault,
        columns,
        {
            "id": vault.id,
            "name": vault.name,
            "type": "microsoft.recoveryservices/vaults",
            "sku": vault_sku(vault),
            "properties": vault_properties(vault, _API_VERSION),
            "tags": dict(vault.tags) or None,
        },
    )


class JobTable:
    """The jobs of one vault that a query finds, by name.

    Args:
        put: Jobs that were put into the vault, by name; they hide the fleet's.
        now: The instant that the rows show, in ticks.
    """

    def __init__(
        self, fleet: Fleet, vault: Vault, put: Mapping[str, Document], query: JobQuery, now: int
    ) -> None:
        self._vault = vault
        self._columns = query.columns
        self._now = now
        self._found: dict[str, Job | Document] = {
            job.name: job
            for job in fleet.jobs_touching(vault, query.started, query.ended, now)
            if job.name not in put and _finds(query, job.start, job.end, job.end > now, now)
        }
        self._found |= {
            name: document for name, document in put.items() if _finds_put(query, document, now)
        }

    def __len__(self) -> int:
        return len(self._found)

    def rows(self, after: str) -> Iterator[tuple[str, Document]]:
        """Each row's id and the row, of ids that sort after a text."""
        for name in sorted(self._found):
            row_id = f"{self._vault.id}/backupJobs/{name}"
            if row_id > after:
                yield row_id, self._document(row_id, name, self._found[name])

    def _document(self, row_id: str, name: str, job: Job | Document) -> Document:
        if isinstance(job, dict):
            properties = {k: v for k, v in job["properties"].items() if k != "extendedInfo"}
        else:
            seen = observe(job, self._now)
            properties = list_document(job, seen, _API_VERSION)["properties"]
        return _row(
            self._vault,
            self._columns,
            {
                "id": row_id,
                "name": name,
                "type": "microsoft.recoveryservices/vaults/backupjobs",
                "properties": properties,
            },
        )


def _row(vault: Vault, columns: Sequence[str], own: Mapping[str, Any]) -> Document:
    row = {
        **dict.fromkeys(COLUMNS),
        "tenantId": _TENANT,
        "kind": "",
        "location": vault.location,
        # Ids keep their case, this column does not.
        "resourceGroup": vault.resource_group.lower(),
        "subscriptionId": vault.subscription_id,
        "managedBy": "",
        **own,
    }
    return {column: row[column] for column in columns}


def _finds(query: JobQuery, start: int | None, end: int | None, running: bool, now: int) -> bool:
    if running:
        return True
    if start is None or start < now - _KEPT:
        return False
    return start >= query.started or (end is not None and end >= query.ended)


def _finds_put(query: JobQuery, document: Document, now: int) -> bool:
    """Whether a query finds a put job; an instant that cannot be read is after no other."""
    properties = document.get("properties")
    if not isinstance(properties, dict):
        return False
    return _finds(
        query,
        ticks.from_text(properties.get("startTime")),
        ticks.from_text(properties.get("endTime")),
        properties.get("status") in _RUNNING,
        now,
    )
