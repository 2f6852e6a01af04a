"""One cheap call for each thing that is read: which one works, and what stops the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.azure.backup_jobs import list_path
from exporter.azure.resource_graph import ResourceGraphApi
from exporter.azure.vaults import VaultsApi
from exporter.azure.verdicts import Identity, Verdict, fix, identity_of, judge
from exporter.backup.history import Window
from exporter.errors import ArmError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from exporter.azure.session import ArmSession
    from exporter.backup.model import Vault
    from exporter.clock import Clock
    from exporter.config import Config
    from exporter.config.estate import DiscoveryEntry
    from exporter.metrics.selfmetrics import SelfMetrics

SIGN_IN: Final = "sign-in"

_JOBS: Final = "Microsoft.RecoveryServices/vaults/backupJobs/read"
_VAULTS: Final = "Microsoft.RecoveryServices/vaults/read"
_WINDOW: Final = timedelta(minutes=1)
_ATTEMPTS: Final = 2
_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One call.

    Attributes:
        call: ``sign-in``, ``job list``, ``vault list`` or ``Resource Graph``.
        scope: ARM path; for the sign-in what the token is for.
        verdict: How it ended.
        note: What it found, or Azure's words.
        for_support: Ids of a request that failed; empty where there are none.
        fix: What to do; more than one line where a command is to be copied.
        seconds: How long it took, with attempts that failed; 0 when not asked.
    """

    call: str
    scope: str
    verdict: Verdict
    note: str = ""
    for_support: str = ""
    fix: str = ""
    seconds: float = 0.0


class AccessChecks:
    """Makes the calls, one after the other.

    Args:
        config: What is to be read.
        session: With Resource Manager.
        clock: What time it is.
        metrics: Counts the calls.
        stop: Ends waiting.
        most: Vaults of one discovery entry that are asked; None for all.
    """

    def __init__(
        self,
        config: Config,
        session: ArmSession,
        *,
        clock: Clock,
        metrics: SelfMetrics,
        stop: threading.Event,
        most: int | None,
    ) -> None:
        versions = config.azure.api_versions
        self._config = config
        self._session = session
        self._clock = clock
        self._most = most
        self._jobs_version = versions.backup_jobs
        self._vaults_api = VaultsApi(session, versions.vaults, metrics)
        self._graph_api = ResourceGraphApi(
            session, versions.resource_graph, metrics, clock=clock, stop=stop
        )
        self._hurdle: Verdict | None = None
        self._asked: set[str] = set()
        self.identity = Identity()

    def run(self) -> Iterator[Check]:
        """Each call as it ends. Behind a hurdle that all would meet, the rest is not asked."""
        yield self._sign_in()
        for entry in self._config.vaults:
            yield self._vault(entry.vault())
        for search in self._config.discovery:
            check, found = self._search(search)
            yield check
            for vault in found[: self._most]:
                if vault.id not in self._asked:
                    yield self._vault(vault)

    def _sign_in(self) -> Check:
        def call() -> str:
            self.identity = identity_of(self._session.sign_in())
            return ""

        check = self._call(SIGN_IN, self._session.base_url, "", call)
        if check.verdict is not Verdict.WORKS:
            self._hurdle = check.verdict
        return check

    def _vault(self, vault: Vault) -> Check:
        self._asked.add(vault.id)
        now = self._clock.now()
        url = list_path(vault, Window(start=now - _WINDOW, end=now, full=False), self._jobs_version)

        def call() -> str:
            self._session.read(url, api="access", give_up_at=self._give_up_at, attempts=_ATTEMPTS)
            return ""

        return self._call("job list", vault.path, _JOBS, call)

    def _search(self, entry: DiscoveryEntry) -> tuple[Check, list[Vault]]:
        by_graph = entry.source == "resource_graph" or entry.management_group is not None
        found: list[Vault] = []

        def call() -> str:
            api = self._graph_api if by_graph else self._vaults_api
            everything = api.vaults(entry.scope, give_up_at=self._give_up_at)
            found.extend(entry.selection(()).of(everything))
            chosen = f"{len(found)} of {len(everything)} vault(s) chosen"
            skipped = len(found) - (self._most or len(found))
            return f"{chosen}, {skipped} of them not asked" if skipped > 0 else chosen

        name = "Resource Graph" if by_graph else "vault list"
        check = self._call(name, entry.scope, _VAULTS, call)
        if check.verdict is Verdict.WORKS and check.note.startswith("0 of 0 "):
            nothing = Verdict.NOTHING_FOUND
            advice = fix(nothing, "", scope=entry.scope, action=_VAULTS, who=self.identity)
            check = replace(check, verdict=nothing, note="", fix=advice)
        return check, found

    def _call(self, name: str, scope: str, action: str, call: Callable[[], str]) -> Check:
        if self._hurdle is not None:
            note = f"because of the {self._hurdle.value} above"
            return Check(call=name, scope=scope, verdict=Verdict.NOT_ASKED, note=note)
        verdict, advice, ids, started = Verdict.WORKS, "", "", self._clock.monotonic()
        try:
            note = call()
        except ArmError as error:
            verdict, note, ids = judge(error), str(error), error.for_support
            if verdict is Verdict.NETWORK:
                self._hurdle = verdict
            advice = fix(verdict, note, scope=scope, action=action, who=self.identity)
        return Check(
            call=name,
            scope=scope,
            verdict=verdict,
            note=note,
            for_support=ids,
            fix=advice,
            seconds=self._clock.monotonic() - started,
        )

    @property
    def _give_up_at(self) -> float:
        return self._clock.monotonic() + _PATIENCE_SECONDS
