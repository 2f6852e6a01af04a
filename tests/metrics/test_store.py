"""The store: what did not change is not made again, and the page is as if it were built anew."""

from __future__ import annotations

import gzip
import re
import threading
import zlib
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.backup.rollup import roll_up
from exporter.errors import ErrorKind
from exporter.metrics.page import Body, Page, block, build_page, vault_blocks
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.snapshot import VaultSnapshot
from exporter.metrics.store import PageStore
from exporter.threads import run_all
from tests.builders import NOW, a_history, a_job, a_running_job, a_vault
from tests.builders import settings as core_settings
from tests.processes import wait_for

if TYPE_CHECKING:
    from exporter.backup.model import BackupJob, Vault

VAULTS = [a_vault(name=f"vault-{number}") for number in range(4)]


def a_snapshot(vault: Vault, *jobs: BackupJob, failures: int = 0) -> VaultSnapshot:
    """A whole snapshot in which every value that may change is the same number."""
    return VaultSnapshot(
        vault=vault,
        up=True,
        refresh_interval=timedelta(seconds=failures),
        refresh_duration=timedelta(seconds=failures),
        errors=dict.fromkeys(ErrorKind, failures),
        details_pending=failures,
        rollup=roll_up(vault, a_history(*jobs), NOW, core_settings()) if jobs else None,
    )


def a_store() -> PageStore:
    return PageStore(SelfMetrics(process=False))


def gzipped(body: Body) -> bytes:
    return b"".join(body.gzip(b"tail 1\n"))


def same(page: Page, *snapshots: VaultSnapshot) -> bool:
    """Whether it says so. Not byte for byte: isal may deflate the same text in another way."""
    anew = build_page(vault_blocks(snapshot) for snapshot in snapshots)
    return page.series == anew.series and all(
        gzip.decompress(gzipped(body))
        == zlib.decompress(gzipped(body), wbits=31)
        == plain(body)
        == plain(expected)
        for body, expected in ((page.text, anew.text), (page.openmetrics, anew.openmetrics))
    )


def plain(body: Body) -> bytes:
    return b"".join(body.plain(b"tail 1\n"))


jobs = st.lists(
    st.builds(
        a_job,
        st.sampled_from("123456"),
        item=st.sampled_from(["vm-1", "vm-2", 'vm-"3"']),
        status=st.sampled_from(["Completed", "Failed"]),
    )
    | st.builds(a_running_job, st.sampled_from("78")),
    max_size=4,
    unique_by=lambda job: job.job_id,
)
published = st.builds(
    lambda vault, jobs, failures: a_snapshot(vault, *jobs, failures=failures),
    st.sampled_from(VAULTS),
    jobs,
    st.integers(0, 2),
)
shown = st.lists(st.sampled_from(VAULTS), unique_by=lambda vault: vault.id)


@given(st.lists(published | shown, max_size=12))
def test_after_any_changes_the_page_is_as_if_built_anew(
    changes: list[VaultSnapshot | list[Vault]],
) -> None:
    store = a_store()
    publish = store.show(VAULTS)
    expected: dict[str, VaultSnapshot | None] = dict.fromkeys(vault.id for vault in VAULTS)
    for change in changes:
        if isinstance(change, list):
            publish = store.show(change)
            expected = {vault.id: expected.get(vault.id) for vault in change}
        elif change.vault.id in expected:
            publish(change)
            expected[change.vault.id] = change
        assert same(store.served, *filter(None, expected.values()))


def test_what_did_not_change_is_not_made_again() -> None:
    """A refresh without news costs a few samples about the vault, however many jobs it has."""
    job, running = a_job(), a_running_job()
    first = vault_blocks(a_snapshot(VAULTS[0], job, running))
    second = vault_blocks(a_snapshot(VAULTS[0], job, running, failures=1), first)
    kept = [old is new for old, new in zip(first.blocks, second.blocks, strict=True)]

    assert first.snapshot.rollup is not second.snapshot.rollup
    assert sum(kept) == len(kept) - 4

    other = vault_blocks(a_snapshot(VAULTS[1], job))
    page = build_page([first, other])
    after = build_page([second, other], page)
    assert [a is b for a, b in zip(page.columns, after.columns, strict=True)] == kept
    assert plain(after.text) == plain(build_page([second, other]).text) != plain(page.text)


def test_a_block_is_kept_when_only_its_neighbour_changes() -> None:
    """A job that runs on gets a longer duration; its status and start read as before."""
    first = vault_blocks(a_snapshot(VAULTS[0], a_running_job(duration_seconds=60.0)))
    second = vault_blocks(a_snapshot(VAULTS[0], a_running_job(duration_seconds=90.0)), first)
    changed = [old is not new for old, new in zip(first.blocks, second.blocks, strict=True)]

    assert sum(changed) == 1


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.text(), st.text(max_size=3), st.integers(0, 300_000)), min_size=1, max_size=4
    )
)
def test_plain_text_comes_back_in_portions(texts: list[tuple[str, str, int]]) -> None:
    """However well it was compressed: a client that does not read holds one portion only."""
    blocks = [block(text + filler * times) for text, filler, times in texts]
    expected = "".join(text + filler * times for text, filler, times in texts).encode()
    body = Body(tuple(blocks), 0, sum(piece.size for piece in blocks))
    portions = list(body.plain(b""))

    assert b"".join(portions) == expected
    assert body.size == len(expected)
    assert max(map(len, portions)) <= 64 * 1024


class CountingStore(PageStore):
    """Counts how often it builds."""

    builds = 0

    def _build(self) -> None:
        self.builds += 1
        super()._build()


def test_many_vaults_at_once_do_not_build_the_page_for_each() -> None:
    """At the start of 1,000 vaults; no scrape sees half a snapshot, and none is lost."""
    vaults = [a_vault(name=f"vault-{number:03}") for number in range(150)]
    store = CountingStore(SelfMetrics(process=False))
    publish = store.show(vaults)
    snapshots = [
        a_snapshot(vault, a_job(), failures=failures) for failures in range(3) for vault in vaults
    ]
    pages: list[Page] = []
    ended = threading.Event()

    def scrape() -> None:
        while not ended.is_set():
            if not pages or pages[-1] is not store.served:
                pages.append(store.served)
            ended.wait(0.001)

    scraper = threading.Thread(target=scrape)
    scraper.start()
    run_all("publish", publish, snapshots, threads=8)
    settled = store.page
    ended.set()
    scraper.join()

    assert same(settled, *(store.snapshots[vault.id] for vault in vaults))
    assert store.builds < len(snapshots) / 2
    assert len(pages) > 2
    for page in pages:
        numbers = defaultdict(set)
        pattern = r'(?:refresh_errors|pending|interval).*,vault="(.*?)".*\} (\d+)'
        for vault, number in re.findall(pattern, plain(page.text).decode()):
            numbers[vault].add(number)
        assert all(len(found) == 1 for found in numbers.values())


def test_what_is_put_off_comes_by_itself() -> None:
    """No later publication is needed."""
    vaults = [a_vault(name=f"vault-{number:03}") for number in range(150)]
    store = a_store()
    publish = store.show(vaults)
    for vault in vaults:
        publish(a_snapshot(vault))
    expected = len(vaults) * (2 * len(ErrorKind) + 5)
    wait_for("the page", lambda: store.served.series == expected)

    assert same(store.served, *store.snapshots.values())
