"""Answers requests as Azure Resource Manager does: routes, sign-in, limit, faults."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode
from uuid import uuid4

from exporter.simulator import ticks
from exporter.simulator.answers import (
    Answer,
    Ending,
    gateway_error,
    json_answer,
    text_answer,
    to_json,
    with_array,
)
from exporter.simulator.arm_errors import (
    group_not_found,
    job_not_found,
    subscription_not_found,
    vault_not_found,
)
from exporter.simulator.faults import Circumstances
from exporter.simulator.filters import FilterError, parse_filter
from exporter.simulator.paging import Position, next_link, read_token, write_token
from exporter.simulator.readings import Readings
from exporter.simulator.recording import RecordedRequest
from exporter.simulator.routes import call_of
from exporter.simulator.vault_json import vault_document

if TYPE_CHECKING:
    from exporter.simulator.catalogue import Catalogue
    from exporter.simulator.clock import Clock
    from exporter.simulator.identity import Identity
    from exporter.simulator.injections import Injection
    from exporter.simulator.inventory import Vault
    from exporter.simulator.limits import ReadLimiter
    from exporter.simulator.recording import Request
    from exporter.simulator.resource_graph import ResourceGraph
    from exporter.simulator.routes import Call

_POSTS: Final = ("graph", "cross_region_job")
_READINGS: Final = ("operation", "backup_vault_job", "cross_region_job")
_API_VERSION: Final = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")


class ResourceManager:
    """Turns requests into answers. Not safe for threads: its owner locks.

    Attributes:
        base_url: Of this server, for links to next pages.
        injections: Faults in force; the first that fits is used.
        readings: What successive reads of single addresses find.
        recorded: Requests so far.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        clock: Clock,
        identity: Identity,
        limiter: ReadLimiter,
        graph: ResourceGraph,
        page_size: int,
        vaults_page_size: int,
        most_recorded: int,
    ) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._identity = identity
        self.limiter = limiter
        self.graph = graph
        self._page_size = page_size
        self._vaults_page_size = vaults_page_size
        self.recorded: deque[RecordedRequest] = deque(maxlen=most_recorded)
        self.base_url = ""
        self.injections: list[Injection] = []
        self.readings = Readings()

    def respond(self, request: Request) -> Answer:
        """Answer a request."""
        call = call_of(request)
        vault = self._catalogue.vault(call.parts.get("vault", ""))
        answer = self._spoilt(call, self._answer(call, vault))
        self.recorded.append(
            RecordedRequest(
                api=call.api,
                method=request.method,
                path=request.path,
                query=dict(request.query),
                status=0 if answer.ending in (Ending.SILENT, Ending.RESET) else answer.status,
                vault=vault.id if vault else "",
                job_id=call.parts.get("job", ""),
                at=self._clock(),
                body=request.body.decode(errors="replace"),
            )
        )
        request_id = str(uuid4())
        return answer.with_headers(
            {
                "Cache-Control": "no-cache",
                "X-Content-Type-Options": "nosniff",
                "x-ms-request-id": request_id,
                "x-ms-correlation-request-id": request_id,
            }
        )

    def _spoilt(self, call: Call, answer: Answer) -> Answer:
        about = call.parts.get("vault", "").lower(), call.parts.get("job", "").lower()
        for injection in self.injections:
            if injection.befalls(call.api, *about):
                path = quote(call.request.path, safe="/()")
                url = f"{self.base_url}{path}?{urlencode(call.request.query, quote_via=quote)}"
                circumstances = Circumstances(call.api, url, call.request.path, self._clock())
                return injection.use().spoil(answer, circumstances)
        return answer

    def _answer(self, call: Call, vault: Vault | None) -> Answer:
        if call.request.method != ("POST" if call.api in _POSTS else "GET"):
            return gateway_error(405, "MethodNotAllowed", "The simulator only reads.")
        if call.api == "token":
            return self._identity.issue(call.request.query, call.request.headers)
        refusal = self._identity.refusal(call.request.headers) or _bad_version(call)
        if refusal is not None:
            return refusal
        if call.api == "graph":
            return self.graph.answer(call.request.body, self._clock())
        if call.api in _READINGS:
            return self.readings.next(call.request.path) or _unknown_operation(call)
        return self._vaults(call) if call.api == "vaults" else self._about_vault(call, vault)

    def _about_vault(self, call: Call, vault: Vault | None) -> Answer:
        if call.api == "other":
            return gateway_error(404, "InvalidResourceType", "There is no such resource type.")
        if vault is None:
            return vault_not_found(call.parts["group"], call.parts["name"])
        if call.api == "vault":
            return json_answer(vault_document(vault, call.api_version))
        region = vault.subscription_id, vault.location
        answer = self.limiter.refusal(*region, self._clock())
        if answer is None:
            answer = self._jobs(call, vault) if call.api == "list" else self._job(call, vault)
        return answer.with_headers(self.limiter.headers(*region))

    def _vaults(self, call: Call) -> Answer:
        subscription, group = call.parts["subscription"], call.parts.get("group", "")
        if not self._catalogue.knows_subscription(subscription):
            return subscription_not_found(subscription)
        if group and not self._catalogue.knows_group(subscription, group):
            return group_not_found(group)
        after = _position(call)
        if isinstance(after, Answer):
            return after
        # Sorted, so that a vault that comes or goes between two pages shifts no other.
        vaults = {
            vault.id.lower(): vault
            for vault in self._catalogue.vaults
            if vault.subscription_id.lower() == subscription.lower()
            and group.lower() in ("", vault.resource_group.lower())
        }
        left = sorted(key for key in vaults if after is None or key > after.name)
        page = left[: self._vaults_page_size]
        documents = [to_json(vault_document(vaults[key], call.api_version)) for key in page]
        end = Position(0, page[-1]) if len(left) > len(page) else None
        return self._page(call, documents, end, parameter="$skiptoken")

    def _jobs(self, call: Call, vault: Vault) -> Answer:
        after = _position(call)
        if isinstance(after, Answer):
            return after
        try:
            criteria = parse_filter(call.query.get("$filter", ""))
        except FilterError as error:
            return gateway_error(400, "BMSUserErrorInvalidInput", str(error))
        jobs, end = self._catalogue.page(
            vault,
            criteria,
            after=after,
            size=self._page_size,
            now=ticks.from_datetime(self._clock()),
            api_version=call.api_version,
        )
        return self._page(call, jobs, end)

    def _job(self, call: Call, vault: Vault) -> Answer:
        recorded = self.readings.next(call.request.path)
        if recorded is not None:
            return recorded
        document = self._catalogue.detail(
            vault,
            call.parts["job"],
            now=ticks.from_datetime(self._clock()),
            api_version=call.api_version,
        )
        return job_not_found() if document is None else json_answer(document)

    def _page(
        self,
        call: Call,
        documents: list[str],
        end: Position | None,
        *,
        parameter: str = "$skipToken",
    ) -> Answer:
        """A page. The last one has no nextLink at all (F§3)."""
        links: dict[str, str] = {}
        if end is not None:
            query = {
                key: value
                for key, value in call.request.query.items()
                if key.lower() != "$skiptoken"
            }
            query[parameter] = write_token(end)
            links["nextLink"] = next_link(self.base_url, quote(call.request.path), query)
        return text_answer(with_array(links, "value", documents))


def _unknown_operation(call: Call) -> Answer:
    message = f"The operation '{call.parts.get('operation', '')}' was not found."
    return gateway_error(404, "ResourceNotFound", message)


def _bad_version(call: Call) -> Answer | None:
    if not call.api_version:
        return gateway_error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if _API_VERSION.fullmatch(call.api_version) is None:
        message = f"The api-version '{call.api_version}' is invalid."
        return gateway_error(400, "InvalidApiVersionParameter", message)
    return None


def _position(call: Call) -> Position | Answer | None:
    token = call.query.get("$skiptoken")
    if token is None:
        return None
    try:
        return read_token(token)
    except ValueError:
        return gateway_error(400, "InvalidSkipToken", "The $skipToken is invalid.")
