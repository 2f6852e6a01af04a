"""All readings: a further one is a module beside this one and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.azure.backup_jobs import BackupJobsApi
from exporter.azure.resource_graph import ResourceGraphApi
from exporter.azure.vaults import VaultsApi
from exporter.refresh.readings.graph_jobs import GraphJobs
from exporter.refresh.readings.job_detail import JobDetails
from exporter.refresh.readings.job_list import JobLists
from exporter.refresh.readings.job_reading import Rules
from exporter.refresh.readings.long_runs import LongRuns
from exporter.refresh.readings.region import Regions
from exporter.refresh.readings.stored import StoredStates
from exporter.refresh.readings.vault_search import VaultSearches

if TYPE_CHECKING:
    import threading

    from exporter.azure.session import ArmSession
    from exporter.backup.details import DetailPolicy
    from exporter.clock import AzureClock
    from exporter.config import Config
    from exporter.metrics.selfmetrics import SelfMetrics
    from exporter.refresh.fetch import Reading
    from exporter.state import StateKeeper


def all_readings(
    config: Config,
    session: ArmSession,
    metrics: SelfMetrics,
    *,
    clock: AzureClock,
    stop: threading.Event,
    keeper: StateKeeper | None,
    policy: DetailPolicy,
) -> tuple[Reading, ...]:
    """The readings of a configuration.

    Args:
        config: How they read.
        session: With Resource Manager.
        metrics: Counts what cannot be read.
        clock: What time it is.
        stop: Ends waiting.
        keeper: Of the state file.
        policy: Which details are read.
    """
    versions, rules = config.azure.api_versions, Rules(config.settings(), policy)
    interval = config.refresh.interval.total_seconds()
    jobs = BackupJobsApi(session, versions.backup_jobs, metrics)
    graph = ResourceGraphApi(session, versions.resource_graph, metrics, clock=clock, stop=stop)
    vaults = VaultsApi(session, versions.vaults, metrics)
    return (
        StoredStates(keeper, clock),
        Regions(vaults),
        VaultSearches(
            vaults,
            graph,
            config.vault_tags,
            interval=config.refresh.discovery_interval.total_seconds(),
        ),
        JobLists(jobs, rules, interval=interval),
        GraphJobs(graph, rules, interval=interval),
        JobDetails(jobs, interval=interval, most=max(1, config.azure.max_concurrency // 2)),
        LongRuns(jobs, rules, interval=interval),
    )
