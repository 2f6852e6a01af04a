"""A large estate: one instance under Azure's read limits, and four shards that are its equal."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from benchmarks.measuring import Figure
from benchmarks.serving import Serving, details_wait, own, serving, vaults_up
from benchmarks.simulated import Azure, azure
from exporter.backup.shard import Shard
from exporter.simulator import sized_fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHARDS: Final = 4
_MOMENT_SECONDS: Final = 5
_SUBSCRIPTIONS: Final = 20
_LOCATIONS: Final = 8
_SPREAD: Final = ("--subscriptions", f"{_SUBSCRIPTIONS}", "--locations", f"{_LOCATIONS}")
_LIMIT: Final = ("--limit", "150/1h")
_THROTTLED: Final = re.compile(
    rb'^azure_backup_exporter_api_requests_total\{api="backup_jobs_.*code="429"', re.MULTILINE
)
# When and how long a vault was read differs between two exporters.
_OF_READING: Final = re.compile(
    rb"azure_backup_(exporter_|vault_(last_)?refresh_|job_duration_seconds)|process_|python_"
)


def measure(*, smoke: bool) -> Iterator[Figure]:
    """1,000 vaults with 100,000 jobs, found by discovery."""
    vaults, jobs = (6, 60) if smoke else (1000, 100_000)
    for source, named in (("arm", "Resource Manager"), ("resource_graph", "Resource Graph")):
        with (
            azure(vaults, jobs, *_SPREAD, *_LIMIT) as service,
            serving(_config(service, source, limited=True), service.environ) as exporter,
        ):
            exporter.wait(lambda page: vaults_up(page) >= vaults)
            yield _alone(exporter, f"{vaults:,} vaults, {jobs:,} jobs, lists by {named}")
    yield _shards(vaults, jobs)


def _alone(exporter: Serving, what: str) -> Figure:
    seconds, page = exporter.seconds, exporter.page()
    if _THROTTLED.search(page):
        raise AssertionError("a 429 under a limit that is configured")
    # The first details take a moment; what waits then waits for Azure's hour.
    before, waiting = -1, details_wait(page)
    while before != waiting:
        time.sleep(_MOMENT_SECONDS)
        before, waiting = waiting, details_wait(exporter.page())
    resident, peak = exporter.memory
    return Figure(
        f"{what}, 150 reads/h",
        f"{seconds:.1f} s",
        f"{own(exporter.page(), 'series'):,} series, {resident:.0f} MiB, at most {peak:.0f};"
        f" {waiting:,} details wait for the limit",
        "",
        "every status",
    )


def _shards(vaults: int, jobs: int) -> Figure:
    """Each on its own, against one exporter of the same estate without limits."""
    with azure(vaults, jobs, *_SPREAD) as service, ExitStack() as stack:
        config = _config(service, "arm", limited=False)
        whole = _settled(stack.enter_context(serving(config, service.environ)), vaults)
        union: list[bytes] = []
        largest, ids = 0.0, _vault_ids(vaults, jobs)
        for index in range(_SHARDS):
            flags = (f"--shard.index={index}", f"--shard.total={_SHARDS}")
            with serving(config, service.environ, *flags) as shard:
                union += _settled(shard, sum(map(Shard(index, _SHARDS).reads, ids)))
                largest = max(largest, shard.memory[0])
    if len(union) != len(set(union)) or set(union) != set(whole):
        differ = sorted(set(union) ^ set(whole))
        raise AssertionError(f"the shards' union is another page: {len(differ)}, {differ[:3]}")
    return Figure(
        f"the same by {_SHARDS} shards",
        f"{len(union):,} series",
        f"one exporter {len(whole):,} series",
        "equal",
        f"largest shard {largest:.0f} MiB",
    )


def _vault_ids(vaults: int, jobs: int) -> list[str]:
    fleet = sized_fleet(vaults, jobs, subscriptions=_SUBSCRIPTIONS, locations=_LOCATIONS)
    return [vault.id.lower() for vault in fleet.vaults]


def _settled(exporter: Serving, vaults: int) -> list[bytes]:
    """The samples about vaults and jobs, once none is missing."""
    page = exporter.wait(lambda page: vaults_up(page) >= vaults and not details_wait(page))
    return [
        line
        for line in page.splitlines()
        if not line.startswith(b"#") and not _OF_READING.match(line)
    ]


def _config(service: Azure, source: str, *, limited: bool) -> str:
    return f"""
azure:
  cloud: custom
  resource_manager: {service.url}
  authority: https://localhost
  scope: {service.url}/.default
  credential: {{type: managed_identity}}
  read_budget: {{requests: {150 if limited else 1_000_000}, per: 1h}}
  max_concurrency: 16
refresh: {{interval: {"5m" if limited else "1h"}}}
discovery:
  - {{management_group: mg-sized, source: {source}}}
"""
