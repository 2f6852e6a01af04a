"""What the status page shows, before any HTML."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exporter.backup.lateness import AgeLimits, LatenessRule
from exporter.backup.model import JobError, Task
from exporter.backup.rollup import roll_up
from exporter.metrics.fill import FillProgress
from exporter.metrics.snapshot import Overview, SearchSnapshot, VaultSnapshot
from exporter.web.status.page import render
from exporter.web.status.query import Query
from exporter.web.status.view import PER_PAGE, StatusView, status_view
from tests.builders import (
    NOW,
    a_detail,
    a_history,
    a_job,
    a_running_job,
    a_vault,
    hours_ago,
    settings,
)
from tests.pages import a_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

DOWN = {"up": False, "failure": "403 Forbidden. What to do: assign a role."}


def a_view(*snapshots: VaultSnapshot, overview: Overview | None = None, **asked: Any) -> StatusView:
    return status_view(
        snapshots, overview or Overview(), Query(**asked), now=NOW, fill_left=timedelta(hours=2)
    )


def items(view: StatusView) -> Iterable[tuple[str, str]]:
    return [(line.item, line.health) for line in view.items.lines]


def test_all_is_well() -> None:
    view = a_view(a_snapshot(a_job()))

    assert view.tone == "good"
    assert view.verdict == (
        "The only item is well; the only vault is read and fresh, the oldest data 0 s old."
    )
    assert not view.items.lines


def test_a_vault_that_is_down_comes_first_with_its_fix() -> None:
    broken = a_snapshot(vault=a_vault(name="vault-z"), **DOWN)

    view = a_view(a_snapshot(a_job()), broken)

    assert view.verdict == "1 of 2 vaults cannot be read."
    [line, _] = view.vaults.lines
    assert (line.name, line.reason, line.fix) == ("vault-z", "403 Forbidden.", "assign a role.")


@pytest.mark.parametrize(("minutes", "tone"), [(15, "good"), (16, "bad")])
def test_data_are_old_beyond_three_intervals(minutes: int, tone: str) -> None:
    view = a_view(a_snapshot(a_job(), refreshed_at=NOW - timedelta(minutes=minutes)))

    assert view.tone == tone


def test_before_the_first_refresh_nothing_is_claimed() -> None:
    waiting = VaultSnapshot(vault=a_vault(), refresh_interval=timedelta(minutes=5))

    assert a_view(waiting).verdict == "0 of 1 vault read so far."
    assert a_view().verdict == "No vault is read."


def test_the_worst_comes_first_in_the_words_of_alerts_and_dashboards() -> None:
    in_a_row = [
        a_job(f"r{n}", item="again", protection_container="r", status=status, ended=hours_ago(n))
        for n, status in enumerate(["Cancelled", "Failed", "Failed", "Completed"], start=1)
    ]
    tasks = [
        Task(name=name, status=status, step=step, duration_seconds=None)
        for step, (name, status) in enumerate(
            [("Take Snapshot", "Completed"), ("Check", ""), ("Transfer", "Failed")], start=1
        )
    ]
    unfinished = a_detail(tasks=tuple(tasks))
    view = a_view(
        a_snapshot(
            a_job("t", item="kept", protection_container="t", detail=unfinished),
            a_job("w", item="warns", protection_container="w", status="CompletedWithWarnings"),
            a_job("l", item="late", protection_container="l", ended=hours_ago(55)),
            a_job("m", item="missed", protection_container="m", ended=hours_ago(31)),
            a_job("f1", item="fails", protection_container="f", ended=hours_ago(25)),
            a_job("f2", item="fails", protection_container="f", status="Failed"),
            a_job("c1", item="cancelled", protection_container="c", ended=hours_ago(25)),
            a_job("c2", item="cancelled", protection_container="c", status="Cancelled"),
            a_job("n", item="never", protection_container="n", status="Cancelled"),
            a_job(
                "s", item="restored", protection_container="s", operation="Restore", status="Failed"
            ),
            *in_a_row,
            a_job("o", item="well", protection_container="o"),
        )
    )

    assert [(line.item, line.health, line.tone) for line in view.items.lines] == [
        ("never", "Never succeeded", "bad"),
        ("again", "Fails repeatedly", "bad"),
        ("late", "Late", "bad"),
        ("restored", "Restore failed", "bad"),
        ("missed", "Missed", "warn"),
        ("fails", "Failed", "warn"),
        ("kept", "Task not completed", "warn"),
        ("warns", "Warnings", "warn"),
        ("cancelled", "Not completed", "warn"),
    ]
    assert view.items.lines[6].tasks == "Transfer: Failed"
    assert view.verdict == (
        "4 of 10 items are failing, 1 late, 1 with a missed backup, 1 with a task not completed,"
        " 1 with warnings and 1 not completed."
    )
    assert view.tone == "bad"


@pytest.mark.parametrize(
    ("operation", "hours", "health"),
    [
        ("DeleteBackupData", 23, ["Failed"]),
        ("DeleteBackupData", 25, []),
        ("Restore", 23, ["Restore failed"]),
        ("Restore", 25, []),
        ("Backup", 25, ["Never succeeded"]),
    ],
)
def test_an_operation_that_nobody_repeats_counts_for_a_day(
    operation: str, hours: float, health: list[str]
) -> None:
    job = a_job(operation=operation, status="Failed", ended=hours_ago(hours))

    assert [health for _, health in items(a_view(a_snapshot(job)))] == health


def test_a_backup_that_was_refused_because_another_one_runs_has_not_failed() -> None:
    refused = a_job("1", status="Failed", errors=(JobError("400249", ""),), ended=hours_ago(1))

    waiting = a_view(a_snapshot(refused, a_running_job("2")))

    assert items(waiting) == [("vm1", "Not completed")]
    assert items(a_view(a_snapshot(refused))) == [("vm1", "Never succeeded")]


@pytest.mark.parametrize(
    ("backup_type", "hours", "health"),
    [
        ("", 29.9, []),
        ("", 30.1, ["Missed"]),
        ("", 53.9, ["Missed"]),
        ("", 54.1, ["Late"]),
        ("Log", 2.4, []),
        ("Log", 3.9, ["Missed"]),
        ("Log", 4.1, ["Late"]),
        ("Full", 191, []),
        ("CopyOnlyFull", 191, []),
    ],
)
def test_late_depends_on_the_type_of_backup(
    backup_type: str, hours: float, health: list[str]
) -> None:
    view = a_view(a_snapshot(a_job(backup_type=backup_type, ended=hours_ago(hours))))

    assert [found for _, found in items(view)] == health


@pytest.mark.parametrize(
    ("warning", "critical", "health"),
    [(9, 12, "Late"), (9, None, "Missed"), (None, 9, "Late"), (11, 12, None), (None, None, None)],
)
def test_late_is_what_the_configuration_calls_late(
    warning: int | None, critical: int | None, health: str | None
) -> None:
    ages = [None if hours is None else timedelta(hours=hours) for hours in (warning, critical)]
    lateness = (LatenessRule(limits=AgeLimits(*ages)),)
    age = 13 if health == "Late" else 10
    vault, history = a_vault(), a_history(a_job(ended=hours_ago(age)))
    rollup = roll_up(vault, history, NOW, settings(lateness=lateness))

    assert [found for _, found in items(a_view(a_snapshot(rollup=rollup)))] == (
        [health] if health else []
    )


@pytest.mark.parametrize("status", ["Completed", "CompletedWithWarnings", "Failed"])
def test_an_item_whose_protection_was_stopped_is_neither_late_nor_failed(status: str) -> None:
    """Its end is news for a day, and then it is none."""
    old = a_job(ended=hours_ago(60), status=status)
    stopped = a_job("d", operation="DisableBackup", ended=hours_ago(20))
    long_ago = a_job("d", operation="DisableBackup", ended=hours_ago(30))
    begun_again = a_job("c", operation="ConfigureBackup", ended=hours_ago(10))

    assert items(a_view(a_snapshot(old, stopped))) == [("vm1", "Protection stopped")]
    assert not a_view(a_snapshot(old, long_ago)).items.lines
    every = a_view(a_snapshot(old, long_ago), show="all")
    assert {(line.health, line.tone) for line in every.items.lines} == {
        ("Ended", "plain"),
        ("Well", "good"),
    }
    assert a_view(a_snapshot(old, long_ago, begun_again)).items.lines


def test_a_failure_under_a_short_name_goes_when_the_full_name_has_succeeded() -> None:
    """FACTS 1.3: else it would stand for ever."""
    failed = a_job("1", item="msdb", protection_container="", status="Failed", ended=hours_ago(2))
    done = a_job(
        "2", item="msdb", protection_container="sql", backup_type="Full", ended=hours_ago(1)
    )

    assert items(a_view(a_snapshot(failed))) == [("msdb", "Never succeeded")]
    assert items(a_view(a_snapshot(failed, done))) == []


def test_thousands_of_items_come_in_pages() -> None:
    jobs = [
        a_job(str(n), item=f"vm{n:04}", protection_container=f"{n}", status="Failed")
        for n in range(250)
    ]
    vault = a_snapshot(*jobs)

    pages = [a_view(vault, page=number).items for number in (1, 2, 3, 99)]

    assert [len(page.lines) for page in pages] == [PER_PAGE, PER_PAGE, 50, 50]
    assert [(page.first, page.page, page.pages) for page in pages[1:]] == [
        (101, 2, 3),
        (201, 3, 3),
        (201, 3, 3),
    ]
    assert len({line.item for page in pages[:3] for line in page.lines}) == 250


def test_one_vault_and_all_its_items() -> None:
    other = a_snapshot(a_job(item="other"), vault=a_vault(name="vault-b"))

    view = a_view(a_snapshot(a_job()), other, vault="VAULT-B", show="all")

    assert items(view) == [("other", "Well")]
    assert a_view(other, vault="nope").summary == "No vault has the name nope."


def test_running_jobs_show_progress_and_what_is_left() -> None:
    detail = a_detail(progress_ratio=0.456, estimated_remaining_seconds=90.0)
    jobs = [a_running_job("a", detail=detail), a_running_job("b", started=hours_ago(3))]

    oldest, newest = a_view(a_snapshot(*jobs)).running.lines

    assert (oldest.since, oldest.percent, oldest.left) == ("3 h", "", "")
    assert (newest.since, newest.percent, newest.left) == ("30 min", "45", "1 min 30 s")


def _filling_of(overview: Overview) -> str:
    """While nobody can tell how long it takes."""
    return status_view([a_snapshot()], overview, Query(), now=NOW).filling


def test_searches_and_the_first_fill() -> None:
    search = SearchSnapshot(scope="/s", source="arm", up=False, failure="x. What to do: y.")
    fill = FillProgress(vaults=1000, read=300, details=40, ends_at=1.0)

    view = a_view(a_snapshot(), overview=Overview(searches=(search,), fill=fill))

    assert (view.tone, view.verdict) == ("bad", "A search for vaults fails.")
    assert [(line.scope, line.fix) for line in view.searches] == [("/s", "y.")]
    assert "300 of 1,000 vaults read, 40 details wait; about 2 h left" in view.filling
    endless = Overview(fill=replace(fill, read=1000, ends_at=None))
    assert "; no end is in sight: more jobs end" in _filling_of(endless)
    early = Overview(fill=replace(fill, ends_at=None))
    assert _filling_of(early).endswith("; the time left is not known yet.")
    done = replace(fill, done=True)
    assert not a_view(a_snapshot(), overview=Overview(fill=done)).filling


def test_links_to_the_portal_only_where_there_is_one() -> None:
    vault = a_snapshot(a_job(status="Failed"))

    [line] = a_view(vault, overview=Overview(portal="https://portal.example")).items.lines

    assert line.jobs.startswith("https://portal.example/#@/resource/subscriptions/")
    assert line.jobs.endswith("/vaults/vault-a/backupJobs")
    assert b"portal" not in render(a_view(vault), telemetry_path="/metrics")


@pytest.mark.parametrize("text", ["-1", "x", "", "9" * 5000, "\u0663", "1.5"])
def test_nonsense_in_the_address_is_no_error(text: str) -> None:
    query = Query.read(lambda name: text)

    assert 1 <= query.page <= 999_999
    assert query.refresh <= 3600


def test_links_keep_what_was_asked() -> None:
    query = Query(vault="a b&c", page=2)

    assert query.link(page=3) == "/?vault=a+b%26c&page=3"
    assert Query().link() == "/"


def test_a_failure_under_a_shorter_name_does_not_say_never() -> None:
    """A database's early failure lacks the host and the type of its good backups (FACTS 1.3)."""
    sql = {"backup_management_type": "AzureWorkload", "item": "msdb"}
    full = a_job("a", ended=hours_ago(9), protection_container="h", backup_type="Full", **sql)
    failed = a_job("b", protection_container="", status="Failed", **sql)

    assert items(a_view(a_snapshot(full, failed))) == [("msdb", "Failed")]
    assert items(a_view(a_snapshot(failed))) == [("msdb", "Never succeeded")]


