"""The configuration file: strict, and every problem told at once."""

from __future__ import annotations

import os
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.backup.lateness import DEFAULT_LATENESS
from exporter.config import Config, load_config, parse_config
from exporter.config import problems as problems_module
from exporter.config.estate import DiscoveryEntry, LatenessLine, VaultMatch
from exporter.config.types import format_duration
from exporter.errors import ConfigError

VAULT = "vaults: [{subscription_id: S1, resource_group: rg, name: v}]\n"
LATE = VAULT + "lateness: [{critical: 2d, "
EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


def parsed(text: str, **environment: str) -> Config:
    return parse_config(text, environment, source="test.yaml")


def problems(text: str, **environment: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parsed(text, **environment)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_a_vault_is_all_it_takes() -> None:
    config = parsed(VAULT)

    assert config.refresh.interval == timedelta(minutes=5)
    assert config.azure.api_versions.backup_jobs == "2024-10-01"
    assert config.settings().success_statuses == {"Completed", "CompletedWithWarnings"}


def test_a_vault_by_id_is_the_same_as_by_its_names() -> None:
    by_id = parsed(
        "vaults:\n- id: /Subscriptions/S1/resourcegroups/rg/providers/"
        "microsoft.recoveryservices/vaults/v"
    )

    assert by_id.vaults[0].vault() == parsed(VAULT).vaults[0].vault()
    assert by_id.vaults[0].vault().subscription_id == "s1"


def test_every_problem_is_told_at_once_with_path_and_hint() -> None:
    found = problems(
        """
azure:
  cloud: mars
  max_concurency: 3
  timeout: soon
  credential: {type: client_secret, tenant_id: t, client_id: 5, client_secret: x}
refresh:
  interval: 10
  interval: 5m
  max_job_series: 3
metrics:
  job_series: some
  window: ${WINDOW}
vaults:
  - id: /subscriptions/x
  - {subscription_id: s, resource_group: "a/b", name: n, nam: 3}
  - 5
  - {subscription_id: s, resource_group: g, nam: n}
""",
    )

    assert found == {
        "refresh.interval": "stands twice (again in line 9)",
        "metrics.window": "environment variable WINDOW is not set; set it, or write"
        " ${WINDOW:-default}",
        "azure.cloud": "input should be 'public', 'usgovernment', 'china' or 'custom'",
        "azure.max_concurency": "unknown key; did you mean max_concurrency?",
        "azure.timeout": "write a duration such as 30s, 5m or 1h30m, not 'soon'",
        "azure.credential.client_id": "write text; put a number, true, false or null in quotes",
        "refresh.max_job_series": "unknown key here; it belongs to metrics",
        "metrics.job_series": "input should be 'all', 'running' or 'none'",
        "vaults[0].id": "write /subscriptions/.../resourceGroups/.../providers/"
        "Microsoft.RecoveryServices/vaults/...",
        "vaults[1].resource_group": "'a/b' is no name of an Azure resource",
        "vaults[1].nam": "unknown key; did you mean name?",
        "vaults[2]": "write a section of keys and values",
        "vaults[3].nam": "unknown key; did you mean name?",
        "vaults[3]": "write either id, or subscription_id, resource_group and name",
    }


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("", "", "write vaults or discovery, or both"),
        ("[1]", "", "write a section"),
        ("vaults: []", "", "write vaults or discovery, or both"),
        ("discovery: [{source: arm}]", "discovery[0]", "either subscription_id or management"),
        (
            "discovery: [{subscription_id: s, management_group: m}]",
            "discovery[0]",
            "either subscription_id or management",
        ),
        (
            "discovery: [{subscription_id: s, source: graph}]",
            "discovery[0].source",
            "'arm' or 'resource_graph'",
        ),
        (
            "discovery: [{subscription_id: s, include: {name: 'a('}}]",
            "discovery[0].include.name",
            "no regular expression",
        ),
        (
            "discovery: [{subscription_id: s}, {subscription_id: S, exclude: {name: x}}]",
            "discovery[1]",
            "the same scope and source as discovery[0]",
        ),
        (VAULT + "metrics: {vault_tags: [a b, A_B]}", "metrics.vault_tags", "one label, tag_a_b"),
        (VAULT + "lateness: [{critical: 2d}]", "lateness[0].warning", "is required"),
        (LATE + "warning: }]", "lateness[0].warning", "or write never"),
        (LATE + "warning: soon}]", "lateness[0].warning", "not 'soon'; or write never"),
        (LATE + "warning: Never}]", "lateness[0].warning", "or write never"),
        (LATE + "warning: 0s}]", "lateness[0].warning", "more than nothing"),
        (LATE + "warning: 49h}]", "lateness[0].critical", "warning's time or a longer one"),
        (LATE + "warning: 2d, item: 'a('}]", "lateness[0].item", "no regular expression"),
        (LATE + "warning: 2d, vault: v}]", "lateness[0].vault", "did you mean vaults"),
        (LATE + "warning: 2d, vaults: {nam: v}}]", "lateness[0].vaults.nam", "did you mean name"),
        (LATE + "warning: 2d, vaults: {tags: {a: b}}}]", "lateness[0].vaults.tags", "discovery"),
        (LATE + "warning: 2d}, {critical: 2d, warning: 1d}]", "lateness[0]", "put it last"),
        (
            "discovery: [{subscription_id: s}]\nmetrics: {vault_tags: [a b]}\n"
            "lateness: [{vaults: {tags: {A_B: x}}, warning: 1d, critical: 2d}]",
            "lateness[0].vaults.tags",
            "one label, tag_a_b",
        ),
        ("vaults: 5", "vaults", "write a list"),
        (VAULT + "refresh: {interval: 999ms}", "refresh.interval", "1s or more"),
        (VAULT + "refresh: {lookback: -3d}", "refresh.lookback", "duration"),
        (VAULT + "azure: {max_concurrency: 0}", "azure.max_concurrency", "greater"),
        (VAULT + "azure: {max_concurrency: true}", "azure.max_concurrency", "whole number"),
        (VAULT + "azure: {credential: {type: magic}}", "azure.credential", "unknown type"),
        (VAULT + "azure: {cloud: custom}", "azure", "resource_manager, authority, scope"),
        (VAULT + "azure: {scope: 'https://x/.default'}", "azure", "cloud: custom only"),
        (VAULT + "state: {path: 5}", "state.path", "write text"),
        (VAULT + "state: {file: x}", "state.file", "unknown key"),
        (VAULT + "metrics: {success_statuses: []}", "metrics.success_statuses", "at least one"),
        (VAULT * 2, "vaults", "stands twice"),
        ("vaults: [{name: v}]", "vaults[0]", "write either id, or"),
        ("a: [", "", "not YAML: line 1"),
        ("a: &a [*a]", "", "contains itself"),
        (VAULT + "? [x]\n: 5", "?", "unknown key"),
    ],
)
def test_each_mistake_has_its_own_sentence(text: str, path: str, message: str) -> None:
    found = problems(text)

    assert message in found[path]


