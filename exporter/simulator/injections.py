"""Which requests a fault befalls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from exporter.simulator.faults import Fault

Api = Literal["list", "detail", "vaults", "vault", "graph", "token", "operation"]


@dataclass(slots=True, kw_only=True)
class Injection:
    """A fault in force.

    Attributes:
        api: None means all but ``token``.
        vault_id: None means any; compared without case.
        job_id: None means any.
        times: How many requests it still befalls; None for all until it is cleared.
        hits: How many requests it has befallen.
    """

    fault: Fault
    api: Api | None = None
    vault_id: str | None = None
    job_id: str | None = None
    times: int | None = None
    hits: int = field(default=0, init=False)

    def clear(self) -> None:
        """Let it happen no more."""
        self.times = 0

    def befalls(self, api: str, vault_id: str, job_id: str) -> bool:
        """Whether it happens to such a request."""
        return (
            self.times != 0
            and (api == self.api if self.api else api != "token")
            and self.vault_id in (None, vault_id)
            and self.job_id in (None, job_id)
        )

    def use(self) -> Fault:
        """The fault, for one request more."""
        self.hits += 1
        if self.times is not None:
            # It may have been cleared meanwhile, by another thread.
            self.times = max(0, self.times - 1)
        return self.fault
