"""What is kept of finished jobs is never what they are not."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from exporter.simulator import demo_fleet, sized_fleet
from exporter.simulator.arm_json import detail_document
from exporter.simulator.fleet import Fleet
from exporter.simulator.job_texts import JobTexts
from exporter.simulator.outcomes import SNAPSHOT_FAILED
from exporter.simulator.ticks import from_datetime, from_timedelta

from .client import ANCHOR, API_VERSION

NOW = from_datetime(ANCHOR)


@pytest.mark.parametrize("most", [0, 3, 1000])
def test_a_text_is_the_job_however_many_are_kept(most: int) -> None:
    fleet, texts = demo_fleet(anchor=ANCHOR), JobTexts(most)

    for now in (NOW, NOW, NOW + from_timedelta(timedelta(minutes=30))):
        for vault in fleet.vaults:
            for job in fleet.jobs(vault, None, None, now):
                for api_version in (API_VERSION, "2016-12-01"):
                    expected = detail_document(job, now, api_version)
                    del expected["properties"]["extendedInfo"]
                    assert json.loads(texts.job(job, now, api_version)) == expected


def test_a_vault_put_anew_has_its_own_jobs() -> None:
    """Their names are those of the jobs before."""
    fleet, texts = sized_fleet(1, 1, anchor=ANCHOR), JobTexts()
    vault = fleet.vaults[0]
    item = vault.items[0]
    schedule = replace(item.schedules[0], outcomes=(SNAPSHOT_FAILED,))
    changed = replace(vault, items=(replace(item, schedules=(schedule,)),))

    def status(fleet: Fleet, of: int) -> tuple[str, str]:
        job = fleet.jobs((vault, changed)[of], None, None, NOW)[0]
        return job.name, json.loads(texts.properties(job, NOW, API_VERSION))["status"]

    names, statuses = zip(*(status(fleet, of) for of in (0, 1, 0)), strict=True)
    assert statuses == ("Completed", "Failed", "Completed")
    assert len(set(names)) == 1
