"""The vaults that are read now, each with its refresher, its budget and what is known of it."""

from __future__ import annotations

import math
import threading
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from exporter.azure.budget import ReadBudget
from exporter.azure.gate import BudgetGate
from exporter.refresh.estimate import LONGEST_HOURS, Share
from exporter.refresh.graph import GraphGroup, GraphLists
from exporter.refresh.lists import ArmLists, JobLists
from exporter.refresh.queue import DetailQueue
from exporter.refresh.roster import Place, roster
from exporter.refresh.vault import VaultRefresher, hour_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.azure.backup_jobs import BackupJobsApi
    from exporter.azure.budget import Room
    from exporter.azure.resource_graph import ResourceGraphApi
    from exporter.backup.details import DetailPolicy
    from exporter.backup.model import Vault
    from exporter.backup.shard import Choice
    from exporter.clock import Clock
    from exporter.config import Config
    from exporter.metrics.selfmetrics import SelfMetrics
    from exporter.metrics.snapshot import VaultSnapshot
    from exporter.metrics.store import PageStore
    from exporter.refresh.loop import Reader
    from exporter.refresh.roster import Found
    from exporter.refresh.vault import VaultState

SharedBy = tuple[str, str]
"""Subscription and region: vaults of both share a read budget (FACTS 10)."""


