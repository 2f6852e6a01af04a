"""The model of the configuration file. Every key stands in ``config.example.yaml`` with its why."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from exporter.backup.lateness import DEFAULT_LATENESS
from exporter.backup.model import JobSeries, Settings
from exporter.backup.vaults import tag_label
from exporter.config.estate import DiscoveryEntry, LatenessLine, VaultEntry
from exporter.config.section import Section
from exporter.config.types import (
    ApiVersion,
    Count,
    CountFromZero,
    Interval,
    Secret,
    Span,
    Text,
    Threads,
    Timeout,
    Url,
)


class DefaultCredential(Section):
    """azure-identity's DefaultAzureCredential: environment, workload and managed identity, CLI."""

    type: Literal["default"] = "default"


class ManagedIdentity(Section):
    """The identity of the machine, pod or app; ``client_id`` for a user-assigned one."""

    type: Literal["managed_identity"]
    client_id: Text | None = None


class WorkloadIdentity(Section):
    """Kubernetes workload identity; what is not set comes from its AZURE_... variables."""

    type: Literal["workload_identity"]
    tenant_id: Text | None = None
    client_id: Text | None = None
    token_file: Text | None = None


class ClientSecret(Section):
    """A service principal with a secret."""

    type: Literal["client_secret"]
    tenant_id: Text
    client_id: Text
    client_secret: Secret | None = None
    client_secret_file: Text | None = None

    @classmethod
    def problem(cls, values: dict[str, object]) -> str:
        """A secret stands in one place."""
        given = [values.get(name) for name in ("client_secret", "client_secret_file")]
        if sum(value is not None for value in given) != 1:
            return "write either client_secret or client_secret_file"
        return ""


class ClientCertificate(Section):
    """A service principal with a certificate (PEM or PKCS#12)."""

    type: Literal["client_certificate"]
    tenant_id: Text
    client_id: Text
    certificate_file: Text
    certificate_password: Secret | None = None
    certificate_password_file: Text | None = None

    @classmethod
    def problem(cls, values: dict[str, object]) -> str:
        """A password stands in one place."""
        if values.get("certificate_password") and values.get("certificate_password_file"):
            return "write certificate_password or certificate_password_file, not both"
        return ""


class AzureCli(Section):
    """The account that ``az login`` signed in."""

    type: Literal["azure_cli"]
    tenant_id: Text | None = None


Credential = Annotated[
    DefaultCredential
    | ManagedIdentity
    | WorkloadIdentity
    | ClientSecret
    | ClientCertificate
    | AzureCli,
    Field(discriminator="type"),
]


class ApiVersions(Section):
    """The api-version of each Azure API."""

    backup_jobs: ApiVersion = "2024-10-01"
    vaults: ApiVersion = "2024-04-01"
    resource_graph: ApiVersion = "2021-03-01"


class ReadBudget(Section):
    """Reads of backupJobs that Azure allows per subscription and region."""

    requests: Count = 150
    per: Interval = timedelta(hours=1)


class Azure(Section):
    """Where Azure is, and as whom it is read."""

    cloud: Literal["public", "usgovernment", "china", "custom"] = "public"
    resource_manager: Url | None = None
    authority: Url | None = None
    scope: Url | None = None
    credential: Credential = DefaultCredential()
    api_versions: ApiVersions = ApiVersions()
    timeout: Timeout = timedelta(seconds=30)
    max_concurrency: Threads = 8
    read_budget: ReadBudget = ReadBudget()

    @classmethod
    def problem(cls, values: dict[str, object]) -> str:
        """The endpoints go with a custom cloud, and only with one."""
        endpoints = ("resource_manager", "authority", "scope")
        missing = [name for name in endpoints if values.get(name) is None]
        if values.get("cloud") == "custom":
            return f"cloud: custom needs {', '.join(missing)} too" if missing else ""
        if len(missing) < len(endpoints):
            return "resource_manager, authority and scope go with cloud: custom only"
        return ""


class Refresh(Section):
    """How often Azure is read, and how long what was read is kept."""

    interval: Interval = timedelta(minutes=5)
    lookback: Span = timedelta(days=8)
    forget_after: Span = timedelta(days=35)
    keep_stale: Span = timedelta(minutes=30)
    discovery_interval: Interval = timedelta(minutes=15)


def _check_tags(tags: list[str]) -> list[str]:
    labels: dict[str, str] = {}
    for tag in tags:
        if (other := labels.setdefault(tag_label(tag), tag)) is not tag:
            raise ValueError(f"{other} and {tag} would be one label, {tag_label(tag)}")
    return tags


TagNames = Annotated[list[Text], AfterValidator(_check_tags)]


class Metrics(Section):
    """Which series there are."""

    window: Span = timedelta(hours=24)
    job_series: Annotated[JobSeries, Field(strict=False)] = JobSeries.RUNNING
    max_job_series: CountFromZero = 1000
    success_statuses: Annotated[list[Text], Field(min_length=1)] = [
        "Completed",
        "CompletedWithWarnings",
    ]
    vault_tags: TagNames = []


class State(Section):
    """What survives a restart."""

    path: Text | None = None


class Config(Section):
    """The configuration file."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["vaults"]}, {"required": ["discovery"]}]}
    )

    azure: Azure = Azure()
    refresh: Refresh = Refresh()
    metrics: Metrics = Metrics()
    state: State = State()
    lateness: list[LatenessLine] = []
    vaults: list[VaultEntry] = []
    discovery: list[DiscoveryEntry] = []

    @classmethod
    def problem(cls, values: dict[str, object]) -> str:
        """There must be something to read."""
        if values.get("vaults") or values.get("discovery"):
            return ""
        return "write vaults or discovery, or both: there is nothing to read yet"

    @property
    def vault_tags(self) -> list[str]:
        """Names of the tags of vaults that are needed, and shown."""
        of_lateness = [tag for line in self.lateness for tag in line.vaults.tags]
        return [*self.metrics.vault_tags, *of_lateness]

    def settings(self) -> Settings:
        """What the core needs to know of it."""
        return Settings(
            # What the window shows must have been read.
            lookback=max(self.refresh.lookback, self.metrics.window),
            forget_after=self.refresh.forget_after,
            window=self.metrics.window,
            job_series=self.metrics.job_series,
            max_job_series=self.metrics.max_job_series,
            success_statuses=frozenset(self.metrics.success_statuses),
            lateness=(*(line.rule() for line in self.lateness), *DEFAULT_LATENESS),
        )
