"""The backupJobs API: what is asked for, and answers that are none."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from exporter.azure.backup_jobs import BackupJobsApi, Listing, detail_path, list_path
from exporter.azure.bearer import BearerAuth
from exporter.azure.budget import ReadBudget
from exporter.azure.gate import BudgetGate
from exporter.azure.session import ArmSession
from exporter.backup.details import Urgency, WantedDetail
from exporter.backup.history import Window
from exporter.clock import AzureClock
from exporter.errors import ArmError, ErrorKind, NotNowError
from exporter.metrics.selfmetrics import SelfMetrics
from tests.azure.sessions import BASE, LATER, FiveLineCredential
from tests.builders import a_job, a_vault

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

    def __init__(self, budget: int = 100) -> None:
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
        self.budget = ReadBudget(budget, 3600)
        self.gate = BudgetGate(
            self.budget,
            vaults=[a_vault()],
            interval=timedelta(minutes=5),
            clock=clock,
            metrics=self.metrics,
        )
        self.listing: Listing | None = None
        self._api = BackupJobsApi(session, "2024-10-01", self.metrics)

    def list_jobs(self) -> list[str]:
        self.listing = self.listing or self._api.listing(a_vault(), WINDOW)
        jobs = self._api.read_list(self.listing, self.gate, give_up_at=LATER)
        return [job.job_id for job in jobs]

    def detail(self, job_id: str) -> Any:
        wanted = WantedDetail(a_job(job_id), Urgency.NEWEST)
        self.gate.grant(Counter({Urgency.NEWEST: 1}), lists=0)
        return self._api.job_detail(a_vault(), wanted, self.gate, give_up_at=LATER)

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
    arm.get(link, json=a_body("two", "three", nextLink=None))

    assert api.list_jobs() == ["one", "two", "three"]
    assert arm.calls[1].request.url == link
    assert api.budget.remaining(AzureClock().monotonic()) == 98


def test_a_list_that_leads_in_a_circle_ends(arm: responses.RequestsMock, api: Api) -> None:
    arm.get(LIST, json=a_body("one", nextLink=f"{LIST}?page=2"))
    arm.get(f"{LIST}?page=2", json=a_body("two", nextLink=f"{LIST}?page=2"))

    with pytest.raises(ArmError, match="does not end") as caught:
        api.list_jobs()
    assert caught.value.kind is ErrorKind.PAYLOAD
    assert len(arm.calls) == 2


@pytest.mark.parametrize("body", [[], {"value": "none"}, "text", 5, False])
def test_json_that_is_no_list_is_a_payload_fault_and_counted(
    arm: responses.RequestsMock, api: Api, body: Any
) -> None:
    arm.get(LIST, json=body)

    with pytest.raises(ArmError) as caught:
        api.list_jobs()
    assert caught.value.kind is ErrorKind.PAYLOAD
    assert api.count("answer") == 1


def test_odd_fields_are_counted_by_name(arm: responses.RequestsMock, api: Api) -> None:
    arm.get(LIST, json={"value": [5, {"name": "one", "properties": {"duration": "soon"}}]})

    assert api.list_jobs() == ["one"]
    assert (api.count("job"), api.count("duration")) == (1, 1)


def test_the_detail_of_another_job_is_refused(arm: responses.RequestsMock, api: Api) -> None:
    arm.get(f"{LIST}/one", json={"name": "two", "properties": {}})

    with pytest.raises(ArmError, match="asked for job one, Azure sent two"):
        api.detail("one")


@pytest.mark.parametrize(("header", "remaining"), [("449", 449), ("17", 17), ("-1", 0), ("x", 99)])
def test_the_remaining_header_is_a_hint(
    arm: responses.RequestsMock, api: Api, header: str, remaining: int
) -> None:
    name = "x-ms-ratelimit-remaining-subscription-resource-requests"
    arm.get(LIST, json=a_body(), headers={name: header})

    api.list_jobs()

    assert api.budget.remaining(AzureClock().monotonic()) == remaining


def test_a_429_stops_reads_until_azure_allows_them(arm: responses.RequestsMock, api: Api) -> None:
    message = (
        "Number of requests for action 'Microsoft.RecoveryServices/vaults/backupJobs/read'"
        " exceeded the limit of '50' for time interval '00:30:00'."
        " Please try again after '324' seconds."
    )
    body = {"error": {"code": "ResourceRequestsThrottled", "message": message}}
    arm.get(LIST, status=429, json=body)

    with pytest.raises(ArmError, match="ResourceRequestsThrottled"):
        api.list_jobs()
    with pytest.raises(NotNowError):
        api.detail("one")
    with pytest.raises(NotNowError) as caught:
        api.list_jobs()

    assert len(arm.calls) == 1
    assert caught.value.available_at - AzureClock().monotonic() == pytest.approx(324, abs=5)
    assert (api.budget.limit, api.budget.per_seconds) == (50, 1800)


def test_a_list_longer_than_the_budget_is_read_on_where_it_stopped(
    arm: responses.RequestsMock,
) -> None:
    """Else a large vault would be begun again and again and never be read."""
    api = Api(budget=2)
    for page in range(4):
        link = {} if page == 3 else {"nextLink": f"{LIST}?page={page + 1}"}
        arm.get(f"{LIST}?page={page}" if page else LIST, json=a_body(f"j{page}", **link))

    with pytest.raises(NotNowError):
        api.list_jobs()
    api.budget.configure(4, 3600)

    assert api.list_jobs() == ["j0", "j1", "j2", "j3"]
    assert len(arm.calls) == 4
