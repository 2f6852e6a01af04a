"""Azure Resource Graph: one query over all vaults of some scope (F§15)."""

from __future__ import annotations

import base64
import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zlib import crc32

from exporter.simulator import ticks
from exporter.simulator.answers import Answer, text_answer, with_array
from exporter.simulator.found_jobs import FoundJobs
from exporter.simulator.graph_errors import access_denied, bad_request, invalid_query
from exporter.simulator.graph_rows import JobTable, Row, vault_row
from exporter.simulator.kusto import JobQuery, QueryError, VaultQuery, parse_query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from exporter.simulator.arm_json import Document
    from exporter.simulator.catalogue import Catalogue
    from exporter.simulator.graph_quota import GraphQuota
    from exporter.simulator.inventory import Vault

_MOST_ROWS: Final = 1000
_UNCOUNTED: Final = -1
_MOST_SUBSCRIPTIONS: Final = 1000


class _Refused(Exception):  # noqa: N818 - the answer is the error
    """The request gets this answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


class _Progress(NamedTuple):
    """What a ``$skipToken`` holds: all that later pages need, so that nothing is kept.

    Attributes:
        instant: What all pages show, in ticks.
        last_id: Of the row that ended the page before.
        total: Rows on all pages.
        query: Tells whether it is still the same query.
    """

    instant: int
    last_id: str
    total: int
    query: int


class ResourceGraph:
    """Answers queries about the vaults and jobs as they were some time ago."""

    def __init__(self, catalogue: Catalogue, quota: GraphQuota, lag: int) -> None:
        self._catalogue = catalogue
        self.quota = quota
        self._lag = lag

    def answer(self, body: bytes, now: datetime) -> Answer:
        """Answer a request of this body."""
        answer = self.quota.refusal(now)
        if answer is None:
            try:
                answer = self._result(_document(body, now), now)
            except _Refused as refused:
                answer = refused.answer
        return answer.with_headers(self.quota.headers(now))

    def _result(self, request: Document, now: datetime) -> Answer:
        top, token = _options(request, now)
        text = str(request.get("query", ""))
        try:
            query = parse_query(text)
        except QueryError as error:
            raise _Refused(invalid_query(now, str(error))) from error
        scope = self._scope(request, now)
        fingerprint = crc32(f"{text}{sorted(scope) if scope else ''}".encode())
        if token is None:
            instant = ticks.from_datetime(now) - self._lag
            progress = _Progress(instant, "", _UNCOUNTED, fingerprint)
        else:
            progress = _read(token, fingerprint, now)
        vaults = [
            vault
            for vault in self._catalogue.vaults_at(progress.instant)
            if scope is None or vault.subscription_id.lower() in scope
        ]
        total, rows = self._rows(query, vaults, progress)
        page = list(islice(rows, top + 1))
        return text_answer(_page(page, top, progress._replace(total=total), query.columns))

    def _rows(
        self, query: VaultQuery | JobQuery, vaults: list[Vault], progress: _Progress
    ) -> tuple[int, Iterator[Row]]:
        """How many rows there are in all, and those after the last page, by id."""
        if isinstance(query, JobQuery):
            return self._jobs(query, vaults, progress)
        left = sorted(vault.id for vault in vaults if vault.id > progress.last_id)
        by_id = {vault.id: vault for vault in vaults}
        return len(vaults), (vault_row(by_id[key], query.columns) for key in left)

    def _jobs(
        self, query: JobQuery, vaults: list[Vault], progress: _Progress
    ) -> tuple[int, Iterator[Row]]:
        instant = progress.instant
        found = FoundJobs(self._catalogue.fleet, query, instant)
        tables = {
            # The slash, as ids of jobs have it behind that of their vault.
            f"{vault.id}/": JobTable(
                vault,
                found,
                self._catalogue.put_jobs_at(vault, instant),
                self._catalogue.texts,
                instant,
            )
            for vault in vaults
        }
        total = progress.total
        if total == _UNCOUNTED:
            counts = {key: table.count() for key, table in tables.items()}
            total = sum(counts.values())
            tables = {key: table for key, table in tables.items() if counts[key]}
        last_vault = f"{progress.last_id.rpartition('/backupJobs/')[0]}/"
        left = sorted(key for key in tables if key >= last_vault)
        rows = (row for key in left for row in tables[key].rows(query.columns, progress.last_id))
        return total, rows

    def _scope(self, request: Document, now: datetime) -> set[str] | None:
        """The subscriptions asked for; None for all."""
        subscriptions = _names(request, "subscriptions", now)
        groups = _names(request, "managementGroups", now)
        if subscriptions and groups:
            message = "Either subscriptions or managementGroups may be given, not both."
            raise _Refused(bad_request(now, "InvalidQueryScope", message))
        if len(subscriptions) > _MOST_SUBSCRIPTIONS:
            message = f"There may be {_MOST_SUBSCRIPTIONS} subscriptions at most."
            raise _Refused(bad_request(now, "TooManySubscriptions", message))
        if groups:
            return self._subscriptions_of(groups, now)
        if not subscriptions:
            return None
        # What the caller may not see is left out, unless nothing else was asked for.
        known = {name for name in subscriptions if self._catalogue.knows_subscription(name)}
        if not known:
            raise _Refused(access_denied(now))
        return known

    def _subscriptions_of(self, groups: list[str], now: datetime) -> set[str]:
        known = {
            name.lower(): members
            for name, members in self._catalogue.fleet.management_groups.items()
        }
        if not set(groups) <= set(known):
            raise _Refused(access_denied(now))
        return {member.lower() for group in groups for member in known[group]}


def _document(body: bytes, now: datetime) -> Document:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _Refused(bad_request(now, "InvalidRequestBody", "The body is not a JSON object."))
    return document


def _names(request: Document, key: str, now: datetime) -> list[str]:
    names = request.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _Refused(bad_request(now, "InvalidRequestBody", f"{key} is not a list of texts."))
    return [name.lower() for name in names]


def _options(request: Document, now: datetime) -> tuple[int, str | None]:
    """How many rows a page has, and the token."""
    options = request.get("options") or {}
    top = options.get("$top", _MOST_ROWS)
    token = options.get("$skipToken")
    if not isinstance(top, int) or not 1 <= top <= _MOST_ROWS:
        message = f"$top is not between 1 and {_MOST_ROWS}."
        raise _Refused(bad_request(now, "InvalidOptions", message))
    if options.get("resultFormat", "objectArray") != "objectArray" or options.get("$skip"):
        message = "The simulator has only the result format objectArray, and no $skip."
        raise _Refused(bad_request(now, "InvalidOptions", message))
    return top, token


def _page(rows: list[Row], top: int, progress: _Progress, columns: tuple[str, ...]) -> str:
    count = min(top, len(rows))
    cut = len(rows) > top
    # Without the id in the rows Azure cannot go on behind the last one.
    continued = cut and "id" in columns
    page: dict[str, Any] = {
        "totalRecords": progress.total,
        "count": count,
        "facets": [],
        "resultTruncated": "true" if cut and not continued else "false",
    }
    if continued:
        page["$skipToken"] = _write(progress._replace(last_id=rows[top - 1][0]))
    return with_array(page, "data", [text for _, text in rows[:top]])


def _write(progress: _Progress) -> str:
    return base64.b64encode(json.dumps(progress).encode()).decode()


def _read(token: object, fingerprint: int, now: datetime) -> _Progress:
    try:
        match json.loads(base64.b64decode(str(token), validate=True)):
            case [int(instant), str(last_id), int(total), int(query)] if query == fingerprint:
                return _Progress(instant, last_id, total, query)
    except ValueError:
        """It is no token of ours."""
    message = "The $skipToken is not one of this query."
    raise _Refused(bad_request(now, "InvalidSkipToken", message))
