"""Which item an alert is about where several share a name, and what outlives the exporter's memory.

Each test says for every hour or so which items an alert is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from deploy.prometheus.generate import SETTINGS, rules
from tests.stack.test_rules import (
    DAY,
    RULES,
    VAULT,
    Series,
    item,
    may_be_old,
    own,
    promtool,
    series,
    sql,
    vault,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

HOUR = 60
SHARE = {"backup_management_type": "AzureStorage", "item": "data"}


def days(number: float) -> float:
    return number * 24 * 60 * 60


def about(minute: int, alert: str, by: str, *expected: str) -> dict[str, Any]:
    """At this minute the alert fires for these values of a label, and for no others."""
    return {
        "expr": f'count by ({by}) (ALERTS{{alertname="{alert}", alertstate="firing"}})',
        "eval_time": f"{minute}m",
        "exp_samples": [
            {"labels": f'{{{by}="{one}"}}' if one else "{}", "value": 1} for one in expected
        ],
    }


def nightly(number: int, **more: str) -> Series:
    """A nightly backup is late beyond 30 hours."""
    return may_be_old(30 * 60 * 60, number, **more)


def hold(
    alert: str,
    given: Iterable[Series],
    checks: list[dict[str, Any]],
    tmp_path: Path,
    *,
    every: str = "1m",
) -> None:
    test = {"interval": every, "input_series": list(given), "promql_expr_test": checks}
    promtool([test], tmp_path, alert=alert, every=every)


def namesakes(family: str, values: Mapping[str, str], **more: str) -> list[Series]:
    """Items of one name in several containers."""
    return [item(family, one, protection_container=name, **more) for name, one in values.items()]


@pytest.mark.parametrize(
    ("alert", "given"),
    [
        (
            "AzureBackupFailsRepeatedly",
            namesakes("consecutive_failures", {"one": "4x90", "two": "4x90"}, **SHARE),
        ),
        (
            "AzureBackupLate",
            [
                *namesakes(
                    "last_success_timestamp_seconds",
                    {"one": f"{-days(5)}x90", "two": f"{-days(5)}x90"},
                    **SHARE,
                ),
                *(nightly(90, protection_container=name, **SHARE) for name in ("one", "two")),
            ],
        ),
        (
            "AzureBackupNeverSucceeded",
            namesakes("consecutive_failures", {"one": "1x90", "two": "1x90"}, **SHARE),
        ),
        (
            "AzureBackupJobFailed",
            namesakes("last_job_status", {"one": "1x90", "two": "1x90"}, **SHARE, status="Failed"),
        ),
        (
            "AzureBackupCompletedWithWarnings",
            namesakes(
                "last_job_status",
                {"one": "1x90", "two": "1x90"},
                **SHARE,
                status="CompletedWithWarnings",
            ),
        ),
        (
            "AzureBackupTaskNotCompleted",
            [
                *namesakes(
                    "last_job_status", {"one": "1x90", "two": "1x90"}, **SHARE, status="Completed"
                ),
                *namesakes(
                    "last_job_task_status",
                    {"one": "1x90", "two": "1x90"},
                    **SHARE,
                    task="Transfer",
                    step="2",
                    status="Failed",
                ),
            ],
        ),
    ],
)
def test_a_stop_mutes_what_was_stopped_and_nothing_of_the_same_name(
    alert: str, given: list[Series], tmp_path: Path
) -> None:
    """Also of an alert that fires already; a machine that was retired after a failure is quiet."""
    stop = item(
        "last_success_timestamp_seconds",
        f"_x80 {80 * 60}x10",
        **SHARE,
        protection_container="two",
        operation="DeleteBackupData",
    )
    by = "protection_container"
    checks = [about(79, alert, by, "one", "two"), about(89, alert, by, "one")]

    hold(alert, [*given, stop], checks, tmp_path)


def test_a_namesake_that_is_protected_anew_does_not_end_a_stop(tmp_path: Path) -> None:
    """A machine was moved to another group: backups of the new one say nothing of the old one."""
    late = "last_success_timestamp_seconds"
    given = [
        item(late, f"{-days(5)}x120", protection_container="old"),
        item(late, f"{-days(4)}x120", protection_container="old", operation="DisableBackup"),
        item(late, f"{-days(3)}x120", protection_container="new", operation="ConfigureBackup"),
        item(late, f"{-days(2)}x120", protection_container="new"),
        item("last_job_start_timestamp_seconds", "0x120", protection_container="new"),
        *(nightly(120, protection_container=name) for name in ("old", "new")),
    ]

    checks = [about(minute, "AzureBackupLate", "protection_container", "new") for minute in (9, 99)]
    hold("AzureBackupLate", given, checks, tmp_path)


@pytest.mark.parametrize(
    "again",
    [
        item("last_success_timestamp_seconds", f"_x30 {30 * 60}x90", operation="ConfigureBackup"),
        # Nothing but a failure shows that it is protected again.
        item("last_job_start_timestamp_seconds", f"{-days(9)}x30 {30 * 60}x90"),
    ],
    ids=["configured", "a backup begun"],
)
def test_what_is_protected_again_is_not_muted_any_more(again: Series, tmp_path: Path) -> None:
    given = [
        item("consecutive_failures", "3x120"),
        item("last_success_timestamp_seconds", f"{-days(4)}x120", operation="DisableBackup"),
        again,
    ]

    checks = [
        about(29, "AzureBackupFailsRepeatedly", "item"),
        about(40, "AzureBackupFailsRepeatedly", "item", "vm1"),
    ]
    hold("AzureBackupFailsRepeatedly", given, checks, tmp_path)


def test_a_backup_that_the_stop_has_cut_off_is_no_new_one(tmp_path: Path) -> None:
    """It began before the end of its protection and failed after it."""
    given = [
        item("last_job_status", "1x120", status="Failed"),
        item("last_job_start_timestamp_seconds", f"{-days(1)}x120"),
        item("last_job_end_timestamp_seconds", "600x120"),
        item("last_success_timestamp_seconds", "300x120", operation="DisableBackup"),
    ]

    checks = [about(90, "AzureBackupJobFailed", "item")]
    hold("AzureBackupJobFailed", given, checks, tmp_path)


def stop_of_a_database(values: str, operation: str = "DisableBackup") -> Series:
    return sql(
        "last_success_timestamp_seconds", values, protection_container="", operation=operation
    )


def test_a_stop_without_server_mutes_only_what_it_must_mean(tmp_path: Path) -> None:
    """The only server with such a database, but none of two."""
    failures = "consecutive_failures"
    both = [sql(failures, "3x60", protection_container=name, backup_type="Full") for name in "ab"]
    alert, by = "AzureBackupFailsRepeatedly", "protection_container"

    hold(alert, [*both[:1], stop_of_a_database("0x60")], [about(50, alert, by)], tmp_path)
    hold(alert, [*both, stop_of_a_database("0x60")], [about(50, alert, by, "a", "b")], tmp_path)


def test_a_failure_without_server_is_muted_with_the_only_server_that_it_can_mean(
    tmp_path: Path,
) -> None:
    """It failed before Azure knew its server, and was retired after that."""
    bare = sql("last_job_status", "1x60", protection_container="", status="Failed")
    known = [sql("consecutive_failures", "0x60", protection_container=name) for name in "ab"]
    stop = sql(
        "last_success_timestamp_seconds",
        "0x60",
        protection_container="a",
        operation="DeleteBackupData",
    )
    alert = "AzureBackupJobFailed"

    hold(alert, [bare, *known[:1], stop], [about(50, alert, "item")], tmp_path)
    hold(alert, [bare, *known, stop], [about(50, alert, "item", "db1")], tmp_path)


def test_protection_that_is_configured_somewhere_ends_every_stop_that_it_may_end(
    tmp_path: Path,
) -> None:
    """Loud where it is not certain: else a server is protected again and nobody hears of it."""
    given = [
        *(sql("consecutive_failures", "3x60", protection_container=name) for name in "ab"),
        *(
            sql(
                "last_success_timestamp_seconds",
                "0x60",
                protection_container=name,
                operation="DisableBackup",
            )
            for name in "ab"
        ),
        stop_of_a_database("_x20 1200x40", operation="ConfigureBackup"),
    ]
    alert, by = "AzureBackupFailsRepeatedly", "protection_container"

    checks = [about(19, alert, by), about(40, alert, by, "a", "b")]
    hold(alert, given, checks, tmp_path)


@pytest.mark.parametrize(
    ("running", "known", "fires"),
    [
        ("a", "a", False),
        ("b", "ab", True),
        # It does not say which server's it is.
        ("", "a", False),
        ("", "ab", True),
    ],
)
def test_only_a_backup_of_the_same_item_excuses_one_that_was_refused(
    running: str, known: str, fires: bool, tmp_path: Path
) -> None:
    place = {"protection_container": "a", "backup_type": "Full"}
    given = [
        sql("last_job_status", "1x60", **place, status="Failed"),
        sql("last_job_error_info", "1x60", **place, error_code="400249"),
        *(sql("consecutive_failures", "1x60", protection_container=name) for name in known),
        sql("job_status", "1x60", protection_container=running, status="InProgress", job_id="j"),
    ]
    alert = "AzureBackupJobFailed"

    checks = [about(50, alert, "item", *["db1"] * fires)]
    hold(alert, given, checks, tmp_path)


def test_what_is_usual_for_a_namesake_is_not_usual_for_the_item(tmp_path: Path) -> None:
    """One database takes ten hours each time, the other ten minutes: two hours are too long."""
    minutes = DAY + 4 * HOUR
    given = [
        *(
            sql("last_job_duration_seconds", f"{took}x{minutes}", protection_container=name)
            for name, took in (("slow", 36000), ("quick", 600))
        ),
        *(
            sql("last_job_status", f"1x{minutes}", protection_container=name, status="Completed")
            for name in ("slow", "quick")
        ),
        *(
            sql(
                "job_duration_seconds",
                f"_x{DAY} 0+60x240",
                protection_container=name,
                job_id=f"j-{name}",
            )
            for name in ("slow", "quick")
        ),
        *(
            sql(
                "job_status",
                f"_x{DAY} 1x240",
                protection_container=name,
                job_id=f"j-{name}",
                status="InProgress",
            )
            for name in ("slow", "quick")
        ),
    ]
    alert = "AzureBackupRunsTooLong"

    checks = [about(minutes - HOUR, alert, "protection_container", "quick")]
    hold(alert, given, checks, tmp_path)


def test_an_item_has_disappeared_though_a_namesake_is_there(tmp_path: Path) -> None:
    given = [
        vault("vault_up", f"1x{3 * DAY}"),
        item("last_job_end_timestamp_seconds", f"0x{3 * DAY}", protection_container="new"),
        item("last_job_end_timestamp_seconds", f"0x{2 * DAY}", protection_container="old"),
    ]
    alert = "AzureBackupItemDisappeared"

    checks = [about(2 * DAY + HOUR, alert, "protection_container", "old")]
    hold(alert, given, checks, tmp_path)


# What the exporter forgets. Scraped every five minutes here: days of minutes take long.

STEP = 5
A_DAY = DAY // STEP


def shown(family: str, values: str, **more: str) -> Series:
    return item(family, values, **more)


def backed_up(values: str, number: int, **more: str) -> list[Series]:
    """Shown for so many scrapes, with the age that is allowed."""
    return [shown("last_success_timestamp_seconds", values, **more), nightly(number, **more)]


def read(at_days: float, until: str = "") -> list[Series]:
    """The vault is shown, and was read at every scrape."""
    number = int(at_days * A_DAY)
    return [
        own("up", f"1x{number}"),
        vault("vault_refresh_interval_seconds", until or f"300x{number}"),
        vault("vault_up", f"1x{number}"),
        vault("vault_last_refresh_success_timestamp_seconds", f"0+{STEP * 60}x{number}"),
    ]


def minute(day: float) -> int:
    return int(day * DAY)


def test_a_late_backup_goes_on_when_the_exporter_has_forgotten_it(tmp_path: Path) -> None:
    """It was silently stopped; then the exporter was restarted without its state."""
    alert = "AzureBackupLate"
    given = [*read(12), *backed_up(f"0x{2 * A_DAY}", 2 * A_DAY)]

    checks = [
        about(minute(1), alert, "item"),
        *(about(minute(day), alert, "item", "vm1") for day in (1.5, 2.5, 4, 8, 12)),
    ]
    hold(alert, given, checks, tmp_path, every="5m")


def test_one_that_was_well_is_late_when_its_time_has_come_though_nothing_shows_it(
    tmp_path: Path,
) -> None:
    alert = "AzureBackupLate"
    given = [*read(3), *backed_up(f"0x{A_DAY // 2}", A_DAY // 2)]

    checks = [about(minute(1.2), alert, "item"), about(minute(1.5), alert, "item", "vm1")]
    hold(alert, given, checks, tmp_path, every="5m")


def test_a_forgotten_backup_is_late_by_the_limit_that_it_had(tmp_path: Path) -> None:
    """One may be two days old; the other never was late, though it was while it was shown first."""
    alert = "AzureBackupLate"
    whole = 2 * 24 * 60 * 60
    given = [
        *read(5),
        shown("last_success_timestamp_seconds", f"0x{A_DAY // 2}"),
        may_be_old(whole, A_DAY // 2),
        shown("last_success_timestamp_seconds", f"0x{3 * A_DAY}", item="vm2"),
        nightly(A_DAY // 2, item="vm2"),
    ]

    checks = [
        about(minute(1.9), alert, "item"),
        *(about(minute(day), alert, "item", "vm1") for day in (2.2, 3.5, 5)),
    ]
    hold(alert, given, checks, tmp_path, every="5m")


def test_a_backup_that_never_succeeded_goes_on_when_the_exporter_has_forgotten_it(
    tmp_path: Path,
) -> None:
    alert = "AzureBackupNeverSucceeded"
    given = [*read(6), shown("consecutive_failures", f"2x{A_DAY}")]

    checks = [about(minute(day), alert, "item", "vm1") for day in (0.5, 1.5, 3, 6)]
    hold(alert, given, checks, tmp_path, every="5m")


def test_what_fails_after_a_success_that_is_only_remembered_has_not_never_succeeded(
    tmp_path: Path,
) -> None:
    alert = "AzureBackupNeverSucceeded"
    given = [
        *read(3),
        shown("last_success_timestamp_seconds", f"0x{A_DAY}"),
        shown("consecutive_failures", f"0x{A_DAY} 2x{2 * A_DAY}"),
    ]

    hold(alert, given, [about(minute(day), alert, "item") for day in (2, 3)], tmp_path, every="5m")


def test_a_failure_under_a_short_name_is_not_remembered_beyond_the_success_under_the_full_one(
    tmp_path: Path,
) -> None:
    alert = "AzureBackupNeverSucceeded"
    given = [
        *read(3),
        sql("consecutive_failures", f"1x{A_DAY}", protection_container=""),
        sql("consecutive_failures", f"_x{A_DAY} 0x{2 * A_DAY}", backup_type="Full"),
        sql("last_success_timestamp_seconds", f"_x{A_DAY} 0x{2 * A_DAY}", backup_type="Full"),
    ]

    checks = [about(minute(0.5), alert, "item", "db1"), about(minute(2), alert, "item")]
    hold(alert, given, checks, tmp_path, every="5m")


def test_what_was_stopped_is_not_remembered_though_the_exporter_forgets_the_stop_first(
    tmp_path: Path,
) -> None:
    """The machine is retired: nothing pages about it weeks later."""
    alert = "AzureBackupLate"
    given = [
        *read(9),
        *backed_up(f"0x{6 * A_DAY}", 6 * A_DAY),
        shown(
            "last_success_timestamp_seconds",
            f"_x{A_DAY} {days(1)}x{3 * A_DAY}",
            operation="DeleteBackupData",
        ),
    ]

    checks = [about(minute(day), alert, "item") for day in (1.5, 3, 4.5, 5.5, 7, 9)]
    hold(alert, given, checks, tmp_path, every="5m")


def test_while_a_vault_is_down_nothing_becomes_late_and_nothing_late_is_forgotten(
    tmp_path: Path,
) -> None:
    """Unknown is not mended, nor is it broken: what is known is as old as the last read."""
    alert = "AzureBackupLate"
    number = 5 * A_DAY
    given = [
        own("up", f"1x{number}"),
        vault("vault_refresh_interval_seconds", f"300x{number}"),
        vault("vault_up", f"1x{2 * A_DAY} 0x{3 * A_DAY}"),
        vault(
            "vault_last_refresh_success_timestamp_seconds",
            f"0+{STEP * 60}x{2 * A_DAY} {days(2)}x{3 * A_DAY}",
        ),
        *backed_up(f"0x{2 * A_DAY}", 2 * A_DAY),
        *backed_up(f"{days(1.9)}x{2 * A_DAY}", 2 * A_DAY, item="vm2"),
    ]

    checks = [about(minute(day), alert, "item", "vm1") for day in (1.5, 2.5, 4, 5)]
    hold(alert, given, checks, tmp_path, every="5m")


def test_while_the_exporter_is_down_nothing_becomes_late(tmp_path: Path) -> None:
    """That is one alert, and not one for each item."""
    alert = "AzureBackupLate"
    given = [*read(1), *backed_up(f"{days(0.9)}x{A_DAY}", A_DAY)]

    hold(alert, given, [about(minute(day), alert, "item") for day in (2, 4)], tmp_path, every="5m")


def test_a_vault_that_is_not_shown_any_more_alerts_until_somebody_says_that_it_is_gone(
    tmp_path: Path,
) -> None:
    """Deleted under discovery, it was a warning for a day, and then nothing."""
    alert = "AzureBackupVaultDisappeared"
    given = [*read(20, until=f"300x{A_DAY} stale")]

    checks = [about(minute(day), alert, "vault", "v1") for day in (1.1, 2.5, 9, 20)]
    hold(alert, given, checks, tmp_path, every="5m")


def test_a_day_without_prometheus_forgets_no_vault(tmp_path: Path) -> None:
    """Nothing is recorded meanwhile: the expression is asked without its rule."""
    every = yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]
    [expr] = [rule["expr"] for rule in every if rule.get("record") == "azure_backup:known_vault"]
    recorded = series("azure_backup:known_vault", "1x30", VAULT)

    known = {"labels": recorded["series"], "value": 1}
    checks = [
        {"expr": expr, "eval_time": f"{DAY + 20}m", "exp_samples": [known]},
        {"expr": expr, "eval_time": f"{DAY + 60}m"},
    ]
    test = {"interval": "1m", "input_series": [recorded], "promql_expr_test": checks}
    promtool([test], tmp_path, alert="AzureBackupExporterDown", text="groups: []")


@pytest.mark.parametrize(
    ("gone", "fires"),
    [
        ([], ["v1"]),
        ([{"vault": "v.*", "resource_group": "rg1"}], []),
        ([{"vault": "v2"}], ["v1"]),
        ([{"vault": "v1", "item": "vm1"}], ["v1"]),
    ],
)
def test_a_vault_that_the_settings_name_as_gone_is_not_remembered(
    gone: list[dict[str, str]], fires: list[str], tmp_path: Path
) -> None:
    alert = "AzureBackupVaultDisappeared"

    checks = [about(minute(1.5), alert, "vault", *fires)]
    with_settings(gone, alert, read(2, until=f"300x{A_DAY} stale"), checks, tmp_path)


def test_an_item_that_the_settings_name_as_gone_is_watched_only_while_it_is_shown(
    tmp_path: Path,
) -> None:
    alert = "AzureBackupLate"
    given = [
        *read(3),
        *backed_up(f"0x{2 * A_DAY}", 2 * A_DAY),
        *backed_up(f"0x{2 * A_DAY}", 2 * A_DAY, item="vm2"),
    ]

    checks = [
        about(minute(1.5), alert, "item", "vm1", "vm2"),
        about(minute(3), alert, "item", "vm2"),
    ]
    with_settings([{"vault": "v1", "item": "vm1"}], alert, given, checks, tmp_path)


def with_settings(
    gone: list[dict[str, str]],
    alert: str,
    given: list[Series],
    checks: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    """Run with another setting than the shipped one."""
    settings = {**yaml.safe_load(SETTINGS.read_text("utf-8")), "gone": gone}
    test = {"interval": "5m", "input_series": given, "promql_expr_test": checks}
    promtool([test], tmp_path, alert=alert, every="5m", text=rules(settings))