FAILED = a_job("f", item="fails", protection_container="f", status="Failed", ended=hours_ago(2))
GOOD_BEFORE = a_job("g", item="fails", protection_container="f", ended=hours_ago(25))
WARNS = a_job("w", item="warns", protection_container="w", status="CompletedWithWarnings")
MISSED = a_job("m", item="missed", protection_container="m", ended=hours_ago(31))
LATE = a_job("l", item="late", protection_container="l", ended=hours_ago(60))
STOPS = a_job("d", item="gone", protection_container="d", operation="DeleteBackupData")
UNREAD = VaultSnapshot(vault=a_vault(name="new"), refresh_interval=timedelta(minutes=5))
FILLING = Overview(fill=FillProgress(vaults=3, read=3, details=7))
BROKEN = a_snapshot(vault=a_vault(name="vault-z"), **DOWN)


@pytest.mark.parametrize(
    ("snapshots", "overview", "tone", "sentence"),
    [
        (
            [a_snapshot(a_job()), a_snapshot(a_job(), vault=a_vault(name="b"))],
            Overview(),
            "good",
            "All 2 items are well; all 2 vaults are read and fresh, the oldest data 0 s old.",
        ),
        (
            [a_snapshot(a_job(), GOOD_BEFORE, FAILED)],
            Overview(),
            "warn",
            "1 of 2 items is failing.",
        ),
        ([a_snapshot(a_job(), LATE)], Overview(), "bad", "1 of 2 items is late."),
        (
            [a_snapshot(a_job(), MISSED)],
            Overview(),
            "warn",
            "1 of 2 items is with a missed backup.",
        ),
        ([a_snapshot(a_job(), WARNS)], Overview(), "warn", "1 of 2 items is with warnings."),
        ([a_snapshot(a_job(), STOPS)], Overview(), "bad", "1 of 2 items is stopped within a day."),
        (
            [a_snapshot(a_job(), LATE), BROKEN],
            Overview(),
            "bad",
            "1 of 2 items is late; 1 of 2 vaults cannot be read.",
        ),
        ([a_snapshot()], Overview(), "warn", "No finished job is known yet; the only vault is"),
        ([UNREAD], Overview(), "warn", "0 of 1 vault read so far."),
        ([], Overview(), "warn", "No vault is read."),
        (
            [a_snapshot(a_job(), WARNS), UNREAD],
            Overview(),
            "warn",
            "1 of 2 vaults read so far; 1 of 2 items is with warnings.",
        ),
        ([a_snapshot(a_job(), LATE), UNREAD], Overview(), "bad", "1 of 2 items is late."),
        (
            [a_snapshot(a_job())],
            FILLING,
            "warn",
            "The first fill goes on, 7 details still wait.",
        ),
        (
            [a_snapshot(a_job())],
            Overview(reload_failure="config.yaml: 1 problem(s)", reload_failed_at=hours_ago(1)),
            "warn",
            "The new configuration cannot be used, and the old one goes on.",
        ),
    ],
)
def test_the_first_sentence_is_the_worst_of_backups_and_vaults(
    snapshots: list[VaultSnapshot], overview: Overview, tone: str, sentence: str
) -> None:
    view = a_view(*snapshots, overview=overview)
    page = render(view, telemetry_path="/metrics").decode()

    assert view.tone == tone
    assert view.verdict.startswith(sentence)
    assert f"<title>{view.verdict}" in page
    assert f'<div class="verdict {tone}">' in page
    assert ("are read and fresh" in view.verdict or "is read and fresh" in view.verdict) is (
        "well" in view.verdict or "No finished" in view.verdict
    )


