"""The file itself: what it keeps, and that no fault of it reaches anybody."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import StateError
from exporter.state import StateKeeper, StoredVault
from exporter.state.store import StateStore
from tests.builders import NOW, a_detail, a_history, a_job
from tests.processes import ROOT
from tests.state.raw_files import raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.backup.model import BackupJob

LONG_AGO = NOW - timedelta(days=35)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def a_vault(*jobs: BackupJob, vault_id: str = "v", **changes: Any) -> StoredVault:
    history = replace(a_history(*jobs), read_at=None, full_read_at=None)
    stored = StoredVault(vault_id=vault_id, history=history, read_at=NOW)
    return replace(stored, **changes)


def save(path: Path, *vaults: StoredVault) -> StateStore:
    store = StateStore(path)
    store.save(vaults, forget_before=LONG_AGO)
    return store


def load(path: Path, *vault_ids: str) -> dict[str, StoredVault]:
    return StateStore(path).load(vault_ids or ["v"]).vaults


def test_what_is_saved_is_loaded(path: Path) -> None:
    first = a_vault(a_job("1", detail=a_detail()), a_job("2", status="Failed"))
    second = a_vault(a_job("1"), vault_id="w", read_at=NOW - timedelta(microseconds=1))

    save(path, first, second)

    assert load(path, "v", "w", "x") == {"v": first, "w": second}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["state.db"]


def test_a_save_replaces_what_was_saved_before(path: Path) -> None:
    store = save(path, a_vault(*(a_job(str(i)) for i in range(50))))
    newer = a_vault(a_job("7", detail=a_detail()), a_job("99"), read_at=NOW + timedelta(hours=1))

    store.save([newer], forget_before=LONG_AGO)

    assert load(path) == {"v": newer}


def test_a_vault_that_nobody_reads_is_forgotten_in_time(path: Path) -> None:
    forgotten, kept = (
        a_vault(a_job(), vault_id="old", read_at=LONG_AGO - timedelta(microseconds=1)),
        a_vault(a_job(), vault_id="new", read_at=LONG_AGO),
    )
    save(path, forgotten, kept)

    assert load(path, "old", "new") == {"new": kept}
    with raw(path) as db:
        assert db.execute("SELECT count(DISTINCT vault) FROM record").fetchone() == (1,)


def test_two_exporters_may_share_a_file(path: Path) -> None:
    """Whoever finds that the other has written a vault writes it whole, so it is never a mix."""
    stores = [StateStore(path), StateStore(path)]
    vaults = [a_vault(a_job(str(i))) for i in range(4)]

    for i, vault in enumerate(vaults):
        stores[i % 2].save([vault, a_vault(vault_id=f"own{i % 2}")], forget_before=LONG_AGO)
        assert load(path) == {"v": vault}
    assert load(path, "own0", "own1").keys() == {"own0", "own1"}


def test_two_exporters_that_write_at_once_wait_for_each_other(path: Path) -> None:
    def write(number: int) -> None:
        store = StateStore(path)
        for i in range(20):
            store.save([a_vault(a_job(str(i)), vault_id=str(number))], forget_before=LONG_AGO)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    loaded = load(path, "0", "1", "2")
    assert [vault.history.jobs.keys() for vault in loaded.values()] == [{"19"}] * 3


WRITER = """
import sys
from datetime import timedelta
from pathlib import Path
from exporter.backup.history import History
from exporter.state import StoredVault
from exporter.state.store import StateStore
from tests.builders import NOW, a_detail, a_job
store = StateStore(Path(sys.argv[1]))
store.load(["v"])
n = int(sys.argv[2])
while True:
    print(n, flush=True)
    n += 1
    jobs = {str(i): a_job(str(i), detail=a_detail()) for i in range(n, n + 200)}
    vault = StoredVault(
        vault_id="v",
        history=History(jobs=jobs),
        read_at=NOW + timedelta(seconds=n),
    )
    store.save([vault], forget_before=NOW - timedelta(days=35))
