"""A vault's job list, asked of the vault itself: each page is a fetch and costs a read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from exporter.azure.backup_jobs import BackupJobsApi
from exporter.azure.parsing import none_readable
from exporter.backup.history import next_window
from exporter.errors import ArmError, ErrorKind
from exporter.refresh.fetch import Again, Applied, Cost, Fetch, FetchId
from exporter.refresh.readings.job_reading import JobReading
from exporter.refresh.readings.vault_state import down, hangs, with_list
from exporter.refresh.records import JOB_LIST, Listing, VaultRecord, turn_of
from exporter.refresh.turns import began_at, retry_after

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.azure.backup_jobs import JobListPage
    from exporter.refresh.fetch import Answer, Records, Request
    from exporter.refresh.records import Moment, Record

_MOST_PAGES: Final = 1000


class _Ask(NamedTuple):
    """The page that is asked for.

    Attributes:
        listing: Of which it is the next page.
        begun: The record's listing when it was asked for; None for the first page.
        retry: Whether it was asked for before and failed.
    """

    listing: Listing
    begun: Listing | None
    retry: bool


class JobLists(JobReading[BackupJobsApi]):
    """Reads job lists."""

    name = JOB_LIST

    def wanted(self, subject: str, record: Record) -> Iterable[Fetch]:
        """The next page, unless Resource Graph brings the list."""
        if isinstance(record, VaultRecord) and record.recalled and not record.scope:
            turn = turn_of(record, self.name)
            yield Fetch(
                urgency=0,
                due=turn.due,
                id=FetchId(self.name, subject),
                cost=Cost.LIST,
                budget=record.budget,
                suspect=turn.hung or record.details.hung,
            )

    def ask(self, fetch: Fetch, records: Records, now: Moment) -> _Ask:
        """The page after those that have been read, or the first of a list of what may be new."""
        record = cast("VaultRecord", records[fetch.id.subject])
        retry = turn_of(record, self.name).attempts > 0
        if record.listing:
            return _Ask(record.listing, record.listing, retry)
        window = next_window(record.history, now.wall, self._rules.settings)
        url = self._api.list_url(record.vault, window)
        return _Ask(Listing(window=window, next_url=url, since=now.monotonic), None, retry)

    def send(self, request: Request) -> JobListPage:
        """Read the page.

        Raises:
            ArmError: It cannot be read, or the pages lead in a circle.
        """
        listing: Listing = request.ask.listing
        if listing.next_url in listing.seen or len(listing.seen) >= _MOST_PAGES:
            message = f"the job list does not end ({len(listing.seen)} pages)"
            raise ArmError(ErrorKind.PAYLOAD, message)
        retry: bool = request.ask.retry
        return self._api.page(listing.next_url, give_up_at=request.give_up_at, retry=retry)

    def apply(self, answer: Answer, records: Records, now: Moment) -> Applied:
        """Take in a page; with the last one the whole list."""
        request = answer.request
        subject = request.fetch.id.subject
        record = records.get(subject)
        ask: _Ask = request.ask
        if not isinstance(record, VaultRecord) or record.listing is not ask.begun or record.scope:
            return Applied()
        if ask.listing.since < record.data_since:
            # It comes so late that another list has been read since.
            return Applied()
        if answer.fault:
            return self._failed(subject, record, answer.fault, answer, now)
        page: JobListPage = answer.value
        listing = replace(
            ask.listing,
            next_url=page.next_url or "",
            seen=ask.listing.seen | {ask.listing.next_url},
            jobs=(*ask.listing.jobs, *page.jobs),
            unreadable=ask.listing.unreadable + page.unreadable,
        )
        if page.next_url is not None:
            return Applied({subject: replace(record, listing=listing)}, Again(0, ends=False))
        if listing.unreadable and not listing.jobs:
            fault = none_readable(listing.unreadable)
            return self._failed(subject, record, fault, answer, now)
        turn = turn_of(record, self.name)
        read = with_list(
            record,
            listing.jobs,
            listing.window,
            since=listing.since,
            began=began_at(turn, request),
            rules=self._rules,
            now=now,
        )
        read = replace(read, pages=len(listing.seen))
        return Applied({subject: read}, Again(), show=frozenset({subject}))

    def _failed(
        self, subject: str, record: VaultRecord, fault: ArmError, answer: Answer, now: Moment
    ) -> Applied:
        """Try again soon, or take the vault down. A wait spoils no page, other faults do."""
        turn = turn_of(record, self.name)
        again = retry_after(
            fault,
            turn,
            began=began_at(turn, answer.request),
            interval=self.interval,
            name=subject,
            now=now.monotonic,
        )
        again = again._replace(hung=hangs(fault))
        if not again.ends:
            return Applied({}, again)
        kept = record.listing if fault.kind is ErrorKind.THROTTLED else None
        failed = replace(down(record, fault), listing=kept)
        return Applied({subject: failed}, again, show=frozenset({subject}))