def test_what_one_vault_is_like_changes_nothing_of_the_first_sentence() -> None:
    other = a_snapshot(a_job(), vault=a_vault(name="b"))
    late = a_snapshot(LATE)

    view = a_view(late, other, vault="b")

    assert view.verdict == "1 of 2 items is late."
    assert view.summary == "1 item in b, all well."


def test_vaults_that_fail_for_one_reason_are_one_row() -> None:
    def down(name: str, failure: str) -> VaultSnapshot:
        vault = a_vault(name=name)
        return a_snapshot(vault=vault, up=False, failure=failure.format(path=vault.path.upper()))

    refused = "network: connection refused. What to do: check DNS."
    forbidden = "403 no right over {path}. What to do: assign a role on {path}."
    vaults = [down(f"n{n}", refused) for n in range(10)] + [down(f"f{n}", forbidden) for n in "ab"]

    view = a_view(*vaults, down("other", "timeout. What to do: wait."), a_snapshot(a_job()))

    rows = [(line.many or line.name, line.reason, line.fix) for line in view.vaults.lines]
    assert rows == [
        ("2 vaults", "403 no right over each of them.", "assign a role on each of them."),
        ("10 vaults", "network: connection refused.", "check DNS."),
        ("other", "timeout.", "wait."),
        ("vault-a", "", ""),
    ]
    page = render(view, telemetry_path="/metrics").decode()
    assert "n0, n1, n2, n3, n4, n5, n6, n7, n8, n9" in page


