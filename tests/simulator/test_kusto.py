"""Which queries the simulator understands."""

import pytest

from exporter.simulator import ticks
from exporter.simulator.kusto import COLUMNS, JobQuery, QueryError, VaultQuery, parse_query

VAULTS = "Resources | where type =~ 'microsoft.recoveryservices/vaults'"
JOBS = (
    "RecoveryServicesResources | where type =~ 'microsoft.recoveryservices/vaults/backupjobs'"
    " | where todatetime(properties.startTime) >= datetime(2026-01-05T12:00:00Z)"
    " or todatetime(properties.endTime) >= datetime(2026-01-05T11:30:00.5Z)"
    " or properties.status in~ ('InProgress', 'Cancelling')"
)
ENDING = "| project id, name, type, location, properties | order by id asc"


def test_vaults() -> None:
    text = f"{VAULTS} | project id, name, tags, sku, properties | order by id asc"

    assert parse_query(text) == VaultQuery(columns=("id", "name", "tags", "sku", "properties"))


def test_jobs_that_started_or_ended_since_two_instants() -> None:
    assert parse_query(f"{JOBS}{ENDING}") == JobQuery(
        started=ticks.from_text("2026-01-05T12:00:00Z") or 0,
        ended=ticks.from_text("2026-01-05T11:30:00.5Z") or 0,
        columns=("id", "name", "type", "location", "properties"),
    )


@pytest.mark.parametrize("query", [VAULTS, JOBS])
def test_project_and_order_may_be_missing(query: str) -> None:
    assert parse_query(query).columns == COLUMNS
    assert parse_query(f"{query} | order by id asc").columns == COLUMNS
    assert parse_query(f"{query} | project type").columns == ("type",)


def test_white_space_and_the_case_of_keywords_do_not_matter() -> None:
    loose = JOBS.replace(" ", "\n\t ").replace("(", " ( ").replace("=~", " =~ ")
    tight = JOBS.replace(" | ", "|").replace(" >= ", ">=").replace("', '", "','")
    loud = (
        JOBS.replace("where", "WHERE").replace(" or ", " OR ").replace("todatetime", "ToDateTime")
    )

    assert {parse_query(text) for text in (loose, tight, loud)} == {parse_query(JOBS)}
    assert parse_query(VAULTS.upper()) == parse_query(VAULTS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Resources",
        "Resources | where type =~ 'microsoft.compute/disks'",
        f"{VAULTS} | limit 3",
        f"{VAULTS} | project id, size",
        f"{VAULTS} | project id, id",
        f"{VAULTS} | project name | order by id asc",
        f"{VAULTS} | order by id asc | project id",
        f"{VAULTS} | order by name asc",
        f"{VAULTS} | project id | order by id asc | limit 1",
        f"{VAULTS}; {VAULTS}",
        JOBS.replace("RecoveryServicesResources", "Resources"),
        JOBS.replace("properties.endTime", "properties.endtime"),
        JOBS.replace("2026-01-05T12:00:00Z", "2026-13-05T12:00:00Z"),
        JOBS.replace(" or properties.status in~ ('InProgress', 'Cancelling')", ""),
        JOBS.replace("'Cancelling'", "'Failed'"),
    ],
)
def test_all_else_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        parse_query(text)
