"""A small Azure Resource Manager on loopback, with what tests and the demo steer it by."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Self

from exporter.simulator import identity, ticks
from exporter.simulator.catalogue import Catalogue
from exporter.simulator.clock import Clock, system_clock
from exporter.simulator.graph_quota import GRAPH_QUOTA, GraphQuota
from exporter.simulator.identity import Identity
from exporter.simulator.injections import Api, Injection
from exporter.simulator.limits import RateLimit, ReadLimiter
from exporter.simulator.resource_graph import ResourceGraph
from exporter.simulator.resource_manager import ResourceManager
from exporter.simulator.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from exporter.simulator.answers import Answer
    from exporter.simulator.faults import Fault
    from exporter.simulator.fleet import Fleet
    from exporter.simulator.inventory import Vault
    from exporter.simulator.recording import RecordedRequest, Request

_LOOPBACK: Final = "127.0.0.1"
_MOST_RECORDED: Final = 100_000


class Simulator:
    """Serves a fleet's vaults and jobs from construction on; use it as a context manager.

    Every method may be called from any thread while requests are answered.

    Args:
        fleet: What is protected.
        clock: The service's time; ``fleet`` has the schedules' own.
        rate_limit: On reads of jobs; None for no limit.
        page_size: Jobs in a page of a list.
        vaults_page_size: Vaults in one; Azure's pages have from 180 to 610 (F§3).
        graph_quota: On queries of Resource Graph; None for no limit.
        graph_lag: Resource Graph shows what was there so long ago.
        latency: Every answer comes this late.
        token_lifetime: Counted in the machine's time.
        host: Where it listens.
        port: 0 for any that is free.

    Raises:
        OSError: The address cannot be listened on.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        clock: Clock = system_clock,
        rate_limit: RateLimit | None = None,
        page_size: int = 400,
        vaults_page_size: int = 200,
        graph_quota: RateLimit | None = GRAPH_QUOTA,
        graph_lag: timedelta = timedelta(),
        latency: timedelta = timedelta(),
        token_lifetime: timedelta = timedelta(hours=24),
        host: str = _LOOPBACK,
        port: int = 0,
    ) -> None:
        self._lock = Lock()
        self._clock = clock
        self._latency = latency
        self._clock = clock
        self._identity = Identity(token_lifetime)
        lag = ticks.from_timedelta(graph_lag)
        self._catalogue = Catalogue(fleet, lag)
        self._manager = ResourceManager(
            catalogue=self._catalogue,
            clock=clock,
            identity=self._identity,
            limiter=ReadLimiter(rate_limit),
            graph=ResourceGraph(self._catalogue, GraphQuota(graph_quota), lag),
            page_size=page_size,
            vaults_page_size=vaults_page_size,
            most_recorded=_MOST_RECORDED,
        )
        self._server = Server(self._respond, host, port)
        address, chosen_port = self._server.address
        self.url = f"http://{address}:{chosen_port}"
        self._manager.base_url = self.url
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close all connections; also a second time."""
        if not self._stopped:
            self._stopped = True
            self._server.stop()

    @property
    def identity_environ(self) -> dict[str, str]:
        """The environment in which a managed identity gets its tokens here."""
        return {
            "IDENTITY_ENDPOINT": f"{self.url}{identity.PATH}",
            "IDENTITY_HEADER": self._identity.header,
        }

    @property
    def vault_ids(self) -> list[str]:
        """Of all vaults, in the fleet's order."""
        with self._lock:
            return [vault.id for vault in self._catalogue.vaults]

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last 100,000 requests, oldest first."""
        with self._lock:
            return list(self._manager.recorded)

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self._manager.recorded.clear()

    @property
    def stalled(self) -> int:
        """How many clients a Stall keeps waiting now."""
        return self._server.held

    @property
    def rate_limit(self) -> RateLimit | None:
        """The limit in force. A new one starts with fresh counters."""
        return self._manager.limiter.limit

    @rate_limit.setter
    def rate_limit(self, limit: RateLimit | None) -> None:
        with self._lock:
            self._manager.limiter = ReadLimiter(limit)

    @property
    def graph_quota(self) -> RateLimit | None:
        """The quota of Resource Graph in force. A new one starts with a fresh counter."""
        return self._manager.graph.quota.limit

    @graph_quota.setter
    def graph_quota(self, quota: RateLimit | None) -> None:
        with self._lock:
            self._manager.graph.quota = GraphQuota(quota)

    def inject(
        self,
        fault: Fault,
        *,
        api: Api | None = None,
        vault_id: str | None = None,
        job_id: str | None = None,
        times: int | None = None,
    ) -> Injection:
        """Let a fault happen to requests; of several that fit, the first injected happens.

        Args:
            fault: What goes wrong.
            api: Only to these; None means to all but ``token``.
            vault_id: Only to requests about this vault.
            job_id: Only to requests for this job's detail.
            times: To so many requests; None until cleared.

        Returns:
            The injection; it counts its hits and can be cleared.
        """
        injection = Injection(
            fault=fault,
            api=api,
            vault_id=vault_id.lower() if vault_id else None,
            job_id=job_id.lower() if job_id else None,
            times=times,
        )
        with self._lock:
            self._manager.injections.append(injection)
        return injection

    def clear_faults(self) -> None:
        """Let no injected fault happen any more."""
        with self._lock:
            self._manager.injections.clear()

    def put_vault(self, vault: Vault) -> None:
        """Let a vault appear with its jobs, or change.

        It replaces the vault of that id. Its subscription need not have had vaults before, and is
        in those management groups that the fleet puts it in.
        """
        with self._lock:
            self._catalogue.put_vault(vault, self._now())

    def remove_vault(self, vault_id: str) -> None:
        """Let a vault go away with its jobs; its subscription and resource group stay.

        Raises:
            KeyError: There is no such vault.
        """
        with self._lock:
            self._catalogue.remove_vault(vault_id, self._now())

    def put_job(self, vault_id: str, payload: Mapping[str, Any]) -> None:
        """Serve a job object in its detail form as it is; lists leave its extendedInfo out.

        It replaces the job of that ``name``. A vault that the fleet lacks is created.
        """
        with self._lock:
            self._catalogue.put_job(vault_id, payload, self._now())

    def remove_job(self, vault_id: str, name: str) -> None:
        """Take a put job out again.

        Raises:
            KeyError: No such job was put.
        """
        with self._lock:
            self._catalogue.remove_job(vault_id, name, self._now())

    def put_readings(
        self, path: str, bodies: Iterable[Any], *, headers: Mapping[str, str] | None = None
    ) -> None:
        """Let reads of an operation or a job find these bodies one after the other; the last stays.

        Args:
            path: Of the operation or job, decoded.
            bodies: None or ``{}`` is a 202.
            headers: Of each answer, e.g. ``Retry-After``.
        """
        with self._lock:
            self._manager.readings.put(path, bodies, headers or {})

    def _now(self) -> int:
        return ticks.from_datetime(self._clock())

    def _respond(self, request: Request) -> Answer:
        with self._lock:
            answer = self._manager.respond(request)
            now = format_datetime(self._clock(), usegmt=True)
        answer = answer.with_headers({"Date": now})
        return replace(answer, delay=answer.delay + self._latency)
