"""What a person can do about a read that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.azure.verdicts import NO_IDENTITY, registration
from exporter.errors import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.errors import ArmError

ADVICE: Final = {
    ErrorKind.FORBIDDEN: "assign the role Backup Reader on {scope} to this identity"
    " (it needs Microsoft.RecoveryServices/vaults/backupJobs/read); new rights take some minutes",
    ErrorKind.UNAUTHORIZED: "check azure.credential and that its tenant is the one of {scope}",
    ErrorKind.NOT_FOUND: "check subscription, resource group and name of the vault in the"
    " configuration; it may have been deleted",
    ErrorKind.THROTTLED: "reads wait as long as Azure asks; others who read this subscription"
    " share its limit",
    ErrorKind.TIMEOUT: "check the network path to Azure Resource Manager",
    ErrorKind.NETWORK: "check DNS, proxy, firewall and certificates on the way to Azure Resource"
    " Manager (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE)",
    ErrorKind.SERVER: "nothing to do unless it lasts: Azure's own fault",
    ErrorKind.PAYLOAD: "Azure did not accept the request or sent what this exporter does not"
    " read; please report it with a sanitised answer",
}
"""By kind, about a vault; ``scope`` is its path."""

DISCOVERY_ADVICE: Final = ADVICE | {
    ErrorKind.FORBIDDEN: "assign the role Backup Reader on {scope} to this identity; new rights"
    " take some minutes",
    ErrorKind.NOT_FOUND: "check that {scope} exists and is spelt right in the configuration",
}
"""The same about a search for vaults below a scope."""

BACKUP_VAULT_ADVICE: Final = ADVICE | {
    ErrorKind.FORBIDDEN: "assign the role Reader on {scope} to this identity (it needs"
    " Microsoft.DataProtection/backupVaults/backupJobs/read, which the role Backup Reader lacks);"
    " new rights take some minutes",
}
"""The same about a Backup vault (FACTS 11)."""


def advice_on(error: ArmError, scope: str, by_kind: Mapping[ErrorKind, str] = ADVICE) -> str:
    """What to do about one error.

    Args:
        error: Of a read.
        scope: ARM path that was read.
        by_kind: One of the tables above.
    """
    if error.kind is ErrorKind.UNAUTHORIZED and NO_IDENTITY in str(error):
        return (
            "sign in: run `az login` as the user who runs the exporter, or set azure.credential to"
            " a managed identity, a workload identity or a service principal"
        )
    if command := registration(str(error), scope):
        return f"check the subscription id; if it is right, register it with `{command}`"
    return by_kind[error.kind].format(scope=scope)
