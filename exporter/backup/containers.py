"""The container of jobs that name none, where it is certain.

Jobs that change the protection of a database carry its bare name (``msdb``), while its backups name
the server as well (``msdb [host]``, FACTS 18). Only with the server can it be told whose backups
have been stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import structs

from exporter.backup.items import item_name
from exporter.backup.model import PROTECTING, STOPPING, BackupJob

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from exporter.backup.model import ItemName

_NETBIOS_LENGTH: Final = 15


def names_no_container(job: BackupJob) -> bool:
    """Whether the job has changed the protection of an item and does not say where that is."""
    changes = job.operation in STOPPING or job.operation in PROTECTING
    return changes and not job.running and not job.protection_container


def with_containers(
    readings: Sequence[BackupJob], known: Mapping[str, BackupJob], names: Iterable[ItemName]
) -> Sequence[BackupJob]:
    """The same jobs; those that name no container have it now, where it is certain.

    It is judged once, when a job's detail comes: what is protected later under the same name cannot
    have been meant.

    Args:
        readings: Just read.
        known: What was known of them, by job id.
        names: All items known before.
    """

    def asked(job: BackupJob) -> bool:
        before = known.get(job.job_id)
        first = before is None or before.running or before.detail is None
        return first and bool(job.detail) and names_no_container(job)

    if not any(map(asked, readings)):
        return readings
    everywhere: dict[str, set[str]] = {}
    of_item: dict[tuple[str, str], set[str]] = {}
    for kind, container, item in (*names, *map(item_name, readings)):
        if container:
            everywhere.setdefault(kind, set()).add(container)
            of_item.setdefault((kind, item), set()).add(container)

    def placed(job: BackupJob) -> BackupJob:
        kind = job.backup_management_type
        container = _certain(
            job.detail.machine if job.detail else "",
            of_item.get((kind, job.item.lower()), ()),
            everywhere.get(kind, ()),
        )
        return structs.replace(job, protection_container=container) if container else job

    return [placed(job) if asked(job) else job for job in readings]


def _certain(machine: str, of_item: Collection[str], everywhere: Collection[str]) -> str:
    """The container that is meant; empty where that is not certain.

    A server is told by its machine's name even if nothing is known of the item there. A machine
    that no known server is called after says nothing: its host name is another one.
    """
    for containers in (of_item, everywhere):
        called = [one for one in containers if machine and _is_called(one, machine)]
        if called:
            return called[0] if len(called) == 1 else ""
    return next(iter(of_item)) if len(of_item) == 1 else ""


def _is_called(host: str, machine: str) -> bool:
    """Whether a server bears the name of a virtual machine; Windows cuts it to 15 characters."""
    return host.partition(".")[0] in (machine, machine[:_NETBIOS_LENGTH])
