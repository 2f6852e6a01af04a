"""The backupJobs API: what is asked for, and answers that are none."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from exporter.azure.backup_jobs import (
    BackupJobsApi,
    JobListPage,
    detail_path,
    list_path,
    running_path,
)
from exporter.azure.bearer import BearerAuth
from exporter.azure.session import ArmSession
from exporter.backup.history import Window
from exporter.clock import AzureClock
from exporter.errors import ArmError, ErrorKind
from exporter.metrics.selfmetrics import SelfMetrics
from tests.azure.sessions import BASE, LATER, FiveLineCredential
from tests.builders import a_vault

if TYPE_CHECKING:
    from collections.abc import Iterator

WINDOW = Window(
    start=datetime(2026, 3, 9, 0, 0, 59, 999999, tzinfo=UTC),
    end=datetime(2026, 3, 10, 14, 5, tzinfo=UTC),
    full=True,
)
LIST = f"{BASE}{a_vault().path}/backupJobs"


class Api:
    """The API over a mocked Resource Manager."""

    def __init__(self) -> None:
        self.metrics = SelfMetrics()
        clock = AzureClock()
        session = ArmSession(
            base_url=BASE,
            auth=BearerAuth(FiveLineCredential(), "scope", timeout=timedelta(seconds=5)),
            timeout=timedelta(seconds=5),
            max_concurrency=2,
            clock=clock,
            metrics=self.metrics,
            stop=threading.Event(),
            backoff_seconds=0.001,
        )
        self._api = BackupJobsApi(session, "2024-10-01", self.metrics)

    def page(self) -> JobListPage:
        return self._api.page(self._api.list_url(a_vault(), WINDOW), give_up_at=LATER)

    def detail(self, job_id: str) -> Any:
        return self._api.detail(a_vault(), job_id, give_up_at=LATER)

    def count(self, field: str, api: str = "backup_jobs_list") -> float | None:
        name = "azure_backup_exporter_payload_errors_total"
        return self.metrics.registry.get_sample_value(name, {"api": api, "field": field})


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture(autouse=True)
def arm() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def a_body(*names: str, **extra: Any) -> dict[str, Any]:
    return {"value": [{"name": name, "properties": {}} for name in names], **extra}


def test_the_filter_has_both_ends_in_azures_own_form() -> None:
    """12-hour clock, UTC, quoted (FACTS 3)."""
    url = urlsplit(list_path(a_vault(), WINDOW, "2024-10-01"))

    assert url.path == f"{a_vault().path}/backupJobs"
    assert parse_qs(url.query) == {
        "api-version": ["2024-10-01"],
        "$filter": [
            "startTime eq '2026-03-09 12:00:59 AM' and endTime eq '2026-03-10 02:05:00 PM'"
        ],
    }


def test_names_are_quoted_in_paths() -> None:
    path = detail_path(a_vault(resource_group="rg ü(1)"), "a/b?c", "2024-10-01")

    assert "/resourceGroups/rg%20%C3%BC(1)/" in path
    assert path.endswith("/backupJobs/a%2Fb%3Fc?api-version=2024-10-01")


def test_next_links_are_followed_as_they_are(arm: responses.RequestsMock, api: Api) -> None:
    """Their tokens hold percent-encoded XML (FACTS 3)."""
    link = f"{LIST}?api-version=2017-07-01&%24skiptoken=%3C%3Fxml+version%3D%221.0%22%3F%3E%0D%0A"
    arm.get(LIST, json=a_body("one", nextLink=link))

    page = api.page()

    assert [job.job_id for job in page.jobs] == ["one"]
    assert page.next_url == link


def test_running_jobs_are_asked_for_without_an_interval() -> None:
    """However long they have run (FACTS 3)."""
    url = urlsplit(running_path(a_vault(), "2024-10-01"))

    assert parse_qs(url.query)["$filter"] == ["status eq 'InProgress'"]


@pytest.mark.parametrize("body", [[], {"value": "none"}, "text", 5, False])
def test_json_that_is_no_list_is_a_payload_fault_and_counted(
    arm: responses.RequestsMock, api: Api, body: Any
) -> None:
    arm.get(LIST, json=body)

    with pytest.raises(ArmError) as caught:
        api.page()
    assert caught.value.kind is ErrorKind.PAYLOAD
    assert api.count("answer") == 1


def test_odd_fields_are_counted_by_name(arm: responses.RequestsMock, api: Api) -> None:
    arm.get(LIST, json={"value": [5, {"name": "one", "properties": {"duration": "soon"}}]})

    assert [job.job_id for job in api.page().jobs] == ["one"]
    assert (api.count("job"), api.count("duration")) == (1, 1)


def test_the_detail_of_another_job_is_refused(arm: responses.RequestsMock, api: Api) -> None:
    arm.get(f"{LIST}/one", json={"name": "two", "properties": {}})

    with pytest.raises(ArmError, match="asked for job one, Azure sent two"):
        api.detail("one")


@pytest.mark.parametrize(
    ("header", "remaining"), [("449", 449), ("17", 17), ("-1", -1), ("x", None), ("1e3", None)]
)
def test_the_remaining_header_is_told(
    arm: responses.RequestsMock, api: Api, header: str, remaining: int | None
) -> None:
    name = "x-ms-ratelimit-remaining-subscription-resource-requests"
    arm.get(LIST, json=a_body(), headers={name: header})

    assert api.page().remaining == remaining


def test_each_read_is_one_request(arm: responses.RequestsMock, api: Api) -> None:
    """Who decides when it is made again is the scheduler: each spends of the budget."""
    arm.get(LIST, status=503)

    with pytest.raises(ArmError) as caught:
        api.page()

    assert caught.value.retryable
    assert len(arm.calls) == 1
