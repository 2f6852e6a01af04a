"""nextLink: full URL, opaque token, absent on the last page (F§3)."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator import ManualClock, Simulator, sized_fleet
from exporter.simulator.paging import Position, read_token, write_token

from .client import ANCHOR, Client, Job, names, values


@pytest.fixture
def simulator(clock: ManualClock) -> Iterator[Simulator]:
    fleet = sized_fleet(1, 23, anchor=ANCHOR)
    with Simulator(fleet=fleet, clock=clock, page_size=5) as simulator:
        yield simulator


def follow(client: Client, page: Job) -> list[list[Job]]:
    pages = [page["value"]]
    while "nextLink" in page:
        page = client.get(page["nextLink"]).json()
        pages.append(page["value"])
    return pages


def test_the_pages_are_the_list(client: Client) -> None:
    pages = follow(client, client.page().json())

    jobs = [job for page in pages for job in page]
    starts = [job["properties"]["startTime"] for job in jobs]
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
    assert len(set(names(jobs))) == 23
    assert starts == sorted(starts, reverse=True)


def test_a_full_last_page_has_no_next_link(client: Client) -> None:
    start = client.jobs()[-1]["properties"]["startTime"]

    page = client.page(job_filter=f"startTime eq '{start[:10]} 12:00:00 AM'").json()

    assert len(page["value"]) <= 5
    assert len(follow(client, page)[-1]) > 0


def test_the_filter_goes_on_through_the_pages(client: Client) -> None:
    pages = follow(client, client.page(job_filter="status eq 'Failed'").json())

    assert pages == [[]]
    link = client.page(job_filter="status eq 'Completed'").json()["nextLink"]
    assert "status%20eq%20%27Completed%27" in link


def test_a_token_must_be_used_as_it_came(simulator: Simulator, client: Client) -> None:
    """It holds characters that are escaped in the link; a client that unescapes it twice fails."""
    link = client.page().json()["nextLink"]

    assert link.startswith(f"{simulator.url}{simulator.vault_ids[0]}/backupJobs?")
    token = link.partition("%24skipToken=")[2]
    assert "%3D" in token
    assert unquote(token) not in link
    assert client.get(link.replace(token, "abc")).status_code == 400


def test_a_job_that_starts_meanwhile_shifts_nothing(client: Client, clock: ManualClock) -> None:
    page = client.page().json()
    clock.advance(timedelta(days=1))

    later = client.get(page["nextLink"])

    assert not set(names(values(later))) & set(names(page["value"]))
    assert (
        values(later)[0]["properties"]["startTime"] < page["value"][-1]["properties"]["startTime"]
    )


@given(st.integers(min_value=-(2**63), max_value=2**63), st.text(max_size=40))
def test_tokens_are_read_back(order: int, name: str) -> None:
    position = Position(order, name)

    assert read_token(write_token(position)) == position
    assert write_token(position).endswith("=")


@pytest.mark.parametrize("token", ["", "!", "e30=", "WzEsMl0=", "bm8="])
def test_foreign_tokens_are_refused(token: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_token(token)
