"""What is served: the fleet's vaults and jobs, and those put there or taken away meanwhile."""

from __future__ import annotations

import heapq
import json
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from exporter.simulator import ticks
from exporter.simulator.answers import to_json
from exporter.simulator.arm_json import detail_document
from exporter.simulator.inventory import Vault
from exporter.simulator.job_texts import JobTexts
from exporter.simulator.lifecycle import observe
from exporter.simulator.paging import Position
from exporter.simulator.past import Remembering

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.simulator.arm_json import Document
    from exporter.simulator.filters import Criteria
    from exporter.simulator.fleet import Fleet
    from exporter.simulator.job import Job

_PUT_VAULT_LOCATION: Final = "westeurope"
_VAULT_ID_SEGMENTS: Final = 9

_POSITION: Final = itemgetter(0)


class Catalogue:
    """Finds vaults, job lists and jobs. All instants are in ticks.

    Args:
        lag: How long ago the world may be asked for, in ticks.

    Attributes:
        fleet: The rules of its jobs.
        texts: Writes the fleet's jobs.
    """

    def __init__(self, fleet: Fleet, lag: int = 0) -> None:
        self.fleet = fleet
        self._lag = lag
        self._vaults = Remembering({vault.id.lower(): vault for vault in fleet.vaults}, lag)
        self._put: dict[str, Remembering[str, Document]] = {}
        self.texts = JobTexts()
        # Both outlive their last vault.
        self._subscriptions = {
            subscription.lower()
            for subscriptions in fleet.management_groups.values()
            for subscription in subscriptions
        }
        self._groups: set[tuple[str, str]] = set()
        for vault in fleet.vaults:
            self._know_place(vault)

    @property
    def vaults(self) -> list[Vault]:
        """All of them, in the fleet's order."""
        return list(self._vaults.values())

    def vaults_at(self, instant: int) -> list[Vault]:
        """All that there were."""
        return list(self._vaults.at(instant).values())

    def vault(self, vault_id: str) -> Vault | None:
        """The vault of an id."""
        return self._vaults.get(vault_id.lower())

    def knows_subscription(self, subscription_id: str) -> bool:
        """Whether there is such a subscription, with or without vaults."""
        return subscription_id.lower() in self._subscriptions

    def knows_group(self, subscription_id: str, group: str) -> bool:
        """Whether there is, or was, a vault in such a resource group."""
        return (subscription_id.lower(), group.lower()) in self._groups

    def put_vault(self, vault: Vault, now: int) -> None:
        """Let a vault appear, or change."""
        self._know_place(vault)
        self._vaults.put(vault.id.lower(), vault, now)

    def remove_vault(self, vault_id: str, now: int) -> None:
        """Let a vault go away, with the jobs that were put there."""
        key = vault_id.lower()
        self._vaults.remove(key, now)
        put = self._put_jobs(key)
        for name in list(put):
            put.remove(name, now)

    def put_job(self, vault_id: str, payload: Mapping[str, Any], now: int) -> None:
        """Serve a job object as it is, in a vault that need not exist."""
        key = vault_id.lower()
        if self._vaults.get(key) is None:
            self.put_vault(_vault_of_id(vault_id), now)
        document: Document = json.loads(json.dumps(payload))
        self._put_jobs(key).put(str(document["name"]).lower(), document, now)

    def remove_job(self, vault_id: str, name: str, now: int) -> None:
        """Take a job that was put back out."""
        self._put_jobs(vault_id.lower()).remove(name.lower(), now)

    def put_jobs_at(self, vault: Vault, instant: int) -> dict[str, Document]:
        """The jobs that had been put into a vault, by lower-case name."""
        put = self._put.get(vault.id.lower())
        return put.at(instant) if put else {}

    def _put_jobs(self, key: str) -> Remembering[str, Document]:
        return self._put.setdefault(key, Remembering({}, self._lag))

    def _know_place(self, vault: Vault) -> None:
        subscription = vault.subscription_id.lower()
        self._subscriptions.add(subscription)
        self._groups.add((subscription, vault.resource_group.lower()))

    def page(
        self,
        vault: Vault,
        criteria: Criteria,
        *,
        after: Position | None,
        size: int,
        now: int,
        api_version: str,
    ) -> tuple[list[str], Position | None]:
        """One page of jobs as JSON, newest first, and where it ended unless it is the last."""
        put = self._put_jobs(vault.id.lower())
        judged = (_judge(document, criteria) for document in put.values())
        jobs: Iterator[tuple[Position, Job | Document]] = heapq.merge(
            sorted((found for found in judged if found is not None), key=_POSITION),
            self._matching(vault, criteria, put, after=after, now=now),
            key=_POSITION,
        )
        left = (found for found in jobs if after is None or found[0] > after)
        page = list(islice(left, size + 1))
        texts = [self._text(job, now, api_version) for _, job in page[:size]]
        return texts, page[size - 1][0] if len(page) > size else None

    def detail(self, vault: Vault, name: str, *, now: int, api_version: str) -> Document | None:
        """One job with all it has."""
        put = self._put_jobs(vault.id.lower()).get(name.lower())
        if put is not None:
            return put
        job = self.fleet.job(vault, name, now)
        return None if job is None else detail_document(job, now, api_version)

    def _matching(
        self,
        vault: Vault,
        criteria: Criteria,
        put: Remembering[str, Document],
        *,
        after: Position | None,
        now: int,
    ) -> Iterator[tuple[Position, Job]]:
        # Jobs of earlier pages need not be made again; the position sorts by the start.
        latest = now if after is None else min(now, -after.order)
        end = latest if criteria.end is None else min(criteria.end, latest)
        for job in self.fleet.newest_first(vault, criteria.start, end, now):
            if put.get(job.name) is None and _accepts(criteria, job, now):
                yield Position(-job.start, job.name), job

    def _text(self, job: Job | Document, now: int, api_version: str) -> str:
        if not isinstance(job, dict):
            return self.texts.job(job, now, api_version)
        properties = job.get("properties")
        if not isinstance(properties, dict):
            return to_json(job)
        bare = {key: value for key, value in properties.items() if key != "extendedInfo"}
        return to_json({**job, "properties": bare})