"""


def test_a_kill_at_any_moment_loses_nothing_recorded(path: Path) -> None:
    """A number is printed once the save before it is recorded."""
    chance = random.Random(1)  # noqa: S311 - no secret
    recorded = 0
    for turn in range(10):
        with subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", WRITER, str(path), str(recorded)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout
            for _ in range(1 + turn % 4):
                recorded = int(writer.stdout.readline())
            time.sleep(chance.uniform(0, 0.02))
            writer.kill()
            for line in writer.stdout:
                recorded = int(line)

        loaded = StateStore(path).load(["v"])
        found = 0
        if loaded.vaults:
            found = round((loaded.vaults["v"].read_at - NOW).total_seconds())
            jobs = loaded.vaults["v"].history.jobs
            assert jobs.keys() == {str(i) for i in range(found, found + 200)}
            assert all(job.detail == a_detail() for job in jobs.values())
        assert found in (recorded, recorded + 1)
        assert not loaded.unreadable
        recorded = found


def not_a_database(path: Path) -> None:
    path.write_text("azure: {}\n")


def foreign(path: Path) -> None:
    with raw(path) as db:
        db.execute("CREATE TABLE songs (title)")


def newer(path: Path) -> None:
    save(path, a_vault(a_job()))
    with raw(path) as db:
        db.execute("PRAGMA user_version = 99")


def a_directory(path: Path) -> None:
    path.mkdir()


def other_tables(path: Path) -> None:
    save(path)
    with raw(path) as db:
        db.execute("ALTER TABLE vault RENAME TO vaults")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (not_a_database, "file is not a database. What to do: this is no state file; remove it"),
        (foreign, "another program's database. What to do: this is no state file; remove it"),
        (newer, "its format is 99, .* reads 4. What to do: use the version that wrote it, remove"),
        (a_directory, "unable to open database file. What to do: create its directory"),
        (other_tables, "no such table: vault. What to do: remove it"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_file_that_cannot_be_read_is_left_as_it_is(
    path: Path, spoil: Callable[[Path], None], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be another program's, or that of a newer version one has gone back from."""
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""
    keeper = StateKeeper(path)

    assert keeper.load(["v"]) == {}
    for _ in range(3):
        keeper.put(a_vault(a_job()), forget_before=LONG_AGO)
        keeper.flush()

    assert before == (path.read_bytes() if path.is_file() else b"")
    [record] = caplog.records
    assert str(path) in record.getMessage()
    with pytest.raises(StateError, match=told):
        StateStore(path).load(["v"])


