"""Vaults as Azure Resource Manager writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

if TYPE_CHECKING:
    from exporter.simulator.inventory import Vault

# Azure spells it in all these ways (F§13).
_TYPES: Final = (
    "Microsoft.RecoveryServices/vaults",
    "Microsoft.RecoveryServices/Vaults",
    "microsoft.recoveryservices/vaults",
    "microsoft.recoveryservices/Vaults",
)
# The api-version that brought ``redundancySettings``.
_REDUNDANCY: Final = "2022-09-10"


def vault_document(vault: Vault, api_version: str) -> dict[str, Any]:
    """A vault."""
    # The same vault always looks the same, but vaults differ.
    dice = crc32(vault.id.lower().encode())
    document: dict[str, Any] = {
        "location": vault.location,
        "name": vault.name,
        "etag": "W/\"datetime'2024-01-01T00%3A00%3A00.0000000Z'\"",
        "properties": vault_properties(vault, api_version),
        "id": vault.id,
        "type": _TYPES[dice % len(_TYPES)],
        "sku": vault_sku(vault),
    }
    if vault.tags:
        document["tags"] = dict(vault.tags)
    elif dice & 4:
        # Without tags it is null or absent (F§13).
        document["tags"] = None
    return document


def vault_properties(vault: Vault, api_version: str) -> dict[str, Any]:
    """Its ``properties``."""
    properties: dict[str, Any] = {"provisioningState": "Succeeded"}
    if api_version >= _REDUNDANCY:
        properties["publicNetworkAccess"] = "Enabled"
        properties["redundancySettings"] = {
            "standardTierStorageRedundancy": vault.redundancy,
            "crossRegionRestore": "Enabled" if vault.cross_region_restore else "Disabled",
        }
    return properties


def vault_sku(vault: Vault) -> dict[str, str]:
    """Its ``sku``; only RS0 has a tier."""
    return {"name": vault.sku, "tier": "Standard"} if vault.sku == "RS0" else {"name": vault.sku}
