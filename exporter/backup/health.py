"""How each item is: the one judgement of alerts, dashboards and status page. Pure.

The alerts say the same in PromQL (deploy/prometheus/rules.yaml.in), and the dashboards take it from
them; a test compares all three on a table of situations. From which age a backup is late, all three
take from the item; other thresholds are those of deploy/prometheus/settings.yaml as it is shipped,
and a test compares those, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.backup.model import BACKUP, PROTECTING, RESTORING, RUNNING_STATUSES, STOPPING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from exporter.backup.model import BackupJob, ItemKey, Task
    from exporter.backup.rollup import ItemState, Rollup


class Health(IntEnum):
    """What can be said of an item's operation; what is worst goes first.

    ``ENDED`` is a backup whose protection was stopped: nothing is wrong with it, and nothing well.
    """

    NEVER = 0
    REPEATEDLY = 1
    LATE = 2
    RESTORE = 3
    STOPPED = 4
    MISSED = 5
    FAILED = 6
    TASK = 7
    WARNINGS = 8
    INCOMPLETE = 9
    ENDED = 10
    WELL = 11


WORDS: Final = {
    Health.NEVER: "Never succeeded",
    Health.REPEATEDLY: "Fails repeatedly",
    Health.LATE: "Late",
    Health.RESTORE: "Restore failed",
    Health.STOPPED: "Protection stopped",
    Health.MISSED: "Missed",
    Health.FAILED: "Failed",
    Health.TASK: "Task not completed",
    Health.WARNINGS: "Warnings",
    Health.INCOMPLETE: "Not completed",
    Health.ENDED: "Ended",
    Health.WELL: "Well",
}
LEAST_CRITICAL: Final = Health.STOPPED
"""Down to this one the alert is critical."""

FAILURES_IN_A_ROW: Final = 3
ONE_OFF: Final = timedelta(days=1)
ALREADY_RUNNING: Final = "400249"

_TASK_IS_WELL: Final = ("Completed", *RUNNING_STATUSES)
_BY_STATUS: Final = {
    "Completed": Health.WELL,
    "CompletedWithWarnings": Health.WARNINGS,
    "Failed": Health.FAILED,
}


def healths(rollup: Rollup, now: datetime) -> Iterator[tuple[ItemState, Health]]:
    """Every item of a vault, and how it is.

    A failure that a newer job of the same item under its fuller name has made good is not among
    them: the roll-up has dropped it.
    """
    items = rollup.items
    names = _Names.of(items)
    running = {_doing(key) for key, job in rollup.jobs if job.running}
    stopped = _stopped(items, names)
    for item in items:
        key = item.key
        if key.operation != BACKUP:
            yield item, _one_off_health(item, now)
        elif _thing(key) in stopped:
            yield item, Health.ENDED
        else:
            refused = any(error.code == ALREADY_RUNNING for error in item.job.errors)
            waits = refused and _another_runs(key, running, names)
            known = item.last_success is not None or names.have_success(key)
            yield item, _backup_health(item, now, known=known, waits=waits)


def tasks_not_completed(job: BackupJob) -> Iterator[Task]:
    """Tasks of a finished job that have ended otherwise than well, as far as its detail is known.

    The job may count as successful all the same; then its recovery point may exist as a snapshot
    only and not in the vault.
    """
    return (task for task in job.tasks if task.status and task.status not in _TASK_IS_WELL)


def _backup_health(item: ItemState, now: datetime, *, known: bool, waits: bool) -> Health:
    # Counts what has not succeeded as metrics.success_statuses says.
    failures = 0 if waits else item.consecutive_failures
    if failures and not known:
        return Health.NEVER
    if failures >= FAILURES_IN_A_ROW:
        return Health.REPEATEDLY
    if lateness := _lateness(item, now):
        return lateness
    health = _BY_STATUS.get(item.job.status, Health.INCOMPLETE)
    if health in (Health.WELL, Health.WARNINGS) and any(tasks_not_completed(item.job)):
        return Health.TASK
    return Health.INCOMPLETE if waits and health is Health.FAILED else health


def _lateness(item: ItemState, now: datetime) -> Health | None:
    """What its age makes of the newest good backup; None for nothing."""
    if item.last_success is None or item.age_limits is None:
        return None
    age, (warning, critical) = now - item.last_success, item.age_limits
    if critical is not None and age > critical:
        return Health.LATE
    return Health.MISSED if warning is not None and age > warning else None


def _one_off_health(item: ItemState, now: datetime) -> Health:
    """Nobody repeats a restore or a deletion: how it ended is news for a while."""
    operation, success = item.key.operation, item.last_success
    if operation in STOPPING and success and now - success < ONE_OFF:
        return Health.STOPPED
    if item.job.ended_at is None or now - item.job.ended_at >= ONE_OFF:
        return Health.WELL
    health = _BY_STATUS.get(item.job.status, Health.INCOMPLETE)
    return Health.RESTORE if operation in RESTORING and health is Health.FAILED else health


class _Thing(NamedTuple):
    """What is protected: an item in its container; empty where the job names none."""

    kind: str
    item: str
    container: str


class _Doing(NamedTuple):
    """What is done to it."""

    thing: _Thing
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """What is known by each name. Some jobs of databases name no container or backup type.

    Attributes:
        containers: Of each kind and item.
        typed: What has had a success of some backup type.
        placed: The same of some container, without it.
    """

    containers: dict[tuple[str, str], set[str]]
    typed: set[_Doing]
    placed: set[_Doing]

    @classmethod
    def of(cls, items: Iterable[ItemState]) -> _Names:
        containers: dict[tuple[str, str], set[str]] = {}
        typed, placed = set(), set()
        for item in items:
            doing = _doing(item.key)
            thing = doing.thing
            if thing.container:
                containers.setdefault(thing[:2], set()).add(thing.container)
            if item.last_success and item.key.backup_type:
                typed.add(doing)
            if item.last_success and thing.container:
                placed.add(_anywhere(doing))
        return cls(containers=containers, typed=typed, placed=placed)

    def of_one_place(self, thing: _Thing) -> bool:
        """Whether what names no container can mean no other item of this name."""
        return len(self.containers.get(thing[:2], ())) <= 1

    def have_success(self, key: ItemKey) -> bool:
        """Whether a fuller name of what fails under a shorter one has had a success."""
        doing = _doing(key)
        by_type = not key.backup_type and doing in self.typed
        return by_type or (not key.protection_container and doing in self.placed)


def _another_runs(key: ItemKey, running: Collection[_Doing], names: _Names) -> bool:
    """Whether another backup of the item is running, and not only one of its namesake's."""
    doing = _doing(key)
    if doing.thing.container and doing in running:
        return True
    if not names.of_one_place(doing.thing):
        return False
    anywhere = _anywhere(doing)
    if doing.thing.container:
        return anywhere in running
    return any(_anywhere(other) == anywhere for other in running)


