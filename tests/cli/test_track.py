"""``track`` as a person and as a script run it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from exporter.simulator import HttpError, Simulator, Throttled, sized_fleet
from exporter.simulator.readings import operation
from tests.processes import IDS, ROOT, run, wait_for
from tests.steering import config_text
from tests.terminals import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = "8bd90a9b-9246-4368-be42-5a4bf178ab76"
OPERATION = "8e763e37-591e-4250-a53b-885cb3764b22"
QUICK = "--interval=100ms"


@pytest.fixture
def azure() -> Iterator[Simulator]:
    with Simulator(fleet=sized_fleet(vaults=1, jobs=4)) as simulator:
        yield simulator


@pytest.fixture
def track(azure: Simulator, tmp_path: Path) -> list[str]:
    """Command and flags but for what is followed."""
    path = tmp_path / "config.yaml"
    path.write_text(config_text(azure))
    return ["track", f"--config.file={path}", f"--vault={azure.vault_ids[0]}", QUICK]


def a_reading(status: str = "InProgress", name: str = JOB, **properties: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "Microsoft.RecoveryServices/vaults/backupJobs",
        "properties": {
            "operation": "Restore",
            "entityFriendlyName": "vm-1",
            "status": status,
            "startTime": "2024-06-11T08:18:22Z",
            **properties,
        },
    }


def progress(percent: float, status: str = "InProgress") -> dict[str, Any]:
    return {
        "tasksList": [{"taskId": "Transfer data from vault", "status": status}],
        "progressPercentage": percent,
        "estimatedRemainingDuration": "PT2M",
    }


def put_job(azure: Simulator, *readings: dict[str, Any], name: str = JOB) -> None:
    azure.put_readings(f"{azure.vault_ids[0]}/backupJobs/{name}", readings)


def put_operation(azure: Simulator, *bodies: Any, **headers: str) -> None:
    path = f"{azure.vault_ids[0]}/backupOperations/{OPERATION}"
    renamed = {name.replace("_", "-"): value for name, value in headers.items()}
    azure.put_readings(path, bodies, headers=renamed)


@pytest.mark.parametrize(
    ("status", "code"),
    [("Completed", 0), ("CompletedWithWarnings", 3), ("Failed", 4), ("Cancelled", 5), ("Odd", 1)],
)
def test_the_exit_code_says_how_the_job_ended(
    azure: Simulator, track: list[str], status: str, code: int
) -> None:
    put_job(azure, a_reading(), a_reading(status, endTime="2024-06-11T09:00:00Z"))
    ended = run(*track, f"--job={JOB.upper()}", **azure.identity_environ)

    assert (ended.returncode, ended.stderr) == (code, "")
    assert ended.stdout.splitlines()[-1].endswith(status)


def test_without_a_terminal_there_is_a_line_for_each_change(
    azure: Simulator, track: list[str]
) -> None:
    error = {"errorCode": 7, "errorString": "No disk.", "recommendations": ["Add one."]}
    put_job(
        azure,
        a_reading(extendedInfo=progress(1.0)),
        a_reading(extendedInfo=progress(1.0)),
        a_reading(extendedInfo=progress(51.07)),
        a_reading(
            "Failed", duration="PT1H2M", extendedInfo=progress(60, "Failed"), errorDetails=[error]
        ),
    )
    ended = run(*track, f"--job={JOB}", **azure.identity_environ)

    assert [line.partition(" ")[2] for line in ended.stdout.splitlines()] == [
        f"Restore of vm-1, job {JOB}",
        "InProgress",
        "1. Transfer data from vault: InProgress",
        "1 %, about 2 min left",
        "51 %, about 2 min left",
        "Failed",
        "1. Transfer data from vault: Failed",
        "60 %",
        "Failed after 1 h 2 min",
        "error 7 No disk.",
        "  Azure recommends: Add one.",
    ]
    assert "\x1b" not in ended.stdout


def test_an_operation_is_followed_to_its_job(azure: Simulator, track: list[str]) -> None:
    properties = {"objectType": "OperationStatusJobExtendedInfo", "jobId": JOB}
    put_operation(
        azure,
        operation(OPERATION, "InProgress"),
        operation(OPERATION, "Succeeded", properties=properties),
    )
    put_job(azure, a_reading("Completed"))
    azure.inject(HttpError("job_not_found"), job_id=JOB, times=1)
    ended = run(*track, f"--operation={OPERATION}", **azure.identity_environ)

    assert ended.returncode == 0
    said = [line.partition(" ")[2] for line in ended.stdout.splitlines()]
    assert said[:2] == ["operation: InProgress", "operation: Succeeded"]
    assert said[-1] == "Completed"


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (operation(OPERATION, "Succeeded"), 0, "the operation has no job"),
        (operation(OPERATION, "Canceled"), 5, "operation: Canceled"),
        (
            operation(OPERATION, "Failed", error={"code": "C", "message": "why"}),
            4,
            "error C: why",
        ),
    ],
)
def test_operations_without_a_job(
    azure: Simulator, track: list[str], body: object, code: int, text: str
) -> None:
    put_operation(azure, body)
    ended = run(*track, f"--operation={OPERATION}", **azure.identity_environ)

    assert ended.returncode == code
    assert text in ended.stdout


def test_several_jobs_are_all_followed_and_the_worst_counts(
    azure: Simulator, track: list[str]
) -> None:
    properties = {
        "objectType": "OperationStatusJobsExtendedInfo",
        "jobIds": ["a", "b"],
        "failedJobsError": {},
    }
    put_operation(azure, operation(OPERATION, "Succeeded", properties=properties))
    put_job(azure, a_reading("Cancelled", "a"), name="a")
    put_job(azure, a_reading("CompletedWithWarnings", "b"), name="b")
    ended = run(*track, f"--operation={OPERATION}", **azure.identity_environ)

    assert ended.returncode == 5
    assert "job 2 of 2" in ended.stdout


def test_a_job_that_cannot_be_read_keeps_no_other_from_being_followed(
    azure: Simulator, track: list[str]
) -> None:
    put_operation(azure, operation(OPERATION, "Succeeded", properties={"jobIds": ["a", "b"]}))
    put_job(azure, a_reading("Completed", "a"), name="a")
    put_job(azure, a_reading("Completed", "b"), name="b")
    azure.inject(HttpError("forbidden"), api="detail", times=1)

    ended = run(*track, f"--operation={OPERATION}", **azure.identity_environ)

    assert ended.returncode == 1
    assert "assign the role Backup Reader" in ended.stderr
    assert re.search(f"\\(for Azure's support: {IDS}\\)\n", ended.stderr)
    assert "job 2 of 2" in ended.stdout
    assert "Completed" in ended.stdout


def test_the_script_of_file_recovery_is_never_printed(azure: Simulator, track: list[str]) -> None:
    properties = {
        "objectType": "OperationStatusProvisionILRExtendedInfo",
        "recoveryTarget": {"clientScripts": [{"scriptContent": "s3cret", "scriptNameSuffix": "p"}]},
    }
    put_operation(azure, operation(OPERATION, "Succeeded", properties=properties))
    ended = run(*track, f"--operation={OPERATION}", **azure.identity_environ)

    assert ended.returncode == 0
    assert "mounted for file recovery" in ended.stdout
    assert "s3cret" not in ended.stdout + ended.stderr


def test_a_signed_url_is_used_as_it_is(azure: Simulator, track: list[str]) -> None:
    """4 KB of signature (FACTS 12): a change of one character would be a 403."""
    path = (
        f"{azure.vault_ids[0]}/backupFabrics/Azure/protectionContainers/c;x"
        f"/protectedItems/VM;y/operationsStatus/{OPERATION}"
    )
    azure.put_readings(path, [operation(OPERATION, "Succeeded")])
    signature = "aB-_09" * 700
    query = f"api-version=2019-05-13-preview&t=638511948836822833&c={signature}&s=x%2By&h=z"
    ended = run(*track, f"--operation={azure.url}{path}?{query}", **azure.identity_environ)

    assert ended.returncode == 0
    (asked,) = (one for one in azure.requests if one.api == "operation")
    assert asked.path == path
    assert asked.query["c"] == signature
    assert asked.query["s"] == "x+y"
    assert "638511948836822833" not in ended.stdout + ended.stderr


def test_a_url_of_another_host_gets_no_token(azure: Simulator, track: list[str]) -> None:
    with Simulator(fleet=sized_fleet(vaults=1, jobs=1)) as other:
        url = f"{other.url}{azure.vault_ids[0]}/backupOperations/{OPERATION}?t=signed"
        ended = run(*track, f"--operation={url}", **azure.identity_environ)

        assert ended.returncode == 1
        assert "leads to another host" in ended.stderr
        assert f"--operation takes an id, or a URL of {azure.url};" in ended.stderr
        assert "azure.cloud" in ended.stderr
        assert "signed" not in ended.stderr
        assert other.requests == []


def test_results_without_a_body_are_waited_for(azure: Simulator, track: list[str]) -> None:
    """The URL of Location: 202 while it runs, then the job of a Backup vault."""
    vault = azure.vault_ids[0].replace(
        "Microsoft.RecoveryServices/vaults", "Microsoft.DataProtection/backupVaults"
    )
    job = f"{vault}/backupJobs/{JOB}"
    url = f"{vault}/operationResults/{OPERATION}"
    azure.put_readings(url, [None, {"objectType": "OperationJobExtendedInfo", "jobId": job}])
    reading = a_reading("Completed", backupInstanceFriendlyName="disk-1")
    reading["type"] = "Microsoft.DataProtection/backupVaults/backupJobs"
    azure.put_readings(job, [reading])
    track[2] = f"--vault={vault}"
    ended = run(
        *track, f"--operation={azure.url}{url}?api-version=2024-04-01", **azure.identity_environ
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"Restore of disk-1, job {JOB}" in ended.stdout
    assert [one.api for one in azure.requests][1:] == ["operation"] * 2 + ["backup_vault_job"]


def test_retry_after_of_azure_counts_more_than_the_interval(
    azure: Simulator, track: list[str]
) -> None:
    put_operation(
        azure,
        operation(OPERATION, "InProgress"),
        operation(OPERATION, "Succeeded"),
        Retry_After="2",
    )
    run(*track, f"--operation={OPERATION}", **azure.identity_environ)

    first, second = (one.at for one in azure.requests if one.api == "operation")
    assert second - first >= timedelta(seconds=2)


def test_a_429_and_a_fault_of_azure_are_waited_out(azure: Simulator, track: list[str]) -> None:
    put_job(azure, a_reading("Completed"))
    azure.inject(Throttled(timedelta(seconds=1)), times=1)
    ended = run(*track, f"--job={JOB}", **azure.identity_environ)

    assert ended.returncode == 0
    assert "the next look is in 1 s" in ended.stdout


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("forbidden", "assign the role Backup Reader on"),
        ("job_not_found", "lists the jobs there are"),
    ],
)
def test_a_fault_that_stays_ends_it_with_advice(
    azure: Simulator, track: list[str], kind: Any, advice: str
) -> None:
    azure.inject(HttpError(kind))
    ended = run(*track, f"--job={JOB}", **azure.identity_environ)

    assert ended.returncode == 1
    assert advice in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_backup_vault_needs_another_role(azure: Simulator, track: list[str]) -> None:
    azure.inject(HttpError("forbidden"))
    group = "/subscriptions/s/resourceGroups/g"
    track[2] = f"--vault={group}/providers/Microsoft.DataProtection/backupVaults/v"
    ended = run(*track, f"--job={JOB}", **azure.identity_environ)

    assert ended.returncode == 1
    assert "assign the role Reader on /subscriptions/s/" in ended.stderr


def test_a_terminal_shows_a_bar_and_the_tasks(azure: Simulator, track: list[str]) -> None:
    put_job(azure, a_reading(extendedInfo=progress(25)))
    with Terminal(*track, f"--job={JOB}", environment=azure.identity_environ) as terminal:
        terminal.see("Restore of vm-1", "━━━", "25 %", "Transfer data from vault", "about 2 min")
        bag = {"Backup Size": "20992 MB"}
        put_job(
            azure,
            a_reading("Completed", extendedInfo={**progress(100, "Completed"), "propertyBag": bag}),
        )
        terminal.see("100 %", "20.5 GiB")
        assert terminal.ended() == 0

    assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")


def test_on_a_dumb_terminal_changes_are_told_by_lines(azure: Simulator, track: list[str]) -> None:
    put_job(azure, a_reading(extendedInfo=progress(26.0)))
    environment = {**azure.identity_environ, "TERM": "dumb"}
    with Terminal(*track, f"--job={JOB}", environment=environment) as terminal:
        terminal.see("26 %, about 2 min left")
        terminal.press(b"\x03")
        assert terminal.ended() == 130

    assert "\x1b" not in terminal.raw


def test_ctrl_c_leaves_cleanly(azure: Simulator, track: list[str]) -> None:
    put_job(azure, a_reading())
    with Terminal(*track, f"--job={JOB}", environment=azure.identity_environ) as terminal:
        terminal.see("InProgress")
        terminal.press(b"\x03")
        assert terminal.ended() == 130

    assert "left; what runs in Azure goes on" in terminal.text
    assert "Traceback" not in terminal.text
    assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")


def test_sigterm_leaves_cleanly_too(azure: Simulator, track: list[str], tmp_path: Path) -> None:
    put_job(azure, a_reading())
    out = tmp_path / "out"
    with (
        out.open("w") as output,
        subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "exporter", *track, f"--job={JOB}"],
            cwd=ROOT,
            env=azure.identity_environ,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        wait_for("the job", lambda: "InProgress" in out.read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143

    assert "Traceback" not in out.read_text()


def test_recorded_sequences_replay(azure: Simulator, track: list[str], shared: Path) -> None:
    for folder in sorted((shared / "recorded/job-sequences").iterdir()):
        bodies = [json.loads(path.read_text())["body"] for path in sorted(folder.glob("*.json"))]
        put_job(azure, *bodies, name=bodies[0]["name"])
        ended = run(*track, f"--job={bodies[0]['name']}", **azure.identity_environ)

        assert (ended.returncode, ended.stderr) == (0, "")
        said = [line.partition(" ")[2] for line in ended.stdout.splitlines()]
        assert said[-1].startswith("Completed after ")


def test_a_restore_to_the_paired_region_is_followed_there(
    azure: Simulator, track: list[str]
) -> None:
    """Its job is no job of the vault (FACTS 2)."""
    subscription, _, _ = azure.vault_ids[0].partition("/resourceGroups")
    location = f"{subscription}/providers/Microsoft.RecoveryServices/locations/eastasia"
    url = f"{location}/backupCrrOperationsStatus/T3BlcmF0aW9u="
    properties = {"objectType": "OperationStatusJobExtendedInfo", "jobId": JOB}
    azure.put_readings(url, [operation("T3BlcmF0aW9u=", "Succeeded", properties=properties)])
    azure.put_readings(f"{location}/backupCrrJob", [a_reading(), a_reading("Completed")])
    by_operation = run(
        *track, f"--operation={azure.url}{url}?api-version=2021-11-15", **azure.identity_environ
    )
    by_id = run(*track, f"--job={location}/backupJobs/{JOB}", **azure.identity_environ)

    for ended in (by_operation, by_id):
        assert (ended.returncode, ended.stderr) == (0, "")
        assert f"Restore of vm-1, job {JOB}" in ended.stdout
    asked = [json.loads(one.body) for one in azure.requests if one.api == "cross_region_job"]
    assert asked == [{"resourceId": azure.vault_ids[0], "jobName": JOB}] * 3


def test_recorded_operations_replay(azure: Simulator, track: list[str], shared: Path) -> None:
    """Each that was asked for by GET, at its own address, to the job it names."""
    ends = {}
    for file in sorted((shared / "recorded/operations").glob("*-200-succeeded*.json")):
        recorded = json.loads(file.read_text())
        uri = urlsplit(recorded["request"]["uri"])
        body, path = recorded["body"], unquote(uri.path)
        azure.put_readings(path, [None, {}, operation("o", "InProgress"), body])
        scope, _, _ = path.partition("/backup")
        name = body.get("properties", {}).get("jobId", "")
        azure.put_readings(f"{scope}/backupCrrJob", [a_reading("Completed", name)])
        put_job(azure, a_reading("Completed", name), name=name)
        ended = run(
            *track, f"--operation={azure.url}{uri.path}?{uri.query}", **azure.identity_environ
        )
        assert (ended.returncode, ended.stderr) == (0, ""), file.name
        ends[file.name] = ended.stdout.splitlines()[-1].partition(" ")[2]
        assert name in ended.stdout

    assert sorted(ends.values()) == ["Completed"] * 3 + ["the operation has no job"] * 3


def test_recorded_results_replay(azure: Simulator, track: list[str], shared: Path) -> None:
    """``Location`` ends with the resource, not with a job."""
    files = sorted((shared / "recorded/operations").glob("operationresults-*.json"))
    bodies = [json.loads(file.read_text())["body"] for file in files]
    put_operation(azure, *sorted(bodies, key=bool))
    ended = run(*track, f"--operation={OPERATION}", **azure.identity_environ)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("the operation has no job\n")


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--vault=v", "--job=j"], "write the resource id"),
        (["--vault=v"], "one of the arguments --job --operation is required"),
        (["--vault=v", "--job=a/b"], "write the GUID or resource id of a job"),
        (["--vault=v", "--operation="], "write the id or URL of an operation, not ''"),
        (["--vault=v", "--job=j", "--interval=1ms"], "write 100ms or more"),
    ],
)
def test_flags_that_cannot_be_are_told(flags: list[str], complaint: str) -> None:
    ended = run("track", *flags)

    assert ended.returncode == 2
    assert complaint in ended.stderr


def test_help_has_an_example_and_the_exit_codes() -> None:
    text = run("track", "--help").stdout

    assert "example:\n  azure-backup-exporter track --vault=" in text
    assert "0 Completed, 3 CompletedWithWarnings, 4 Failed, 5 Cancelled" in text
