"""Finding vaults: all of a subscription or management group, again and again."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from exporter.errors import ArmError, ErrorKind, NotNowError
from exporter.metrics.snapshot import SearchSnapshot
from exporter.refresh.advice import DISCOVERY_ADVICE, advice_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from exporter.azure.resource_graph import ResourceGraphApi
    from exporter.azure.vaults import VaultsApi
    from exporter.backup.model import Vault
    from exporter.backup.vaults import Selection
    from exporter.clock import Clock
    from exporter.config.estate import DiscoveryEntry
    from exporter.metrics.selfmetrics import SelfMetrics

log = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 120.0

_MOST_ASKED: Final = 20
"""Of many vaults that are missing at once, so many are asked for each time; the others stay."""

_MISSED_ENOUGH: Final = 3
"""A vault that exists but was not found so often has left the scope, or the filter's reach."""


class Discovery:
    """The vaults of one discovery entry.

    What was found stays until Azure says that it is gone: a search that fails, or finds nothing
    because a right was taken away, must not look like an estate without vaults.

    Args:
        entry: Where to look.
        selection: Which of those found are wanted.
        vaults_api: Finds the vaults of a subscription, and says whether one exists.
        graph_api: Finds those of anything.
        interval: Between two searches.
        clock: What time it is.
        metrics: Shows freshness, number and errors.
        changed: Called when the vaults are others than before.
        known: A predecessor that has found vaults there; None if none has yet.

    Attributes:
        entry: Where it looks.
        found: All vaults there, by id; None before the first search that worked.
        vaults: Those that are wanted, in the order of their ids; None likewise.
        unseen: Of those, by id, the ones that the newest search did not find and that cannot be
            asked either, and why.
        due: Monotonic time of the next search.
        name: For the log.
        ended_once: Whether a search has ended, well or badly.
        suspect: Always: a search may go on for minutes, and many of them hang at once.
    """

    suspect = True

    def __init__(
        self,
        entry: DiscoveryEntry,
        *,
        selection: Selection,
        vaults_api: VaultsApi,
        graph_api: ResourceGraphApi,
        interval: timedelta,
        clock: Clock,
        metrics: SelfMetrics,
        changed: Callable[[], None],
        known: Discovery | None,
    ) -> None:
        self.entry = entry
        self.name = f"discovery of {entry.scope}"
        self.due = float("-inf")
        self.ended_once = False
        self.found: dict[str, Vault] | None = known.found if known else None
        self.vaults = None if self.found is None else selection.of(self.found.values())
        self.unseen: dict[str, ArmError] = known.unseen if known else {}
        self._selection = selection
        self._vaults_api = vaults_api
        self._graph_api = graph_api
        self._interval = interval.total_seconds()
        self._clock = clock
        self._metrics = metrics
        self._changed = changed
        self._failure: ArmError | None = None
        self._found_at: datetime | None = None
        self._missed: Counter[str] = Counter()
        for kind in ErrorKind:
            metrics.discovery_errors.labels(*self._labels, kind.value)

    def refresh(self) -> None:
        """Look once.

        Raises:
            NotNowError: The exporter stops.
        """
        give_up_at = self._clock.monotonic() + min(_PATIENCE_SECONDS, self._interval)
        try:
            found = self._find(give_up_at)
        except NotNowError:
            raise
        except ArmError as error:
            self._failed(error)
        else:
            self._take(found, give_up_at)
        self.ended_once = True

    def next_turn(self, started: float) -> float:
        """Monotonic time of the search after one that began at ``started``."""
        if self._failure is None:
            return started + self._interval
        asked = self._failure.retry_after
        rest = max(_RETRY_SECONDS, asked.total_seconds() if asked else 0)
        return started + min(self._interval, rest)

    def stale_at(self) -> float:
        """Long past: nothing of a search goes off the page."""
        return float("-inf")

    def broke(self, error: Exception) -> None:
        """Take in that a search ended by an error of our own."""
        self._failed(ArmError(ErrorKind.PAYLOAD, f"{type(error).__name__}: {error}"))
        self.ended_once = True

    def not_read(self) -> None:
        """Nothing to say: a search needs no read budget."""

    @property
    def failed(self) -> bool:
        """Whether the last search failed."""
        return self._failure is not None

    @property
    def search(self) -> SearchSnapshot:
        """How it stands, for people."""
        return SearchSnapshot(
            scope=self.entry.scope,
            source=self.entry.source,
            up=not self.failed if self.ended_once else None,
            found_at=self._found_at,
            vaults=None if self.vaults is None else len(self.vaults),
            failure=self._reason(self._failure) if self._failure else None,
            for_support=self._failure.for_support if self._failure else "",
        )

    @property
    def group(self) -> str:
        """The scope whose query brings its vaults' jobs; empty where each vault is asked itself."""
        return self.entry.scope if self.entry.source == "resource_graph" else ""

    @property
    def _labels(self) -> tuple[str, str]:
        return self.entry.scope, self.entry.source

    def _find(self, give_up_at: float) -> dict[str, Vault]:
        """All vaults of the scope, by id, in the spelling in which they were found first."""
        scope = self.entry.scope
        # Resource Manager lists vaults by subscription only.
        by_graph = self.entry.source == "resource_graph" or self.entry.management_group is not None
        api = self._graph_api if by_graph else self._vaults_api
        found = {vault.id: vault for vault in api.vaults(scope, give_up_at=give_up_at)}
        for vault_id, known in (self.found or {}).items():
            if vault_id in found:
                found[vault_id] = replace(
                    found[vault_id], resource_group=known.resource_group, name=known.name
                )
        return found

    def _take(self, found: dict[str, Vault], give_up_at: float) -> None:
        wanted = {vault.id for vault in self.vaults or ()}
        missing = [vault for k, vault in (self.found or {}).items() if k not in found]
        self._missed = Counter({vault.id: self._missed[vault.id] + 1 for vault in missing})
        unseen: dict[str, ArmError] = {}
        fault: ArmError | None = None
        for number, vault in enumerate(vault for vault in missing if vault.id in wanted):
            if number < _MOST_ASKED:
                try:
                    stays, fault = self._stays(vault, give_up_at), None
                except ArmError as error:
                    stays, fault = True, error
                if not stays:
                    continue
            # One that is not asked is taken to be like the last one that was.
            found[vault.id] = vault
            if fault:
                unseen[vault.id] = fault
        vaults = self._selection.of(vault for _, vault in sorted(found.items()))
        self._log(wanted, {vault.id for vault in vaults})
        self._failure = None
        self._found_at = self._clock.now()
        self._metrics.discovery_up.labels(*self._labels).set(1)
        self._metrics.discovery_found_at.labels(*self._labels).set(self._found_at.timestamp())
        self._metrics.discovery_vaults.labels(*self._labels).set(len(vaults))
        changed = vaults != self.vaults or unseen.keys() != self.unseen.keys()
        self.found, self.vaults, self.unseen = found, vaults, unseen
        if changed:
            self._changed()

    def _stays(self, vault: Vault, give_up_at: float) -> bool:
        """Whether a vault that was not found this time is still to be read.

        Raises:
            ArmError: Azure does not say whether it exists.
        """
        exists = self._vaults_api.exists(vault, give_up_at=give_up_at)
        return exists and self._missed[vault.id] < _MISSED_ENOUGH

    def _log(self, before: set[str], now: set[str]) -> None:
        if self._failure:
            log.info("%s works again", self.name)
        if self.vaults is None:
            log.info("%s found %d vaults", self.name, len(now))
            return
        for vault_id in sorted(now - before):
            log.info("vault found", extra={"vault_id": vault_id})
        for vault_id in sorted(before - now):
            log.info("vault is gone, or not wanted any more", extra={"vault_id": vault_id})

    def _reason(self, error: ArmError) -> str:
        advice = advice_on(error, self.entry.scope, DISCOVERY_ADVICE)
        return f"{error}. What to do: {advice}."

    def _failed(self, error: ArmError) -> None:
        self._metrics.discovery_up.labels(*self._labels).set(0)
        self._metrics.discovery_errors.labels(*self._labels, error.kind.value).inc()
        if self._failure is None or self._failure.kind is not error.kind:
            log.warning(
                "%s failed; the vaults known so far stay: %s",
                self.name,
                self._reason(error),
                extra={"kind": error.kind.value, **error.ids},
            )
        self._failure = error
