"""Which API a request is for, by its path."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from exporter.simulator import identity

if TYPE_CHECKING:
    from exporter.simulator.recording import Request

_SUBSCRIPTION: Final = r"/subscriptions/(?P<subscription>[^/]+)"
_GROUP: Final = r"/resourceGroups/(?P<group>[^/]+)"
_VAULTS: Final = r"/providers/Microsoft\.RecoveryServices/vaults"
_BACKUP_VAULTS: Final = r"/providers/Microsoft\.DataProtection/backupVaults"
_LOCATION: Final = r"/providers/Microsoft\.RecoveryServices/locations/(?P<location>[^/]+)"
_OPERATIONS: Final = (
    "backupOperations|operationsStatus|operationStatus|operationResults|backupCrrOperationsStatus"
)
_VAULT: Final = f"(?P<vault>{_SUBSCRIPTION}{_GROUP}{_VAULTS}/(?P<name>[^/]+))"

# Azure compares paths without case (F§2).
_ROUTES: Final = {
    api: re.compile(pattern, re.IGNORECASE)
    for api, pattern in {
        "token": re.escape(identity.PATH),
        "vaults": f"{_SUBSCRIPTION}(?:{_GROUP})?{_VAULTS}",
        "vault": _VAULT,
        "list": f"{_VAULT}/backupJobs",
        "graph": r"/providers/Microsoft\.ResourceGraph/resources",
        "detail": f"{_VAULT}/backupJobs/(?P<job>[^/]+)",
        "operation": f"{_SUBSCRIPTION}/.+/(?:{_OPERATIONS})/(?P<operation>[^/]+)",
        "cross_region_job": f"{_SUBSCRIPTION}{_LOCATION}/backupCrrJob",
        "backup_vault_job": f"{_SUBSCRIPTION}{_GROUP}{_BACKUP_VAULTS}/[^/]+/backupJobs/[^/]+",
    }.items()
}


@dataclass(slots=True)
class Call:
    """A request and what its path says.

    Attributes:
        api: As in RecordedRequest.
        parts: Of the path: subscription, group, vault, name, job.
        query: With lower-case keys.
    """

    request: Request
    api: str
    parts: dict[str, str]
    query: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        # Azure writes $skipToken here, $skiptoken there (F§3).
        self.query = {key.lower(): value for key, value in self.request.query.items()}

    @property
    def api_version(self) -> str:
        """Empty where it is missing."""
        return self.query.get("api-version", "")


def call_of(request: Request) -> Call:
    """Which API a request is for; ``other`` for none."""
    for api, route in _ROUTES.items():
        match = route.fullmatch(request.path)
        if match is not None:
            parts = {key: value for key, value in match.groupdict().items() if value}
            return Call(request, api, parts)
    return Call(request, "other", {})