def test_a_configuration_that_cannot_be_used_is_told_with_its_problems() -> None:
    fault = "config.yaml: 1 problem(s)\n  azur: unknown key; did you mean <azure>?"
    overview = Overview(reload_failure=fault, reload_failed_at=hours_ago(0.5))

    page = render(a_view(a_snapshot(a_job()), overview=overview), telemetry_path="/m").decode()

    assert "For 30 min the new configuration could not be used" in page
    assert "did you mean &lt;azure&gt;?" in page


def test_a_long_reason_folds_and_a_short_one_does_not() -> None:
    long = a_snapshot(vault=a_vault(name="l"), up=False, failure="x" * 500 + ". What to do: y.")
    short = a_snapshot(vault=a_vault(name="s"), up=False, failure="403. What to do: z.")

    page = render(a_view(long, short), telemetry_path="/metrics").decode()

    assert f"<summary><bdi>{'x' * 120} …</bdi></summary><bdi>{'x' * 500}.</bdi>" in page
    assert "<small><bdi>403.</bdi></small>" in page
    assert page.index("<b>What to do:</b> <bdi>y.</bdi>") < page.index("x" * 500)


def test_names_cannot_turn_the_text_beside_them() -> None:
    r"""As an escape, and not as a character that is left out: ``a\u200b`` is not ``a``."""
    vault = a_vault(name="v\u2066w", resource_group="g\u200bh")
    snapshot = a_snapshot(a_job(item="vm\u202e<b>", status="Failed"), vault=vault)

    page = render(a_view(snapshot), telemetry_path="/metrics").decode()

    assert r"<bdi>vm\u202e&lt;b&gt;</bdi>" in page
    assert r"<bdi>v\u2066w</bdi>" in page
    assert r"<bdi>g\u200bh</bdi>" in page
    assert not set("\u202e\u2066\u200b") & set(page)


def test_a_name_that_was_asked_for_can_be_asked_for_again() -> None:
    page = render(a_view(vault="v\u2066&"), telemetry_path="/metrics").decode()

    assert 'value="v\u2066&amp;"' in page
