"""Where each Azure cloud lives (FACTS 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from exporter.config.model import Azure


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """The endpoints of one cloud.

    Attributes:
        resource_manager: Base URL of Azure Resource Manager, without a slash at the end.
        authority: Base URL of Microsoft Entra ID.
        scope: What a token is asked for.
        portal: Base URL of the Azure portal, without a slash at the end; empty when not known.
        known: Whether Microsoft runs it: else the authority cannot be looked up at the public one.
    """

    resource_manager: str
    authority: str
    scope: str
    portal: str = ""
    known: bool = True


CLOUDS: Final = {
    "public": Cloud(
        resource_manager="https://management.azure.com",
        authority="https://login.microsoftonline.com",
        scope="https://management.azure.com/.default",
        portal="https://portal.azure.com",
    ),
    "usgovernment": Cloud(
        resource_manager="https://management.usgovcloudapi.net",
        authority="https://login.microsoftonline.us",
        scope="https://management.core.usgovcloudapi.net/.default",
        portal="https://portal.azure.us",
    ),
    "china": Cloud(
        resource_manager="https://management.chinacloudapi.cn",
        authority="https://login.chinacloudapi.cn",
        scope="https://management.core.chinacloudapi.cn/.default",
        portal="https://portal.azure.cn",
    ),
}


def cloud_of(azure: Azure) -> Cloud:
    """The endpoints the configuration names."""
    if azure.resource_manager and azure.authority and azure.scope:
        return Cloud(
            resource_manager=azure.resource_manager,
            authority=azure.authority,
            scope=azure.scope,
            known=False,
        )
    return CLOUDS[azure.cloud]
