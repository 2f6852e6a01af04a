"""Four exporters that split the vaults between them, and one Prometheus that joins them."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from exporter.simulator import Simulator, sized_fleet
from tests.processes import wait_for
from tests.stack.programs import Prometheus, scraping, serving, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.stack

SHARDS: Final = 4
VAULTS: Final = 40
OF_VAULTS: Final = '__name__=~"azure_backup_.+", __name__!~"azure_backup_exporter_.+"'


def configure(path: Path, simulator: Simulator) -> None:
    """Half of the estate is found and listed by Resource Manager, half by Resource Graph."""
    write_config(path, simulator, [])
    settings = yaml.safe_load(path.read_text("utf-8"))
    by_arm, by_graph = sorted({vault_id.split("/")[2] for vault_id in simulator.vault_ids})
    settings["discovery"] = [
        {"subscription_id": by_arm},
        {"subscription_id": by_graph, "source": "resource_graph"},
    ]
    path.write_text(yaml.safe_dump(settings), "utf-8")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("shards")
    fleet = sized_fleet(vaults=VAULTS, jobs=8 * VAULTS, failing=0.3, subscriptions=2)
    with ExitStack() as stack:
        simulator = stack.enter_context(Simulator(fleet=fleet, graph_quota=None))
        targets = {}
        for index in (None, *range(SHARDS)):
            name = "whole" if index is None else f"shard-{index}"
            config = folder / name / "config.yaml"
            config.parent.mkdir()
            configure(config, simulator)
            environment = dict(simulator.identity_environ)
            if index is not None:
                environment |= {
                    # As Kubernetes names the pods of a StatefulSet.
                    "AZURE_BACKUP_EXPORTER_SHARD_INDEX": f"azure-backup-exporter-{index}",
                    "AZURE_BACKUP_EXPORTER_SHARD_TOTAL": str(SHARDS),
                }
            exporter = stack.enter_context(serving(config, environment))
            targets[name] = exporter.url.removeprefix("http://")
        running = stack.enter_context(scraping(folder, targets))
        settled = "sum by (job) (azure_backup_vault_details_pending) == 0"
        wait_for("all details", lambda: len(running.query(settled)) == len(targets))
        again = f"min(timestamp(up)) > {time.time()}"
        wait_for("a scrape of them", lambda: bool(running.query(again)))
        yield running


Labels = tuple[tuple[str, str], ...]


def samples(prometheus: Prometheus, job: str) -> list[tuple[Labels, float]]:
    return [
        (tuple(sorted((k, v) for k, v in labels.items() if k not in ("job", "instance"))), value)
        for labels, value in prometheus.query(f'{{{OF_VAULTS}, job=~"{job}"}}')
    ]


def test_the_union_of_all_shards_is_the_page_of_one_exporter(prometheus: Prometheus) -> None:
    whole = Counter(labels for labels, _ in samples(prometheus, "whole"))
    union = Counter(labels for labels, _ in samples(prometheus, "shard-.+"))

    assert union - whole == whole - union == Counter()
    assert set(union.values()) == {1}
    assert len(whole) > 30 * VAULTS


def test_the_shards_say_the_same_of_each_item(prometheus: Prometheus) -> None:
    """But for when and how long each has read."""
    whole, union = dict(samples(prometheus, "whole")), dict(samples(prometheus, "shard-.+"))

    differs = {
        dict(labels)["__name__"] for labels, value in union.items() if whole[labels] != value
    }

    assert {name for name in differs if "_vault_refresh_" not in name} <= {
        "azure_backup_vault_last_refresh_success_timestamp_seconds"
    }


def test_every_shard_has_its_share_of_the_vaults(prometheus: Prometheus) -> None:
    counts = {
        labels["job"]: count
        for labels, count in prometheus.query("count by (job) (azure_backup_vault_up == 1)")
    }

    assert counts.pop("whole") == VAULTS
    assert sum(counts.values()) == VAULTS
    assert len(counts) == SHARDS
    assert min(counts.values()) >= VAULTS / SHARDS / 3


def test_every_shard_looks_for_the_vaults_itself(prometheus: Prometheus) -> None:
    found = prometheus.query("sum by (job) (azure_backup_exporter_discovery_vaults)")

    assert [number for _, number in found] == [VAULTS] * (1 + SHARDS)


def test_the_shards_divide_the_read_budget(prometheus: Prometheus) -> None:
    """Azure counts them together: all are one principal."""
    left = {
        labels["job"]: number
        for labels, number in prometheus.query(
            "max by (job) (azure_backup_exporter_api_reads_remaining)"
        )
    }

    assert sum(number for job, number in left.items() if job != "whole") <= 2 * 1_000_000
    assert max(number for job, number in left.items() if job != "whole") < 700_000