def _stopped(items: Iterable[ItemState], names: _Names) -> set[_Thing]:
    """What is meant to have no backups: nothing newer says otherwise."""
    stops: dict[_Thing, datetime] = {}
    again: dict[_Thing, datetime] = {}
    # What names no container may be about any item of that name.
    perhaps_again: dict[_Thing, datetime] = {}
    for item in items:
        thing, operation = _thing(item.key), item.key.operation
        if operation in STOPPING:
            _keep_newest(stops, thing, item.last_success)
        elif operation == BACKUP or operation in PROTECTING:
            _keep_newest(again if thing.container else perhaps_again, thing, item.last_success)
        if operation == BACKUP:
            # A failure, too, shows that backups are made; but not one that the stop has cut off.
            _keep_newest(again, thing, item.job.start_time)
    for thing, at in list(stops.items()):
        if names.of_one_place(thing):
            _keep_newest(stops, thing._replace(container=""), at)
            if not thing.container:
                for container in names.containers.get(thing[:2], ()):
                    stops.setdefault(thing._replace(container=container), at)
    return {
        thing
        for thing, at in stops.items()
        if (thing.container or names.of_one_place(thing))
        and again.get(thing, at) <= at
        and perhaps_again.get(thing._replace(container=""), at) <= at
    }


def _keep_newest(found: dict[_Thing, datetime], thing: _Thing, at: datetime | None) -> None:
    if at is not None:
        found[thing] = max(at, found.get(thing, at))


def _thing(key: ItemKey) -> _Thing:
    return _Thing(key.backup_management_type, key.item.lower(), key.protection_container)


def _doing(key: ItemKey) -> _Doing:
    return _Doing(_thing(key), key.operation)


def _anywhere(doing: _Doing) -> _Doing:
    return doing._replace(thing=doing.thing._replace(container=""))
