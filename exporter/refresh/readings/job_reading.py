"""What readings of jobs have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from exporter.refresh.turns import SHARE_OF_INTERVAL

if TYPE_CHECKING:
    from exporter.backup.details import DetailPolicy
    from exporter.backup.model import Settings

Api = TypeVar("Api")


class Rules(NamedTuple):
    """How jobs are judged and kept, and which details are read of them."""

    settings: Settings
    policy: DetailPolicy


class JobReading(Generic[Api]):
    """Reads jobs.

    Args:
        api: Azure.
        rules: What is made of them.
        interval: The configured one between two lists, in seconds.
    """

    background = False

    def __init__(self, api: Api, rules: Rules, *, interval: float) -> None:
        self._api = api
        self._rules = rules
        self.interval = interval
        self.patience = SHARE_OF_INTERVAL * interval
