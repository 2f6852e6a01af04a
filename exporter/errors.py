"""The exceptions of this package, told apart by who must act."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from exporter.masking import masked
from exporter.words import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration.

    Attributes:
        path: Where, e.g. ``vaults[2].name``; empty when the whole file is meant.
        message: What is wrong, and what to write instead.
    """

    path: str
    message: str

    def __str__(self) -> str:
        # Keys and values of a file whose invisible characters may be what is wrong.
        return visible(f"{self.path}: {self.message}" if self.path else self.message)


class ConfigError(Exception):
    """The operator must act: the configuration cannot be used. Carries every problem at once."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"{source}: {len(self.problems)} problem(s){lines}")


class PayloadError(ValueError):
    """We must act: Azure sent a shape this program does not read. The message quotes it."""


class ErrorKind(StrEnum):
    """Why a read failed: the ``kind`` label of ``azure_backup_vault_refresh_errors_total``."""

    THROTTLED = "throttled"
    FORBIDDEN = "forbidden"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    TIMEOUT = "timeout"
    NETWORK = "network"
    SERVER = "server"
    PAYLOAD = "payload"


class ArmError(Exception):
    """Azure Resource Manager, its sign-in or the network failed.

    Attributes:
        kind: The reason, as counted.
        retryable: Whether the same request may succeed shortly (5xx, timeouts, resets).
        retry_after: How long Azure asks to wait, if it says so.
        ids: Under which Azure's support finds the request, as fields of a log line; not in the
            message, so that one fault of many vaults reads alike.
        sent: Whether a request went out, which Azure may have counted.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        retryable: bool = False,
        retry_after: timedelta | None = None,
        ids: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        # Azure ends its sentences; advice follows ours. It may quote what it was sent.
        super().__init__(masked(message).rstrip(". "))
        self.kind = kind
        self.retryable = retryable
        self.retry_after = retry_after
        self.ids = ids
        self.sent = True

    @property
    def for_support(self) -> str:
        """The ids in one clause; empty where Azure sent none."""
        named = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.ids.items())
        return named and f"for Azure's support: {named}"


class ForeignUrlError(ArmError):
    """A URL leads to another host than Azure Resource Manager; no token goes there."""

    def __init__(self) -> None:
        super().__init__(
            ErrorKind.PAYLOAD,
            "the URL leads to another host than Azure Resource Manager; the token stays here",
        )


class NotNowError(ArmError):
    """Nothing was learnt: the read budget does not allow the read now, or the exporter stops.

    Attributes:
        available_at: Monotonic time when it may be asked for again.
    """

    def __init__(self, message: str, available_at: float) -> None:
        super().__init__(ErrorKind.THROTTLED, message)
        self.available_at = available_at
        self.sent = False


def own_fault(error: Exception) -> ArmError:
    """A fault of this program as one of a read."""
    return ArmError(ErrorKind.PAYLOAD, f"{type(error).__name__}: {error}")


class StateError(Exception):
    """The state file cannot be used. The message names it and says what to do.

    Attributes:
        damaged: Whether it once was a good state file.
    """

    def __init__(self, message: str, advice: str, *, damaged: bool = False) -> None:
        super().__init__(f"{message}. What to do: {advice}.")
        self.damaged = damaged