@pytest.mark.parametrize(
    "value", ["!!int abc", "0x_", "0b_", "1" * 5000, "!!bool maybe", "!!timestamp maybe", "!!x y"]
)
def test_a_value_that_yaml_cannot_make_is_a_problem_like_others(value: str) -> None:
    """A reload with such a file must not end the exporter."""
    assert "refresh.interval" in problems(f"{VAULT}refresh: {{interval: {value}}}")


@pytest.mark.parametrize(
    "text",
    [
        "refresh: {interval: 1000000000005s}",
        "azure: {timeout: 2000000y}",
        "azure: {max_concurrency: 100000000}",
        "azure: {credential: {type: client_secret, tenant_id: t, client_id: c, client_secret: ''}}",
        "azure: {credential: {type: client_secret, tenant_id: t, client_id: c, client_secret: }}",
    ],
)
def test_what_cannot_work_is_refused(text: str) -> None:
    assert problems(VAULT + text)


def test_an_id_with_a_space_at_its_end_is_no_other_vault() -> None:
    vault_id = parsed(VAULT).vaults[0].vault().path

    assert problems(f"vaults: [{{id: '{vault_id} '}}]").keys() == {"vaults[0].id"}


def test_a_section_with_all_its_keys_commented_out_has_its_defaults() -> None:
    assert parsed(f"{VAULT}azure:\n  read_budget:\n  api_versions:\n").azure == parsed(VAULT).azure


