"""Finding vaults: all of a subscription or management group, again and again."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from exporter.errors import ArmError
from exporter.refresh.advice import DISCOVERY_ADVICE, advice_on
from exporter.refresh.fetch import Again, Applied, Fetch, FetchId
from exporter.refresh.records import SearchRecord, turn_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.azure.resource_graph import ResourceGraphApi
    from exporter.azure.vaults import VaultsApi
    from exporter.backup.model import Vault
    from exporter.config.estate import DiscoveryEntry
    from exporter.refresh.fetch import Answer, Records, Request
    from exporter.refresh.records import Moment, Record

log = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 120.0

_MOST_ASKED: Final = 20
"""Of many vaults that are missing at once, so many are asked for each time; the others stay."""

_MISSED_ENOUGH: Final = 3
"""A vault that exists but was not found so often has left the scope, or the filter's reach."""


class _Ask(NamedTuple):
    """What a search needs to know.

    Attributes:
        entry: Where to look.
        known: All that was found before, by id.
        wanted: Ids of those that are read.
        missed: By id, how often in a row it was not found.
    """

    entry: DiscoveryEntry
    known: Mapping[str, Vault]
    wanted: frozenset[str]
    missed: Mapping[str, int]


class _Found(NamedTuple):
    """What a search has found; the attributes are those of ``SearchRecord``."""

    found: Mapping[str, Vault]
    unseen: Mapping[str, ArmError]
    missed: Mapping[str, int]


class VaultSearches:
    """Searches for vaults.

    What was found stays until Azure says that it is gone: a search that fails, or finds nothing
    because a right was taken away, must not look like an estate without vaults.

    Args:
        vaults_api: Finds the vaults of a subscription, and says whether one exists.
        graph_api: Finds those of anything.
        tags: Which tags of vaults are shown.
        interval: Between two searches, in seconds.
    """

    name = "vaults"
    background = False

    def __init__(
        self,
        vaults_api: VaultsApi,
        graph_api: ResourceGraphApi,
        tags: Iterable[str],
        *,
        interval: float,
    ) -> None:
        self._vaults_api = vaults_api
        self._graph_api = graph_api
        self._tags = tuple(tags)
        self.interval = interval
        self.patience = min(_PATIENCE_SECONDS, interval)

    def wanted(self, subject: str, record: Record) -> Iterable[Fetch]:
        """The next search. It may go on for minutes, and many may hang at once."""
        if isinstance(record, SearchRecord):
            due = turn_of(record, self.name).due
            yield Fetch(0, due, FetchId(self.name, subject), suspect=True)

    def ask(self, fetch: Fetch, records: Records, now: Moment) -> _Ask:
        """What was known before."""
        del now
        record = cast("SearchRecord", records[fetch.id.subject])
        wanted = frozenset(vault.id for vault in record.vaults or ())
        return _Ask(record.entry, record.found or {}, wanted, record.missed)

    def send(self, request: Request) -> _Found:
        """Look once, and ask for vaults that are wanted and missing.

        Raises:
            ArmError: A page could not be read: then nothing is known of any.
        """
        ask: _Ask = request.ask
        found = self._find(ask, request.give_up_at)
        missing = [vault for k, vault in ask.known.items() if k not in found]
        missed = {vault.id: ask.missed.get(vault.id, 0) + 1 for vault in missing}
        unseen: dict[str, ArmError] = {}
        fault: ArmError | None = None
        for number, vault in enumerate(vault for vault in missing if vault.id in ask.wanted):
            if number < _MOST_ASKED:
                try:
                    exists = self._vaults_api.exists(vault, give_up_at=request.give_up_at)
                    stays, fault = exists and missed[vault.id] < _MISSED_ENOUGH, None
                except ArmError as error:
                    stays, fault = True, error
                if not stays:
                    continue
            # One that is not asked is taken to be like the last one that was.
            found[vault.id] = vault
            if fault:
                unseen[vault.id] = fault
        return _Found(found, unseen, missed)

    def apply(self, answer: Answer, records: Records, now: Moment) -> Applied:
        """Take in what was found, or that nothing could be."""
        subject = answer.request.fetch.id.subject
        record = records.get(subject)
        if not isinstance(record, SearchRecord):
            return Applied()
        if answer.fault:
            return self._failed(subject, record, answer.fault)
        found: _Found = answer.value
        vaults = selected(record.entry, found.found, self._tags)
        _log(record, subject, vaults)
        changed = vaults != record.vaults or found.unseen.keys() != record.unseen.keys()
        new = replace(
            record,
            found=found.found,
            vaults=vaults,
            unseen=found.unseen,
            missed=found.missed,
            found_at=now.wall,
            failure=None,
        )
        return Applied({subject: new}, Again(), rearrange=changed)

    def _find(self, ask: _Ask, give_up_at: float) -> dict[str, Vault]:
        """All vaults of the scope, by id, in the spelling in which they were found first."""
        scope = ask.entry.scope
        # Resource Manager lists vaults by subscription only.
        by_graph = ask.entry.source == "resource_graph" or ask.entry.management_group is not None
        api = self._graph_api if by_graph else self._vaults_api
        found = {vault.id: vault for vault in api.vaults(scope, give_up_at=give_up_at)}
        for vault_id, known in ask.known.items():
            if vault_id in found:
                found[vault_id] = replace(
                    found[vault_id], resource_group=known.resource_group, name=known.name
                )
        return found

    def _failed(self, subject: str, record: SearchRecord, fault: ArmError) -> Applied:
        if record.failure is None or record.failure.kind is not fault.kind:
            log.warning(
                "%s failed; the vaults known so far stay: %s",
                subject,
                reason(record.entry, fault),
                extra={"kind": fault.kind.value, **fault.ids},
            )
        asked = fault.retry_after.total_seconds() if fault.retry_after else 0.0
        rest = min(self.interval, max(_RETRY_SECONDS, asked))
        failed = replace(record, failure=fault)
        return Applied({subject: failed}, Again(rest, failed=True))


def selected(
    entry: DiscoveryEntry, found: Mapping[str, Vault], tags: Iterable[str]
) -> tuple[Vault, ...]:
    """Those that an entry wants, in the order of their ids."""
    return tuple(entry.selection(tags).of(vault for _, vault in sorted(found.items())))


def reason(entry: DiscoveryEntry, fault: ArmError) -> str:
    """Why a search failed, and what to do, for people."""
    return f"{fault}. What to do: {advice_on(fault, entry.scope, DISCOVERY_ADVICE)}."


def _log(record: SearchRecord, subject: str, vaults: tuple[Vault, ...]) -> None:
    if record.failure:
        log.info("%s works again", subject)
    now = {vault.id for vault in vaults}
    if record.vaults is None:
        log.info("%s found %d vaults", subject, len(now))
        return
    before = {vault.id for vault in record.vaults}
    for vault_id in sorted(now - before):
        log.info("vault found", extra={"vault_id": vault_id})
    for vault_id in sorted(before - now):
        log.info("vault is gone, or not wanted any more", extra={"vault_id": vault_id})