def _accepts(criteria: Criteria, job: Job, now: int) -> bool:
    if criteria.any_job:
        return True
    seen = observe(job, now)
    return criteria.job_id in ("", job.name) and criteria.accept(
        status=seen.status,
        operation=seen.operation,
        backup_management_type=job.item.workload.backup_management_type,
    )


def _judge(document: Document, criteria: Criteria) -> tuple[Position, Document] | None:
    """A put job with its place in the list; None if the filter does not let it through.

    What it lacks or cannot be read never keeps it out: such jobs are put to be served.
    """
    properties = document.get("properties")
    fields = properties if isinstance(properties, dict) else {}
    name = str(document["name"])
    start = ticks.from_text(fields.get("startTime"))
    accepted = criteria.job_id in ("", name.lower()) and criteria.accept(
        status=str(fields.get("status", criteria.status)),
        operation=str(fields.get("operation", criteria.operation)),
        backup_management_type=str(
            fields.get("backupManagementType", criteria.backup_management_type)
        ),
    )
    if start is None:
        return (Position(0, name), document) if accepted else None
    early = criteria.start is not None and start < criteria.start
    late = criteria.end is not None and start > criteria.end
    return (Position(-start, name), document) if accepted and not early and not late else None


def _vault_of_id(vault_id: str) -> Vault:
    segments = vault_id.split("/")
    if len(segments) != _VAULT_ID_SEGMENTS:
        raise ValueError(f"not the id of a vault: {vault_id}")
    return Vault(
        subscription_id=segments[2],
        resource_group=segments[4],
        name=segments[8],
        location=_PUT_VAULT_LOCATION,
    )