def test_what_the_window_shows_is_read() -> None:
    assert parsed(VAULT + "metrics: {window: 30d}").settings().lookback == timedelta(days=30)


def test_the_same_vault_twice_is_one_too_many() -> None:
    """It would export every sample twice."""
    text = """
vaults:
  - {subscription_id: S, resource_group: g, name: n}
  - id: /subscriptions/s/resourceGroups/G/providers/Microsoft.RecoveryServices/vaults/N
"""
    assert problems(text) == {"vaults[1]": "the same vault as vaults[0]"}


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://arm.example", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("http://arm.example", False),
        ("http://127.0.0.1.example", False),
        ("ftp://arm.example", False),
        ("arm.example", False),
    ],
)
def test_a_token_never_travels_in_clear(url: str, allowed: bool) -> None:
    text = f"""{VAULT}
azure:
  cloud: custom
  resource_manager: "{url}"
  authority: https://login.example
  scope: https://arm.example/.default
"""
    if allowed:
        assert parsed(text).azure.resource_manager == url
    else:
        assert problems(text).keys() == {"azure.resource_manager"}


def test_keys_are_judged_together_and_one_by_one_at_once() -> None:
    """Nobody mends a file twice that could have been mended in one go."""
    assert problems(f"{VAULT}azure: {{cloud: custom, scope: 'ftp://x', timeout: 3}}") == {
        "azure": "cloud: custom needs resource_manager, authority too",
        "azure.scope": "write a URL such as https://management.azure.com",
        "azure.timeout": "write a duration such as 30s, 5m or 1h30m, not 3",
    }


def test_variables_stand_for_values_and_never_become_structure() -> None:
    config = parsed(
        VAULT
        + """
azure:
  max_concurrency: ${N}
  timeout: ${TIMEOUT:-7s}
  credential:
    type: client_secret
    tenant_id: ${EMPTY:-t}
    client_id: c-${N}
    client_secret: ${SECRET}
""",
        N="3",
        SECRET="5}: [${N}",
        EMPTY="",
    )

    credential: Any = config.azure.credential
    assert config.azure.max_concurrency == 3
    assert config.azure.timeout == timedelta(seconds=7)
    assert (credential.tenant_id, credential.client_id) == ("t", "c-3")
    assert credential.client_secret.get_secret_value() == "5}: [${N}"


@pytest.mark.parametrize("reference", ["${", "${}", "${1A}", "${A", "${A:-x"])
def test_a_reference_that_is_no_reference_is_told(reference: str) -> None:
    found = problems(f"{VAULT}refresh:\n  interval: '{reference}'\n", A="5m")

    assert found["refresh.interval"] == "write ${NAME} or ${NAME:-default}"


def test_no_secret_shows_in_an_error_or_in_the_configuration_itself() -> None:
    text = f"""{VAULT}
azure:
  credential: {{type: client_secret, tenant_id: t, client_id: c, client_secret: hunter2}}
"""
    assert "hunter2" not in repr(parsed(text))
    with pytest.raises(ConfigError) as caught:
        parsed(text + "  timeout: [hunter2]\n  credential: {client_secret: hunter2}\nx: [hunter2")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        parsed(f"{VAULT}azure: {{credential: {{client_secret: *hunter2}}}}")
    assert "hunter2" not in str(caught.value)


