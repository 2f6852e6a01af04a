"""``jobs`` as a person and as a script run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from exporter.cli.job_records import KEYS
from exporter.simulator import HttpError, Simulator, Stall, sized_fleet
from tests.processes import IDS, ROOT, run, run_anew, wait_for
from tests.steering import config_text
from tests.terminals import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTILE = "evil\x1b[31m\t\n\u2028[red]\u202e"


@pytest.fixture
def azure() -> Iterator[Simulator]:
    with Simulator(fleet=sized_fleet(vaults=2, jobs=16)) as simulator:
        yield simulator


@pytest.fixture
def config(azure: Simulator, tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(config_text(azure, refresh="{interval: 1s}"))
    return f"--config.file={path}"


def put(azure: Simulator, name: str, **properties: object) -> None:
    azure.put_job(
        azure.vault_ids[0],
        {
            "name": name,
            "properties": {
                "operation": "Backup (Full)",
                "status": "InProgress",
                "entityFriendlyName": HOSTILE,
                "backupManagementType": "AzureWorkload",
                **properties,
            },
        },
    )


def lines_of(text: str) -> list[dict[str, str]]:
    heading, *lines = text.splitlines()
    return [dict(zip(heading.split("\t"), line.split("\t"), strict=True)) for line in lines]


def test_a_pipe_gets_every_field_between_tabs_newest_first(azure: Simulator, config: str) -> None:
    """Lists are enough for it: no read is spent on details."""
    ended = run("jobs", config, "--since=30d", **azure.identity_environ)

    jobs = lines_of(ended.stdout)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\x1b" not in ended.stdout
    assert list(jobs[0]) == list(KEYS)
    assert len(jobs) == 16
    starts = [job["start_time"] for job in jobs]
    assert starts == sorted(starts, reverse=True)
    assert [one.api for one in azure.requests if one.api != "token"] == ["list", "list"]


def test_filters_leave_out_jobs_and_do_not_even_read_other_vaults(
    azure: Simulator, config: str
) -> None:
    everything = run("jobs", config, "--since=30d", "--json", **azure.identity_environ)
    jobs = json.loads(everything.stdout)["jobs"]
    one = jobs[0]
    azure.clear_requests()

    ended = run(
        "jobs",
        config,
        "--since=30d",
        "--json",
        f"--status={one['status'].lower()},nothing",
        f"--vault={one['vault'].upper()}",
        f"--item={one['item'][:3]}*",
        f"--operation={one['operation']}",
        **azure.identity_environ,
    )

    def fits(job: dict[str, str]) -> bool:
        same = all(job[key] == one[key] for key in ("status", "vault", "operation"))
        return same and job["item"].startswith(one["item"][:3])

    assert json.loads(ended.stdout)["jobs"] == [job for job in jobs if fits(job)]
    assert len([asked for asked in azure.requests if asked.api == "list"]) == 1


def test_json_has_every_key_in_every_job(azure: Simulator, config: str) -> None:
    put(azure, "odd", status=7, operation=None)
    ended = run("jobs", config, "--since=30d", "--json", **azure.identity_environ)

    document = json.loads(ended.stdout)
    assert list(document) == ["schema_version", "read_at", "jobs", "problems"]
    assert document["schema_version"] == 1
    assert all(list(job) == list(KEYS) for job in document["jobs"])
    assert document["jobs"][-1]["job_id"] == "odd"
    assert document["jobs"][-1]["duration_seconds"] is None


def test_details_bring_sizes_and_tasks_of_what_is_shown_and_no_more(
    azure: Simulator, config: str
) -> None:
    arguments = ("--since=30d", "--status=Completed", "--details", "--json")
    ended = run("jobs", config, *arguments, **azure.identity_environ)

    jobs = json.loads(ended.stdout)["jobs"]
    assert all(job["tasks"] for job in jobs)
    details = [asked.job_id for asked in azure.requests if asked.api == "detail"]
    assert sorted(details) == sorted(job["job_id"] for job in jobs)


def test_details_that_the_budget_forbids_are_told(azure: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config_text(azure).replace("requests: 100000", "requests: 8"))
    arguments = ("--since=30d", "--details", "--json")
    ended = run("jobs", f"--config.file={path}", *arguments, **azure.identity_environ)

    assert ended.returncode == 0
    assert "detail(s) not read: the read budget is spent" in ended.stderr
    assert len([asked for asked in azure.requests if asked.api in ("list", "detail")]) <= 8


def test_a_vault_that_cannot_be_read_costs_only_its_own_jobs(azure: Simulator, config: str) -> None:
    azure.inject(HttpError("forbidden"), vault_id=azure.vault_ids[1])
    ended = run("jobs", config, "--since=30d", **azure.identity_environ)

    assert ended.returncode == 1
    assert len(lines_of(ended.stdout)) == 8
    assert azure.vault_ids[1] in ended.stderr
    assert "What to do: assign the role Backup Reader on" in ended.stderr
    assert re.search(f"\\(for Azure's support: {IDS}\\)\n", ended.stderr)
    assert "Traceback" not in ended.stderr


def test_names_cannot_break_a_line(azure: Simulator, config: str) -> None:
    put(azure, "hostile")
    ended = run("jobs", config, "--status=InProgress", **azure.identity_environ)

    job = next(job for job in lines_of(ended.stdout) if job["job_id"] == "hostile")
    assert job["item"] == r"evil\x1b[31m\t\n\u2028[red]\u202e"


@pytest.mark.parametrize("columns", [60, 160])
def test_a_terminal_gets_a_table_with_colours(azure: Simulator, config: str, columns: int) -> None:
    put(azure, "hostile")
    with Terminal(
        "jobs", config, "--since=30d", environment=azure.identity_environ, columns=columns
    ) as terminal:
        assert terminal.ended() == 0

    assert "17 job(s) at " in terminal.text
    assert "\x1b[1;31m" in terminal.raw or "\x1b[32m" in terminal.raw
    assert "\x1b[31m" not in terminal.raw
    assert "\u202e" not in terminal.raw
    # What moves before it, while the lists are read, is one line for this reader.
    table = terminal.text[terminal.text.index("17 job(s) at ") :]
    assert [line for line in table.splitlines() if len(line) > columns] == []
    assert ("job id" in terminal.text) == (columns == 160)


def test_as_narrow_as_a_telephone_it_shows_what_has_become_of_which_item(
    azure: Simulator, config: str
) -> None:
    put(azure, "new", entityFriendlyName="sql-db-01")
    arguments = ("jobs", config, "--since=30d", "--details")
    with Terminal(*arguments, environment=azure.identity_environ, columns=40) as terminal:
        assert terminal.ended() == 0

    line = "^(?:[0-9-]{5} )?[0-9:]{5} +(?:Completed|CompletedW.*|Failed|Cancelled) +vm-[0-9-]+ *$"
    assert len(re.findall(line, terminal.text, re.M)) == 16
    assert re.search("InProgress +sql-db-01 *$", terminal.text, re.M)
    table = terminal.text[terminal.text.index("17 job(s) at ") :]
    assert all(len(line) <= 40 for line in table.splitlines())


@pytest.mark.parametrize("columns", [80, 120])
def test_a_job_takes_one_line_of_a_usual_terminal(
    azure: Simulator, config: str, columns: int
) -> None:
    details = ("--since=30d", "--details")
    with Terminal(
        "jobs", config, *details, environment=azure.identity_environ, columns=columns
    ) as terminal:
        assert terminal.ended() == 0

    assert (
        len(re.findall("^ ?(?:[0-9-]{5} )?[0-9:]{5} .* vault-000[01] .*/[12]", terminal.text, re.M))
        == 16
    )


def test_watching_shows_as_many_jobs_as_fit(azure: Simulator, config: str) -> None:
    """In so narrow a window a job takes several lines."""
    with Terminal(
        "jobs",
        config,
        "--since=30d",
        "--watch",
        environment=azure.identity_environ,
        columns=60,
        rows=16,
    ) as terminal:
        terminal.see("16 job(s) at ", "older ones do not fit")


def test_a_status_that_azure_does_not_know_is_wondered_at(azure: Simulator, config: str) -> None:
    ended = run("jobs", config, "--status=fialed,failed", **azure.identity_environ)

    assert ended.returncode == 0
    assert (
        "--status fialed: Azure is known to say InProgress, Cancelling, Completed" in ended.stderr
    )
    assert "--status failed" not in ended.stderr


def test_no_color_is_obeyed(azure: Simulator, config: str) -> None:
    environment = {**azure.identity_environ, "NO_COLOR": "1"}
    with Terminal("jobs", config, environment=environment) as terminal:
        assert terminal.ended() == 0

    assert "\x1b[32m" not in terminal.raw


def test_watching_shows_a_new_job_and_ctrl_c_leaves_the_terminal_as_it_was(
    azure: Simulator, config: str
) -> None:
    with Terminal("jobs", config, "--watch", environment=azure.identity_environ) as terminal:
        terminal.see("job(s) at")
        put(azure, "new", entityFriendlyName="came-later")
        terminal.see("came-later")
        terminal.press(b"\x03")
        assert terminal.ended() == 0

    assert "Traceback" not in terminal.text
    assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")
    assert "\x1b[?1049l" in terminal.raw


def test_watching_on_a_dumb_terminal_goes_by_lines(azure: Simulator, config: str) -> None:
    """Nothing can be drawn anew there, so a picture would come at the very end."""
    environment = {**azure.identity_environ, "TERM": "dumb"}
    with Terminal("jobs", config, "--watch", environment=environment, columns=400) as terminal:
        put(azure, "new", entityFriendlyName="came-later")
        terminal.see("came-later")
        terminal.press(b"\x03")
        assert terminal.ended() == 0

    assert "\x1b" not in terminal.raw


def test_watching_in_a_pipe_prints_a_line_for_each_change(
    azure: Simulator, config: str, tmp_path: Path
) -> None:
    put(azure, "j", entityFriendlyName="db")
    out = tmp_path / "out"
    with (
        out.open("w") as output,
        subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "exporter", "jobs", config, "--item=db", "--watch"],
            cwd=ROOT,
            env={**azure.identity_environ},
            stdout=output,
        ) as process,
    ):
        try:
            wait_for("the job", lambda: out.read_text().count("InProgress") == 1)
            put(azure, "j", entityFriendlyName="db", status="Completed")
            wait_for("its end", lambda: "Completed" in out.read_text())
        finally:
            process.kill()

    assert len(lines_of(out.read_text())) == 2


def test_a_reader_that_has_enough_is_no_fault(azure: Simulator, config: str) -> None:
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "exporter", "jobs", config, "--json"],
        cwd=ROOT,
        env={**azure.identity_environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_all_there_ever_was_takes_no_longer(azure: Simulator, config: str) -> None:
    """The longest span that can be written goes back to before the calendar begins."""
    month = run("jobs", config, "--since=30d", **azure.identity_environ)
    ever = run("jobs", config, "--since=999999999d", **azure.identity_environ)

    assert (ever.returncode, ever.stderr) == (0, "")
    assert len(lines_of(ever.stdout)) >= len(lines_of(month.stdout))


@pytest.mark.parametrize(
    ("redirection", "code", "complaint"),
    [
        (">/dev/full", 1, "azure-backup-exporter: cannot write: No space left on device\n"),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
    ],
)
def test_an_output_that_nobody_can_write_needs_no_traceback(
    azure: Simulator, config: str, redirection: str, code: int, complaint: str
) -> None:
    program = f"'{sys.executable}' -m exporter jobs '{config}' {redirection}"
    ended = subprocess.run(  # noqa: S603 - our own program
        ["/bin/sh", "-c", program],
        cwd=ROOT,
        env={**os.environ, **azure.identity_environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", complaint)


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--since=soon"], "write a duration such as 30s, 5m or 1h30m, not 'soon'"),
        (["--watch", "--json"], "not allowed with"),
    ],
)
def test_flags_that_cannot_be_are_told(flags: list[str], complaint: str) -> None:
    ended = run("jobs", *flags)

    assert ended.returncode == 2
    assert complaint in ended.stderr


def test_help_has_an_example() -> None:
    assert "example:\n  azure-backup-exporter jobs --config.file=" in run("jobs", "--help").stdout


def test_a_locale_that_cannot_write_a_name_ends_nothing(azure: Simulator, config: str) -> None:
    put(azure, "umlaut", entityFriendlyName="Büro")
    environment = {**azure.identity_environ, "PYTHONIOENCODING": "ascii:strict"}
    ended = run_anew("jobs", config, "--item=B*", **environment)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert lines_of(ended.stdout)[0]["item"] == "B?ro"


@pytest.mark.parametrize(
    ("source", "apis"), [("arm", ["vaults", "list"]), ("resource_graph", ["graph", "graph"])]
)
def test_vaults_that_discovery_finds_are_read_if_they_are_asked_for(
    azure: Simulator, tmp_path: Path, source: str, apis: list[str]
) -> None:
    subscription, vault = azure.vault_ids[0].split("/")[2::6]
    entry = f"\n  - subscription_id: {subscription}\n    source: {source}"
    path = tmp_path / "config.yaml"
    path.write_text(config_text(azure, vaults=" []", discovery=entry))
    arguments = (f"--config.file={path}", f"--vault={vault}", "--since=30d")
    ended = run("jobs", *arguments, **azure.identity_environ)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert {job["vault"] for job in lines_of(ended.stdout)} == {vault}
    assert [one.api for one in azure.requests if one.api != "token"] == apis


def test_a_search_that_fails_is_told(azure: Simulator, tmp_path: Path) -> None:
    entry = f"\n  - subscription_id: {azure.vault_ids[0].split('/')[2]}"
    path = tmp_path / "config.yaml"
    path.write_text(config_text(azure, discovery=entry))
    azure.inject(HttpError("forbidden"), api="vaults")
    arguments = (f"--config.file={path}", "--since=30d", "--json")
    ended = run("jobs", *arguments, **azure.identity_environ)

    document = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert len(document["jobs"]) == 16
    assert "cannot be searched: Azure answered 403" in document["problems"][0]
    assert re.search(f"\\(for Azure's support: {IDS}\\)$", document["problems"][0])
    assert document["problems"][0] in ended.stderr


def test_a_spent_budget_is_told_as_any_other_reason(azure: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config_text(azure).replace("requests: 100000", "requests: 1"))
    ended = run("jobs", f"--config.file={path}", "--since=30d", **azure.identity_environ)

    assert ended.returncode == 1
    assert len(lines_of(ended.stdout)) == 8
    assert "the read budget is spent. What to do:" in ended.stderr


def test_a_state_file_is_left_alone(azure: Simulator, tmp_path: Path) -> None:
    """The daemon beside it has it open."""
    path = tmp_path / "config.yaml"
    path.write_text(config_text(azure, state=f"{{path: {tmp_path / 'state.db'}}}"))
    run("jobs", f"--config.file={path}", **azure.identity_environ)

    assert not (tmp_path / "state.db").exists()


def test_a_vault_that_is_not_configured_is_told(azure: Simulator, config: str) -> None:
    ended = run("jobs", config, "--vault=nothing", **azure.identity_environ)

    assert ended.returncode == 1
    assert "no vault fits --vault nothing" in ended.stderr


def test_ctrl_c_while_azure_keeps_it_waiting_leaves_at_once(azure: Simulator, config: str) -> None:
    azure.inject(Stall(), api="list")
    with Terminal("jobs", config, environment=azure.identity_environ) as terminal:
        wait_for("a read that hangs", lambda: azure.stalled > 0)
        terminal.press(b"\x03")
        assert terminal.ended() == 130

    assert "Traceback" not in terminal.text