@pytest.mark.parametrize("size", [100, 600, 4096, 5000, 20000])
def test_a_truncated_file_is_set_aside_and_begun_anew(
    path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    save(path, a_vault(*(a_job(str(i), detail=a_detail()) for i in range(200))))
    truncated = path.read_bytes()[:size]
    path.write_bytes(truncated)
    keeper = StateKeeper(path)

    assert keeper.load(["v"]) == {}
    keeper.put(a_vault(a_job()), forget_before=LONG_AGO)
    keeper.flush()

    assert load(path) == {"v": a_vault(a_job())}
    assert path.with_name("state.db.corrupt").read_bytes() == truncated
    [record] = caplog.records
    assert "state.db.corrupt" in record.getMessage()


def test_a_file_of_zeros_is_set_aside_and_begun_anew(path: Path) -> None:
    """So a loss of power can leave it."""
    path.write_bytes(bytes(8192))
    keeper = StateKeeper(path)

    assert keeper.load(["v"]) == {}
    keeper.put(a_vault(a_job()), forget_before=LONG_AGO)
    keeper.flush()

    assert load(path) == {"v": a_vault(a_job())}


def test_text_nested_too_deeply_is_left_out(path: Path) -> None:
    save(path, a_vault(a_job("1"), a_job("2")), a_vault(a_job(), vault_id="w"))
    deep = "[" * 100_000
    with raw(path) as db:
        db.execute("UPDATE record SET body = ? WHERE key = ?", (deep, json.dumps("1")))
        db.execute("UPDATE vault SET read_at = ? WHERE id = 'w'", (deep,))

    loaded = StateStore(path).load(["v", "w"])

    assert loaded.vaults["v"].history.jobs.keys() == {"2"}
    assert loaded.vaults.keys() == {"v"}
    assert loaded.unreadable == 2


def test_what_could_not_be_written_is_tried_again_at_the_end(path: Path) -> None:
    keeper = StateKeeper(path)
    save(path, a_vault())
    with raw(path) as db:
        db.execute("BEGIN EXCLUSIVE")
        keeper.put(a_vault(a_job()), forget_before=LONG_AGO)
        keeper.flush()
        db.execute("ROLLBACK")

    keeper.flush()

    assert load(path) == {"v": a_vault(a_job())}


def test_without_a_thread_nothing_is_lost_but_time(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A container may have a limit of processes."""
    keeper = StateKeeper(path)

    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr("exporter.state.keeper.start_thread", no_thread)
        keeper.put(a_vault(a_job()), forget_before=LONG_AGO)
        keeper.flush()
    keeper.flush()

    assert load(path) == {"v": a_vault(a_job())}
    assert "cannot be written: can't start new thread" in caplog.text


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.touch()

    assert load(path) == {}
    save(path, a_vault(a_job()))
    assert load(path) == {"v": a_vault(a_job())}


@pytest.mark.parametrize("seed", range(20))
def test_a_file_with_flipped_bytes_never_breaks_anything(path: Path, seed: int) -> None:
    store = save(path, a_vault(*(a_job(str(i), detail=a_detail()) for i in range(30))))
    chance = random.Random(seed)  # noqa: S311 - no secret
    content = bytearray(path.read_bytes())
    for _ in range(40):
        content[chance.randrange(len(content))] = chance.randrange(256)
    path.write_bytes(content)

    keeper = StateKeeper(path)
    keeper.load(["v"])
    keeper.put(a_vault(a_job()), forget_before=LONG_AGO)
    keeper.flush()
    try:
        store.save([a_vault(a_job())], forget_before=LONG_AGO)
    except StateError as error:
        assert str(path) in str(error)  # noqa: PT017 - either is well


def test_a_damaged_record_is_left_out_and_then_gone(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(path, a_vault(a_job("1"), a_job("2")))
    with raw(path) as db:
        db.execute("UPDATE record SET body = '{' WHERE key = ?", (json.dumps("1"),))
    keeper = StateKeeper(path)

    loaded = keeper.load(["v"])["v"]
    keeper.put(loaded, forget_before=LONG_AGO)
    keeper.flush()

    assert loaded.history.jobs.keys() == {"2"}
    assert [record.getMessage()[:9] for record in caplog.records] == ["1 records"]
    assert StateStore(path).load(["v"]).unreadable == 0


@pytest.mark.parametrize("read_at", ["soon", "2026-03-10T12:00:00", b"\xff"])
def test_a_vault_whose_own_facts_are_damaged_is_left_out(path: Path, read_at: object) -> None:
    save(path, a_vault(a_job()), a_vault(a_job(), vault_id="w"))
    with raw(path) as db:
        db.execute("UPDATE vault SET read_at = ? WHERE id = 'v'", (read_at,))

    loaded = StateStore(path).load(["v", "w"])

    assert list(loaded.vaults) == ["w"]
    assert loaded.unreadable == 1


@contextmanager
def limited(monkeypatch: pytest.MonkeyPatch, pragma: str) -> Iterator[None]:
    """SQLite itself refuses, as on a full or read-only disk; tests may run as root."""
    connect = sqlite3.connect

    def refusing(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.execute(pragma)
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", refusing)
        yield


@pytest.mark.parametrize(
    ("pragma", "told"),
    [
        ("PRAGMA max_page_count = 6", "full. What to do: make room on its disk"),
        ("PRAGMA query_only = ON", "readonly database. What to do: let this user write"),
    ],
)
def test_a_disk_that_takes_nothing_is_told_once_and_tried_again(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    pragma: str,
    told: str,
) -> None:
    caplog.set_level("INFO")
    save(path, a_vault(a_job()))
    keeper = StateKeeper(path)
    with limited(monkeypatch, pragma):
        known = keeper.load(["v"])
        for n in range(3):
            many = (a_job(str(i), detail=a_detail()) for i in range(n * 50 + 50))
            keeper.put(a_vault(*many), forget_before=LONG_AGO)
            keeper.flush()
    assert load(path) == known == {"v": a_vault(a_job())}
    [record] = caplog.records
    assert told in record.getMessage()

    keeper.put(a_vault(vault_id="w"), forget_before=LONG_AGO)
    keeper.flush()

    assert len(load(path)["v"].history.jobs) == 150, "what could not be written waits"
    assert caplog.records[-1].getMessage() == "the state file is written again"


def test_a_missing_directory_is_told_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "missing" / "state.db"
    keeper = StateKeeper(path)

    assert keeper.load(["v"]) == {}
    keeper.put(a_vault(a_job()), forget_before=LONG_AGO)
    keeper.flush()
    [record] = caplog.records
    assert "No such file or directory. What to do: create its directory" in record.getMessage()

    path.parent.mkdir()
    keeper.put(a_vault(a_job()), forget_before=LONG_AGO)
    keeper.flush()
    assert load(path)


def test_a_removed_file_is_written_anew(path: Path) -> None:
    store = save(path, a_vault(a_job()))
    path.unlink()

    store.save([a_vault(a_job())], forget_before=LONG_AGO)

    assert load(path) == {"v": a_vault(a_job())}


def test_a_locked_file_is_not_read_and_never_overwritten(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(path, a_vault(a_job()))
    keeper = StateKeeper(path)
    with raw(path) as db:
        db.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        assert keeper.load(["v"]) == {}
        assert time.monotonic() - started < 3

    keeper.put(a_vault(), forget_before=LONG_AGO)
    keeper.flush()

    assert load(path) == {"v": a_vault(a_job())}
    [record] = caplog.records
    assert "locked. What to do: another process holds it" in record.getMessage()


def test_an_error_of_our_own_ends_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keeper = StateKeeper(path)
    for _ in range(2):
        keeper.put(a_vault(vault_id="\ud800"), forget_before=LONG_AGO)
        keeper.flush()

    assert caplog.records[0].getMessage() == "writing the state file broke"
