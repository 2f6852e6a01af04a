"""The model of the configuration file. Every key stands in ``config.example.yaml`` with its why."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails

from exporter.backup.model import JobSeries, Settings, Vault
from exporter.config.types import (
    Count,
    CountFromZero,
    Interval,
    Name,
    Span,
    Text,
    Threads,
    Timeout,
    Url,
    check_name,
)

_VAULT_ID: Final = re.compile(
    r"/subscriptions/(?P<subscription_id>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    r"/providers/Microsoft\.RecoveryServices/vaults/(?P<name>[^/]+)",
    re.IGNORECASE,
)


class Section(BaseModel):
    """One section of the file: no key beside those named here, no value quoted in errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    @classmethod
    def problem(cls, values: dict[str, object]) -> str:
        """What is wrong with the keys taken together; empty if nothing is."""
        del values
        return ""

    @classmethod
    def has_section(cls, key: str) -> bool:
        """Whether a key holds a section of its own."""
        field = cls.model_fields.get(key)
        return field is not None and isinstance(field.default, Section)

    @model_validator(mode="wrap")
    @classmethod
    def _tell_all(cls, values: object, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Tell what is wrong with single keys and with all of them together, both at once."""
        told: list[InitErrorDetails] = []
        if isinstance(values, dict):
            # A section whose keys are all commented out is one with nothing but defaults.
            values = {k: v for k, v in values.items() if v is not None or not cls.has_section(k)}
        problem = cls.problem(values) if isinstance(values, dict) else ""
        if problem:
            error = ValueError(problem)
            told.append(InitErrorDetails(type="value_error", input=None, ctx={"error": error}))
        try:
            section = validate(values)
        except ValidationError as invalid:
            told += [
                InitErrorDetails(
                    type=found["type"], loc=found["loc"], input=None, ctx=found.get("ctx", {})
                )
                for found in invalid.errors(include_url=False)
            ]
        else:
            if not told:
                return section
        raise ValidationError.from_exception_data(cls.__name__, told, hide_input=True)


Secret = Annotated[SecretStr, Field(min_length=1)]


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

    backup_jobs: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?$")] = (
        "2024-10-01"
    )


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


class Metrics(Section):
    """Which series there are."""

    window: Span = timedelta(hours=24)
    job_series: Annotated[JobSeries, Field(strict=False)] = JobSeries.ALL
    max_job_series: CountFromZero = 1000
    success_statuses: Annotated[list[Text], Field(min_length=1)] = [
        "Completed",
        "CompletedWithWarnings",
    ]


class State(Section):
    """What survives a restart."""

    path: Text | None = None


def _check_vault_id(vault_id: str) -> str:
    match = _VAULT_ID.fullmatch(vault_id)
    if not match:
        raise ValueError(
            "write /subscriptions/.../resourceGroups/.../providers/"
            "Microsoft.RecoveryServices/vaults/..."
        )
    for name in match.groups():
        check_name(name)
    return vault_id


VaultId = Annotated[str, AfterValidator(_check_vault_id)]


class VaultEntry(Section):
    """One vault, by resource id or by its three names."""

    id: VaultId | None = None
    subscription_id: Name | None = None
    resource_group: Name | None = None
    name: Name | None = None
    location: Name | None = None

    @classmethod
    def problem(cls, values: dict[str, object]) -> str:
        """A vault is named one way or the other."""
        names = [values.get(name) for name in ("subscription_id", "resource_group", "name")]
        if values.get("id") is not None:
            by_both = any(name is not None for name in names)
            return (
                "id says it all: leave out subscription_id, resource_group, name" if by_both else ""
            )
        return (
            "write either id, or subscription_id, resource_group and name" if None in names else ""
        )

    def vault(self) -> Vault:
        """The vault this entry names."""
        match = _VAULT_ID.fullmatch(self.id) if self.id else None
        names = match.groupdict() if match else self.model_dump(exclude={"id", "location"})
        return Vault(
            subscription_id=names["subscription_id"].lower(),
            resource_group=names["resource_group"],
            name=names["name"],
            location=(self.location or "").lower(),
        )


class Config(Section):
    """The configuration file."""

    azure: Azure = Azure()
    refresh: Refresh = Refresh()
    metrics: Metrics = Metrics()
    state: State = State()
    vaults: Annotated[list[VaultEntry], Field(min_length=1)]

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
        )