def test_a_secret_stands_in_one_place(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    base = f"{VAULT}azure:\n  credential: {{type: client_secret, tenant_id: t, client_id: c"

    assert "client_secret or client_secret_file" in problems(base + "}")["azure.credential"]
    assert problems(f"{base}, client_secret_file: {secret}}}") == {
        "azure.credential.client_secret_file": "no such file"
    }
    secret.write_text("s")
    assert parsed(f"{base}, client_secret_file: {secret}}}")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing: 1 problem.*\n  cannot be read: No such file"):
        load_config(tmp_path / "nothing", {})
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        load_config(tmp_path, {})
    with pytest.raises(ConfigError, match=r"cannot be read: it is larger than 4 MiB"):
        load_config(Path("/dev/zero"), {})


def test_a_file_that_does_not_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    os.mkfifo(path)
    monkeypatch.setattr(problems_module, "_PATIENCE_SECONDS", 0.2)

    with pytest.raises(ConfigError, match=r"cannot be read: it did not end within 0\.2 s"):
        load_config(path, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"state: {path: 'a\x07b'}", "not YAML: line 2, column 17: U+0007 may not stand in YAML"),
        (b"\0", "not YAML: line 2, column 1: U+0000 may not"),
        (b"# \x1b[31m", "not YAML: line 2, column 3: U+001B may not"),
        (b"state: {path: \xc2\x9b}", "not YAML: line 2, column 15: U+009B may not"),
        (b"state: \xef\xbf\xbe", "not YAML: line 2, column 8: U+FFFE may not"),
        (b"state: {path: \xe4}", "cannot be read: line 2, column 15: byte 0xe4 is not UTF-8"),
        (b"state: \xed\xa0\x80", "cannot be read: line 2, column 8: byte 0xed is not UTF-8"),
        (b"\tstate: {}", r"not YAML: line 2, column 1: found character '\t' that cannot start"),
        (b'state: {path: "\\UFFFFFFFF"}', "not YAML: the number of an escape or a directive"),
        (b"%YAML 1." + b"1" * 5000 + b"\n---\n", "not YAML: the number of an escape"),
        (b"---\nstate: {}", "not YAML: line 2, column 1: a second document begins"),
        (b"a: &x 1\nb: &x 2", "put text that begins with & in quotes"),
        (b"a: !!", "put text that begins with ! in quotes"),
        (b"a: !hunter2!x y", "put text that begins with ! in quotes"),
        (b'"sta\\0te": {}', r"sta\x00te: has a control character, U+0000, at position 4; remove"),
        ("st\u200bate: {}".encode(), r"st\u200bate: unknown key; did you mean state?"),
        (b"refresh: {<<: {interval: 5m}}", "refresh.<<: merging of keys (<<) is not supported"),
    ],
)
def test_what_no_reader_takes_is_told_with_its_place(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content if content.startswith(b"%") else VAULT.encode() + content)

    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    [problem] = caught.value.problems
    assert message in str(problem)
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_a_file_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    """PowerShell writes them."""
    path = tmp_path / "config.yaml"
    path.write_text(VAULT, encoding=encoding)
    if encoding == "utf-8-sig":
        assert load_config(path, {}) == parsed(VAULT)
        return

    with pytest.raises(ConfigError, match=r"UTF-16; save it as UTF-8|U\+0000 may not stand"):
        load_config(path, {})


