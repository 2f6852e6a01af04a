"""From the configuration's ``azure`` section to a session that can sign in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from exporter.azure.bearer import BearerAuth
from exporter.azure.clouds import cloud_of
from exporter.azure.credentials import make_credential
from exporter.azure.environment import prepare
from exporter.azure.session import ArmSession

if TYPE_CHECKING:
    import threading

    from exporter.clock import AzureClock
    from exporter.config.model import Azure
    from exporter.metrics.selfmetrics import SelfMetrics


def connect(
    azure: Azure, *, clock: AzureClock, metrics: SelfMetrics, stop: threading.Event
) -> ArmSession:
    """A session; nothing is sent yet.

    Raises:
        ArmError: The credential cannot be set up.
    """
    prepare(os.environ)
    cloud = cloud_of(azure)
    return ArmSession(
        base_url=cloud.resource_manager,
        auth=BearerAuth(
            make_credential(azure.credential, cloud), cloud.scope, timeout=azure.timeout
        ),
        timeout=azure.timeout,
        max_concurrency=azure.max_concurrency,
        clock=clock,
        metrics=metrics,
        stop=stop,
    )
