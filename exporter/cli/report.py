"""The parts of a bug report: only what is listed here is in it, and names become numbers."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from exporter import __version__
from exporter.backup.vaults import VAULT_ID
from exporter.config.types import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.azure.reach import Reach
    from exporter.config import Config
    from exporter.config.estate import DiscoveryEntry

_LIBRARIES: Final = ("azure-identity", "msal", "requests", "urllib3", "pydantic", "tornado", "rich")
_VARIABLES: Final = (
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "IDENTITY_ENDPOINT",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
)


class Aliases:
    """Numbers for names, the same number for the same name."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}

    def scope(self, scope: str) -> str:
        """A vault, subscription or management group without its names."""
        if match := VAULT_ID.fullmatch(scope):
            parts = [
                self._alias("subscription", match["subscription_id"]),
                self._alias("group", match["subscription_id"] + "/" + match["resource_group"]),
                self._alias("vault", scope),
            ]
            return "/".join(parts)
        kind = "management-group" if "/managementgroups/" in scope.lower() else "subscription"
        return self._alias(kind, scope.rpartition("/")[2])

    def _alias(self, kind: str, name: str) -> str:
        of_kind = [known for known in self._numbers if known[0] == kind]
        return f"{kind}-{self._numbers.setdefault((kind, name.lower()), len(of_kind) + 1)}"


def program() -> Iterator[str]:
    """Versions, and which machine it is."""
    yield f"azure-backup-exporter {__version__}"
    yield (
        f"{platform.python_implementation()} {platform.python_version()},"
        f" {platform.system()} {platform.release()} {platform.machine()},"
        f" {os.cpu_count()} CPUs"
    )
    yield ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)


def environment(variables: Mapping[str, str]) -> str:
    """Which variables that matter are set; never their values."""
    names = [name for name in _VARIABLES if variables.get(name)]
    return f"set: {', '.join(names) or 'none'}"


def configuration(config: Config) -> Iterator[str]:
    """What is configured, without names, paths and secrets."""
    azure, refresh, metrics = config.azure, config.refresh, config.metrics
    given = sorted(name for name, value in azure.credential if name != "type" and value is not None)
    yield f"cloud {azure.cloud}, credential {azure.credential.type} ({', '.join(given) or 'bare'})"
    versions = ", ".join(f"{name} {value}" for name, value in azure.api_versions)
    yield f"api-versions: {versions}"
    yield (
        f"timeout {format_duration(azure.timeout)}, max_concurrency {azure.max_concurrency},"
        f" read_budget {azure.read_budget.requests} per {format_duration(azure.read_budget.per)}"
    )
    yield "refresh: " + ", ".join(f"{name} {format_duration(span)}" for name, span in refresh)
    yield (
        f"metrics: window {format_duration(metrics.window)}, job_series {metrics.job_series.value},"
        f" max_job_series {metrics.max_job_series},"
        f" {len(metrics.success_statuses)} success_statuses, {len(metrics.vault_tags)} vault_tags"
    )
    yield f"lateness: {len(config.lateness)} line(s) beside the defaults"
    yield f"state: {'a file' if config.state.path else 'none'}"
    vaults = [entry.vault() for entry in config.vaults]
    subscriptions = {vault.subscription_id for vault in vaults}
    located = sum(bool(vault.location) for vault in vaults)
    yield f"{len(vaults)} vault(s) in {len(subscriptions)} subscription(s), {located} with location"
    for entry in config.discovery:
        yield f"discovery: {_discovery(entry)}"


def reached(name: str, found: Reach) -> str:
    """How the attempt to reach a host ended."""
    took = f"{found.seconds * 1000:.0f} ms"
    if found.status is None:
        return f"{name}: not reached ({found.way}) after {took}"
    return f"{name}: reached in {took} (HTTP {found.status} without a token)"


def _discovery(entry: DiscoveryEntry) -> str:
    place = "management_group" if entry.management_group is not None else "subscription_id"
    filters = [
        f"{side}.{name}"
        for side, match in (("include", entry.include), ("exclude", entry.exclude))
        for name, value in match
        if value
    ]
    return f"by {place}, source {entry.source}, filters: {', '.join(filters) or 'none'}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"
