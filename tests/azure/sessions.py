"""A session with Resource Manager and what belongs to it."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AccessToken

from exporter.azure.bearer import BearerAuth
from exporter.azure.session import ArmSession
from exporter.clock import AzureClock
from exporter.metrics.selfmetrics import SelfMetrics

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "https://arm.example"
LATER = 1e18


class FiveLineCredential:
    """Hands out a token and counts how often it was asked."""

    def __init__(self, lifetime: float = 3600) -> None:
        self.asked = 0
        self.renewed = 0
        self.lifetime = lifetime
        self.failure: Exception | None = None
        self._answers = threading.Event()
        self._answers.set()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Nobody is answered before the block ends."""
        self._answers.clear()
        try:
            yield
        finally:
            self._answers.set()

    def renew(self) -> None:
        self.renewed += 1

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.asked += 1
        self._answers.wait(20)
        if self.failure:
            raise self.failure
        return AccessToken(f"token-{self.asked}", int(time.time() + self.lifetime))


class Edge:
    """A session and what belongs to it."""

    def __init__(
        self,
        credential: FiveLineCredential | None = None,
        *,
        base: str = BASE,
        timeout: float = 5,
        sign_in: float = 5,
    ) -> None:
        self.metrics = SelfMetrics()
        self.stop = threading.Event()
        self.permits = 0
        self.session = ArmSession(
            base_url=base,
            auth=BearerAuth(
                credential or FiveLineCredential(), "scope", timeout=timedelta(seconds=sign_in)
            ),
            timeout=timedelta(seconds=timeout),
            max_concurrency=2,
            clock=AzureClock(),
            metrics=self.metrics,
            stop=self.stop,
            backoff_seconds=0.001,
        )

    def permit(self) -> None:
        self.permits += 1

    def get(self, url: str = "/things", give_up_at: float = LATER) -> Any:
        return self.session.read(
            url, api="test", give_up_at=give_up_at, permit=self.permit, attempts=4
        ).body

    def count(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(
            f"azure_backup_exporter_{name}", {"api": "test", **labels}
        )
