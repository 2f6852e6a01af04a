"""Rows of Resource Graph's tables as JSON: vaults and their jobs as they were at one instant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.simulator.answers import to_json
from exporter.simulator.kusto import COLUMNS
from exporter.simulator.ticks import from_text
from exporter.simulator.vault_json import vault_properties, vault_sku

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.simulator.arm_json import Document
    from exporter.simulator.found_jobs import FoundJobs
    from exporter.simulator.inventory import Vault
    from exporter.simulator.job import Job
    from exporter.simulator.job_texts import JobTexts

# Resource Graph has no api-versions of resources; it tells what the newest one does.
_API_VERSION: Final = "2024-10-01"
_TENANT: Final = "3a7d5c2e-91b4-4f08-a6e3-0c52d8f1b947"
_RUNNING: Final = ("InProgress", "Cancelling")
_JOB_TYPE: Final = to_json("microsoft.recoveryservices/vaults/backupjobs")
_VAULT_TYPE: Final = to_json("microsoft.recoveryservices/vaults")

# An id, and the row's JSON.
Row = tuple[str, str]


def vault_row(vault: Vault, columns: Sequence[str]) -> Row:
    """One row of ``Resources``."""
    cells = _cells(vault) | {
        "id": to_json(vault.id),
        "name": to_json(vault.name),
        "type": _VAULT_TYPE,
        "sku": to_json(vault_sku(vault)),
        "properties": to_json(vault_properties(vault, _API_VERSION)),
        "tags": to_json(dict(vault.tags) or None),
    }
    return vault.id, _written(cells, columns)


class JobTable:
    """The jobs of one vault that a query finds.

    Args:
        found: What the query finds.
        put: Jobs that were put into the vault, by name; they hide the fleet's.
        now: The instant that the rows show, in ticks.
    """

    def __init__(
        self,
        vault: Vault,
        found: FoundJobs,
        put: Mapping[str, Document],
        texts: JobTexts,
        now: int,
    ) -> None:
        self._vault = vault
        self._found = found
        self._put = put
        self._texts = texts
        self._now = now

    def count(self) -> int:
        """How many rows there are, from the first one on."""
        return len(self._jobs()) if self._put else self._found.count(self._vault)

    def rows(self, columns: Sequence[str], after: str) -> Iterator[Row]:
        """Those of ids that sort after a text."""
        cells = _cells(self._vault) | {"type": _JOB_TYPE}
        jobs = self._jobs()
        for name in sorted(jobs):
            row_id = f"{self._vault.id}/backupJobs/{name}"
            if row_id > after:
                cells["id"] = to_json(row_id)
                cells["name"] = to_json(name)
                cells["properties"] = self._properties(jobs[name])
                yield row_id, _written(cells, columns)

    def _jobs(self) -> dict[str, Job | Document]:
        """By name."""
        jobs: dict[str, Job | Document] = {
            job.name: job for job in self._found.of(self._vault) if job.name not in self._put
        }
        put = {name: job for name, job in self._put.items() if self._accepts(job)}
        return jobs | put

    def _accepts(self, document: Document) -> bool:
        properties = document.get("properties")
        return isinstance(properties, dict) and self._found.accepts(
            from_text(properties.get("startTime")),
            from_text(properties.get("endTime")),
            running=properties.get("status") in _RUNNING,
        )

    def _properties(self, job: Job | Document) -> str:
        if isinstance(job, dict):
            bare = {key: value for key, value in job["properties"].items() if key != "extendedInfo"}
            return to_json(bare)
        return self._texts.properties(job, self._now, _API_VERSION)


def _cells(vault: Vault) -> dict[str, str]:
    """The JSON of those columns that all rows about a vault share."""
    return {
        **dict.fromkeys(COLUMNS, "null"),
        "tenantId": to_json(_TENANT),
        "kind": to_json(""),
        "location": to_json(vault.location),
        # Ids keep their case, this column does not.
        "resourceGroup": to_json(vault.resource_group.lower()),
        "subscriptionId": to_json(vault.subscription_id),
        "managedBy": to_json(""),
    }


def _written(cells: Mapping[str, str], columns: Sequence[str]) -> str:
    return "{" + ",".join([f'"{column}":{cells[column]}' for column in columns]) + "}"