@pytest.mark.parametrize("character", ["\0", "\a", "\x1b", "\x7f", "\x85", "\udc80"])
def test_no_value_has_a_control_character(character: str) -> None:
    """Be it an escape or from a variable: a path with NUL would end the exporter later."""
    message = f"has a control character, U+{ord(character):04X}, at position 3; remove it"

    assert problems(f'{VAULT}state: {{path: "/a\\u{ord(character):04x}"}}') == {
        "state.path": message
    }
    assert problems(f"{VAULT}state: {{path: '${{P}}'}}", P=f"/a{character}") == {
        "state.path": message
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\t"])
def test_text_is_one_line(end: str) -> None:
    """A secret that a file or ``echo`` gave a line break signs nobody in."""
    text = f"{VAULT}azure: {{credential: {{type: client_secret, tenant_id: t, client_id: '${{C}}'"

    found = problems(text + ", client_secret: '${S}'}}", S=f"hunter2{end}", C=f"c{end}")

    assert found == {
        "azure.credential.client_id": "write one line of text: U+"
        f"{ord(end[0]):04X} stands at position 2",
        "azure.credential.client_secret": "write one line of text: U+"
        f"{ord(end[0]):04X} stands at position 8",
    }


@pytest.mark.parametrize("written", [
    "12:30", "1_000", "0x10", "010", "0o17", "+5", "1e3", "1.5", ".inf", ".nan", "2024-10-01",
    "2024-10-01T00:00:00Z", "on", "off", "yes", "No", "=", "<<",
])  # fmt: skip
def test_what_was_written_is_what_is_read(written: str) -> None:
    """YAML 1.1 makes 750 of 12:30, 8 of 010 and true of on."""
    found = problems(
        f"{VAULT}refresh: {{interval: {written}}}\nazure: {{max_concurrency: {written}}}"
    )

    assert found == {
        "refresh.interval": f"write a duration such as 30s, 5m or 1h30m, not '{written}'",
        "azure.max_concurrency": f"write a whole number such as 1000, not '{written}'",
    }
    assert parsed(f"{VAULT}state: {{path: {written}}}").state.path == written


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("30", "30"),
        ("-1", "-1"),
        ("true", "true"),
        ("null", "null"),
        ("''", "''"),
        ("[1]", "a list"),
        ("{a: 1}", "a section"),
        ("9" * 50, f"'{'9' * 39}..."),
    ],
)
def test_what_is_no_duration_is_quoted_as_it_stands(written: str, shown: str) -> None:
    found = problems(f"{VAULT}refresh: {{interval: {written}}}")

    assert found == {"refresh.interval": f"write a duration such as 30s, 5m or 1h30m, not {shown}"}


def test_no_number_is_larger_than_this_program_can_count() -> None:
    for written in ("1000000000", "9" * 18):
        assert problems(f"{VAULT}metrics: {{max_job_series: {written}}}") == {
            "metrics.max_job_series": "input should be less than or equal to 999999999"
        }


@pytest.mark.parametrize(
    "bomb",
    [
        # Each names the one before ten times: ten million values.
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{after}: &{after} [{','.join([f'*{before}'] * 10)}]\n"
            for before, after in zip("abcdef", "bcdefg", strict=True)
        ),
        "a: &a [" + "x," * 2000 + "]\nb: [" + "*a," * 2000 + "]\n",
        "a: &a {k: *a}",
        "a: &a [*a, *a]",
        "[" * 2000,
        "- " * 2000,
        "{a: " * 2000,
    ],
)
def test_a_file_that_grows_while_it_is_read_is_refused(bomb: str) -> None:
    started = time.thread_time()

    found = problems(bomb)

    assert re.match("anchors repeat more than 10000|a value contains itself", found[""])
    assert time.thread_time() - started < 8


def test_anchors_that_repeat_little_are_fine() -> None:
    config = parsed(
        """
vaults:
- {subscription_id: &s S1, resource_group: rg, name: a}
- {subscription_id: *s, resource_group: rg, name: b}
discovery:
- {subscription_id: *s, include: &i {locations: [westeurope]}}
- {management_group: m, include: *i}
"""
    )

    assert config.vaults[1].subscription_id == "S1"
    assert config.discovery[1].include == config.discovery[0].include


PIECES = st.sampled_from([
    VAULT, "refresh: {interval: ", "state:\n  path: ", "azure: {credential: {client_secret: ", "}",
    "}}", "\n", "\t", "- ", "? ", ": ", "[", "]", "{", ",", "&a ", "*a", "!", "!!int ", "!<",
    "%YAML ", "%TAG ", "---\n", "...\n", "|", ">-", "'", '"', "\\u", "\\UFFFFFFFF", "\\x", "${",
    "${V}", "${V:-", "<<", "#", "\ufeff", "\x85", "\u2028", "12:30", "1_0", "0x", "~", "=", "@",
    "`", "\0",
])  # fmt: skip
CONTENTS = (
    st.binary()
    | st.lists(PIECES | st.text(max_size=3), max_size=12).map(
        lambda pieces: "".join(pieces).encode(errors="surrogatepass")
    )
    | st.tuples(st.binary(max_size=4), st.sampled_from(["utf-16", "utf-32", "utf-8-sig"])).map(
        lambda parts: VAULT.encode(parts[1]) + parts[0]
    )
)
VALUES = st.text(st.characters(codec=None, exclude_characters="\0")).map(
    lambda text: text.encode(errors="surrogatepass").decode(errors="surrogateescape")
)


