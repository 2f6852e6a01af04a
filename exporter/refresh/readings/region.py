"""The region of a vault that was configured without one: a read budget is of a region.

Without it a region that is throttled would stop the others of the subscription.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from exporter.refresh.fetch import Again, Applied, Fetch, FetchId
from exporter.refresh.records import VaultRecord, turn_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.azure.vaults import VaultsApi
    from exporter.backup.model import Vault
    from exporter.refresh.fetch import Answer, Records, Request
    from exporter.refresh.records import Moment, Record

_RETRY_SECONDS: Final = 6 * 3600.0
_PATIENCE_SECONDS: Final = 60.0


class Regions:
    """Asks each such vault once; a fault takes nothing down.

    Args:
        api: Azure.
    """

    name = "region"
    background = True
    interval = _RETRY_SECONDS
    patience = _PATIENCE_SECONDS

    def __init__(self, api: VaultsApi) -> None:
        self._api = api

    def wanted(self, subject: str, record: Record) -> Iterable[Fetch]:
        """The vault itself, if its region is not known."""
        if isinstance(record, VaultRecord) and not (record.vault.location or record.region):
            due = turn_of(record, self.name).due
            yield Fetch(1, due, FetchId(self.name, subject))

    def ask(self, fetch: Fetch, records: Records, now: Moment) -> Vault:
        """Which vault."""
        del now
        return cast("VaultRecord", records[fetch.id.subject]).vault

    def send(self, request: Request) -> str:
        """Its region.

        Raises:
            ArmError: It cannot be read.
        """
        return self._api.region(request.ask, give_up_at=request.give_up_at)

    def apply(self, answer: Answer, records: Records, now: Moment) -> Applied:
        """Give it the budget of its region."""
        del now
        subject = answer.request.fetch.id.subject
        record = records.get(subject)
        if not isinstance(record, VaultRecord):
            return Applied()
        if not answer.value:
            return Applied(again=Again(failed=True))
        return Applied({subject: replace(record, region=answer.value)}, rearrange=True)