class Estate:
    """Holds one refresher for each vault, and changes them as vaults appear and go away.

    Args:
        config: How they are read.
        shard: Which of them are ours.
        want: Which details are read.
        jobs_api: Job lists and details.
        graph_api: Job lists of many vaults at once.
        store: Where snapshots go.
        keep: Where what is known goes after each refresh that read a vault.
        recall: What is known already of vaults, by id; called once for each vault that appears.
        budgets: What has been spent and learnt of each budget so far.
        clock: What time it is.
        metrics: Shows what is left of each budget.
        changed: Called after each change of what is known of a vault.

    Attributes:
        refreshers: By vault id, in the order of the page. Rebound whole, never changed.
        groups: By scope: those whose job lists come from Resource Graph. Likewise.
        queues: By budget: the details that wait for it.
        budgets: By what shares them.
    """

    def __init__(
        self,
        config: Config,
        *,
        shard: Choice,
        want: DetailPolicy,
        jobs_api: BackupJobsApi,
        graph_api: ResourceGraphApi,
        store: PageStore,
        keep: Callable[[Vault, VaultState], None],
        recall: Callable[[list[Vault]], dict[str, VaultState]],
        budgets: dict[SharedBy, ReadBudget],
        clock: Clock,
        metrics: SelfMetrics,
        changed: Callable[[], None],
    ) -> None:
        self._config = config
        self._changed = changed
        self._configured = [entry.vault() for entry in config.vaults]
        self._settings = config.settings()
        self._shard = shard
        self._want = want
        self._jobs_api = jobs_api
        self._graph_api = graph_api
        self._store = store
        self._publish: Callable[[VaultSnapshot], None] | None = None
        self._keep = keep
        self._recall = recall
        self._clock = clock
        self._metrics = metrics
        self._arranging = threading.Lock()
        self._places: dict[str, Place] = {}
        self._gates: dict[SharedBy, BudgetGate] = {}
        self.budgets = budgets
        self.refreshers: dict[str, VaultRefresher] = {}
        self.groups: dict[str, GraphGroup] = {}
        self.queues: dict[SharedBy, DetailQueue] = {}

    @property
    def readers(self) -> list[Reader]:
        """Whatever reads job lists: single vaults, and groups of them."""
        single = [
            refresher
            for vault_id, refresher in self.refreshers.items()
            if not self._places[vault_id].group
        ]
        return [*single, *self.groups.values()]

    @property
    def complete(self) -> int:
        """How many vaults are read and have waited for no detail of a newest job since."""
        return sum(one.state.filled for one in self.refreshers.values())

    @property
    def shares(self) -> list[Share]:
        """What is still wanted at first, by budget."""
        places, gates = self._places, self._gates
        sharing: dict[SharedBy, list[VaultRefresher]] = {}
        for refresher in self.refreshers.values():
            sharing.setdefault(_shared_by(refresher.vault), []).append(refresher)
        return [
            self._share(gates[key].room(), members, places)
            for key, members in sharing.items()
            if key in gates
        ]

    def arrange(self, found: Iterable[Found]) -> None:
        """Read the vaults that are configured, and those found, from now on."""
        with self._arranging:
            found = list(found)
            everywhere = roster(self._configured, found)
            places = {
                place.vault.id: place for place in everywhere if self._shard.reads(place.vault.id)
            }
            self._share_budgets(everywhere, places)
            self._make_groups(places, found)
            self._replace_refreshers(places)

    def _share_budgets(self, everywhere: list[Place], places: dict[str, Place]) -> None:
        """Have each budget shared by its vaults; other shards get the part of theirs."""
        in_all = Counter(_shared_by(place.vault) for place in everywhere)
        shared: dict[SharedBy, list[Place]] = {}
        for place in places.values():
            shared.setdefault(_shared_by(place.vault), []).append(place)
        gates, queues = {}, {}
        for key, sharing in shared.items():
            vaults = [place.vault for place in sharing]
            gate = self._gates.get(key) or BudgetGate(
                self._budget(key),
                vaults=vaults,
                interval=self._config.refresh.interval,
                clock=self._clock,
                metrics=self._metrics,
            )
            gate.share_among(
                listed=sum(not place.group for place in sharing),
                part=len(sharing) / in_all[key],
            )
            gates[key] = gate
            queues[key] = self.queues.get(key) or DetailQueue(
                "the details of subscription {} in {}".format(*key),
                gate,
                self._clock,
                threads=self._detail_threads,
            )
        for key in self._gates.keys() - gates.keys():
            self._metrics.reads_remaining.remove(*key)
            self._metrics.reads_limit.remove(*key)
        self._gates, self.queues = gates, queues

    def _budget(self, key: SharedBy) -> ReadBudget:
        configured = self._config.azure.read_budget
        new = ReadBudget(configured.requests, configured.per.total_seconds())
        return self.budgets.setdefault(key, new)

    def _make_groups(self, places: dict[str, Place], found: list[Found]) -> None:
        scopes = dict.fromkeys(place.group for place in places.values() if place.group)
        self.groups = {scope: self.groups.get(scope) or self._group(scope) for scope in scopes}
        for scope, group in self.groups.items():
            group.unseen = {
                k: v for one in found if one.group == scope for k, v in one.unseen.items()
            }

    def _group(self, scope: str) -> GraphGroup:
        return GraphGroup(
            scope,
            self._graph_api,
            interval=self._config.refresh.interval,
            settings=self._settings,
            clock=self._clock,
        )

    def _replace_refreshers(self, places: dict[str, Place]) -> None:
        """Keep the refresher of each vault that is as it was; others begin with what is known."""
        old, known = self._places, self.refreshers
        kept = {k: one for k, one in known.items() if places.get(k) == old[k]}
        retired = {k: one.retire() for k, one in known.items() if k not in kept}
        appeared = [place.vault for k, place in places.items() if k not in known]
        states = self._recall(appeared) | retired
        vaults = [place.vault for place in places.values()]
        if self._publish is None:
            self._publish = self._store.show(vaults)
        else:
            self._store.arrange(vaults)
        made = {
            k: self._refresher(place, states[k], self._publish)
            for k, place in places.items()
            if k not in kept
        }
        self._places = places
        self.refreshers = {k: kept.get(k) or made[k] for k in places}
        for scope, group in self.groups.items():
            group.members = tuple(
                one for k, one in self.refreshers.items() if places[k].group == scope
            )
            if not group.ended_once:
                group.due = float("-inf")
        for key, queue in self.queues.items():
            sharing = [one for one in self.refreshers.values() if _shared_by(one.vault) == key]
            queue.members = tuple(sharing)
            self._gates[key].unread = {
                one.vault.id
                for one in sharing
                if not one.ended_once and not places[one.vault.id].group
            }
        for refresher in made.values():
            refresher.begin()

    def _refresher(
        self, place: Place, state: VaultState, publish: Callable[[VaultSnapshot], None]
    ) -> VaultRefresher:
        vault, shared_by = place.vault, _shared_by(place.vault)
        gate = self._gates[shared_by]
        lists: JobLists
        if place.group:
            lists = GraphLists(self.groups[place.group], vault.id)
        else:
            lists = ArmLists(
                vault, self._jobs_api, gate, settings=self._settings, clock=self._clock
            )
        return VaultRefresher(
            vault,
            lists=lists,
            api=self._jobs_api,
            gate=gate,
            settings=self._settings,
            keep_stale=self._config.refresh.keep_stale,
            clock=self._clock,
            publish=partial(self._published, publish),
            keep=self._keep,
            wanting=self.queues[shared_by].offer,
            detail_threads=self._detail_threads,
            want=self._want,
            state=state,
        )

    def _share(self, room: Room, members: list[VaultRefresher], places: dict[str, Place]) -> Share:
        now, hour = self._clock.monotonic(), hour_of(self._clock.now())
        read = [one.state for one in members if one.ended_once]
        unread = [one.vault.id for one in members if not one.ended_once]
        ended, waiting = Counter[int](), Counter[int]()
        unfilled = [state for state in read if not state.filled]
        for state in unfilled:
            ended.update(state.ended)
            waiting.update(state.waiting)
        # Hours without jobs that the estimate does not reach change nothing, and a window may be
        # centuries.
        oldest = hour - min([*ended, *waiting], default=hour)
        window_hours = max(24, math.ceil(self._settings.window / timedelta(hours=1)))
        hours = min(window_hours, oldest + 1 + LONGEST_HOURS)
        return Share(
            room=room,
            lists=sum(not places[vault_id].group for vault_id in unread if vault_id in places),
            unread=len(unread),
            read=len(read),
            unfilled=len(unfilled),
            # One that is being read has no next turn yet.
            next_list=min((state.due - now for state in read if state.due > now), default=0.0),
            ended=tuple(ended[hour - age] for age in range(hours)),
            waiting={max(0, hour - of): number for of, number in waiting.items()},
        )

    def _published(self, publish: Callable[[VaultSnapshot], None], snapshot: VaultSnapshot) -> None:
        publish(snapshot)
        self._changed()

    @property
    def _detail_threads(self) -> int:
        return max(1, self._config.azure.max_concurrency // 2)


def _shared_by(vault: Vault) -> SharedBy:
    return vault.subscription_id, vault.location