@given(content=CONTENTS, value=VALUES)
def test_whatever_a_file_holds_it_is_read_or_told(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, value: str
) -> None:
    """No traceback at the start, no end of the exporter at a reload."""
    path = tmp_path_factory.mktemp("any") / "config.yaml"
    path.write_bytes(content)
    try:
        load_config(path, {"V": value})
    except ConfigError as error:
        told = error
    else:
        return
    assert len(str(told).encode().decode().splitlines()) == 1 + len(told.problems)


@given(st.integers(1, 10**12))
def test_a_duration_reads_back(milliseconds: int) -> None:
    """The JSON Schema shows defaults in the form the file takes."""
    duration = timedelta(milliseconds=milliseconds + 1000)
    text = f"{VAULT}refresh: {{interval: {format_duration(duration)}}}"

    assert parsed(text).refresh.interval == duration


def test_discovery_alone_is_enough_to_read() -> None:
    config = parsed("discovery: [{management_group: MG-1, source: resource_graph}]")

    assert config.vaults == []
    assert config.discovery[0].scope == "/providers/Microsoft.Management/managementGroups/mg-1"


def test_the_examples_discovery_is_right_once_it_is_uncommented() -> None:
    _, _, commented = EXAMPLE.read_text().partition("# discovery:\n")
    text = "".join(line.removeprefix("# ") for line in commented.splitlines(keepends=True))

    by_subscription, by_group = parsed("discovery:\n" + text).discovery

    assert by_subscription.include.tags == {"environment": "production"}
    assert by_subscription.exclude.tags == {"monitored": "no"}
    assert by_group.source == "resource_graph"


def test_the_example_names_the_lateness_that_always_holds() -> None:
    lines = re.findall(r"^#   (- \{.*warning: .*\})", EXAMPLE.read_text(), re.MULTILINE)
    number = len(DEFAULT_LATENESS)
    text = "discovery: [{subscription_id: s}]\nlateness:\n"

    told = parsed(text + "\n".join(lines[:number])).lateness
    shown = parsed(text + "\n".join(lines[number:])).lateness

    assert [(line.rule().limits, line.backup_type or ".*") for line in told] == [
        (rule.limits, rule.backup_type.pattern if rule.backup_type else "")
        for rule in DEFAULT_LATENESS
    ]
    assert [line.critical for line in shown] == [timedelta(hours=54), timedelta(days=15), None]


def test_tags_that_lateness_needs_are_kept() -> None:
    text = "discovery: [{subscription_id: s}]\nmetrics: {vault_tags: [team]}\n"
    line = "lateness: [{vaults: {tags: {Tier: gold}}, warning: 1h, critical: never}]"

    assert parsed(text + line).vault_tags == ["team", "Tier"]


def test_a_line_of_lateness_reads_back() -> None:
    line = {"warning": "1h30m", "critical": "never"}

    assert (
        parsed(f"{VAULT}lateness: [{line}]")
        .lateness[0]
        .model_dump(mode="json", include={"warning", "critical"})
        == line
    )


def test_the_example_shows_every_key_with_its_default() -> None:
    """And nothing else: what it does not set must be the default."""
    example = load_config(EXAMPLE, {})
    bare = parsed(VAULT)

    for section in ("azure", "refresh", "metrics", "state", "discovery", "lateness"):
        assert getattr(example, section) == getattr(bare, section)
    text = EXAMPLE.read_text()
    models = (example.azure, example.azure.api_versions, example.refresh, example.metrics)
    for model in (*[type(one) for one in models], DiscoveryEntry, VaultMatch, LatenessLine):
        for key in model.model_fields:
            assert f"{key}:" in text, key
