"""What the simulator remembers of requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in. Header names compare without case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """A request and how it was answered.

    Attributes:
        api: ``list``, ``detail``, ``vaults``, ``vault``, ``graph``, ``token``,
            ``operation``, ``backup_vault_job``, ``cross_region_job`` or ``other``.
        status: 0 when nothing was sent.
        vault: Its id as configured; empty if the request is about none or an unknown one.
        job_id: Empty but for details.
        at: By the simulator's clock.
    """

    api: str
    method: str
    path: str
    query: Mapping[str, str]
    status: int
    vault: str
    job_id: str
    at: datetime
    body: str = ""
