"""What is protected: vaults and their items."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.simulator.schedule import Schedule


Redundancy = Literal["LocallyRedundant", "GeoRedundant", "ZoneRedundant"]


class Workload(Enum):
    """The kinds of protected items, with the job type each one's jobs have (F§5)."""

    VIRTUAL_MACHINE = "AzureIaaSVMJob"
    FILE_SHARE = "AzureStorageJob"
    SQL_DATABASE = "SQLDataBase"
    HANA_DATABASE = "SAPHanaDatabase"

    @property
    def backup_management_type(self) -> str:
        """As Azure spells it; note ``IaasVM`` here and ``IaaSVM`` in job types (F§4)."""
        match self:
            case Workload.VIRTUAL_MACHINE:
                return "AzureIaasVM"
            case Workload.FILE_SHARE:
                return "AzureStorage"
            case _:
                return "AzureWorkload"

    @property
    def job_type(self) -> str:
        """The discriminator of a job's properties."""
        return "AzureWorkloadJob" if self.is_database else self.value

    @property
    def is_database(self) -> bool:
        """Whether its jobs get name and type only some seconds after their start (F§1.3)."""
        return self in (Workload.SQL_DATABASE, Workload.HANA_DATABASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedItem:
    """A virtual machine, file share or database under backup.

    Attributes:
        container: What the item lives in: the machine's resource group, the share's storage
            account or the database's host.
        spellings: The names its jobs have, in turn; they differ by case only (F§4).
        size_mb: What a backup moves on average.
        transfer_task: Azure spells this task in two ways (F§6). Empty for a share that is kept
            as snapshots only.
        job_type: Empty for the usual one; ``AzureIaaSVMJobV2`` and the like exist (F§1.7).
    """

    workload: Workload
    container: str
    spellings: tuple[str, ...]
    schedules: tuple[Schedule, ...]
    size_mb: int
    transfer_task: str = "Transfer data to vault"
    job_type: str = ""

    @property
    def name(self) -> str:
        """The usual spelling."""
        return self.spellings[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """A Recovery Services vault.

    Attributes:
        sku: ``RS0`` or ``Standard`` (F§13).
        redundancy: Of its storage.
        cross_region_restore: Whether backups can be restored in the paired region.
        id: Its resource id.
    """

    subscription_id: str
    resource_group: str
    name: str
    location: str
    items: tuple[ProtectedItem, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    sku: str = "RS0"
    redundancy: Redundancy = "GeoRedundant"
    cross_region_restore: bool = False
    id: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        resource_id = (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.RecoveryServices/vaults/{self.name}"
        )
        object.__setattr__(self, "id", resource_id)
