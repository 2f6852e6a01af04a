"""``diagnose``: what a bug report needs to say, and nothing that it must not."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from exporter.azure.clouds import cloud_of
from exporter.azure.connect import connect
from exporter.azure.environment import prepare
from exporter.azure.reach import reach
from exporter.azure.resource_graph import ResourceGraphApi
from exporter.azure.verdicts import code_of, way_of
from exporter.cli.exits import BAD_CONFIG, OK, say
from exporter.cli.logs import set_up_logging
from exporter.cli.report import Aliases, configuration, environment, program, reached
from exporter.cli.terminal import waiting
from exporter.clock import AzureClock
from exporter.config import load_config
from exporter.config.types import is_loopback
from exporter.errors import ArmError, ConfigError
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.refresh.access import SIGN_IN, AccessChecks

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator

    from exporter.config import Config
    from exporter.config.estate import DiscoveryEntry
    from exporter.refresh.access import Check

_SAMPLE: Final = 5
_ROWS_OF: Final = timedelta(hours=24)
_LONGEST_TRY_SECONDS: Final = 10.0
_NO_AUTHORITY: Final = ("managed_identity", "azure_cli")


def run(options: Namespace) -> int:
    """Print the report; that something does not work is no fault of the report."""
    set_up_logging("error", "logfmt")
    _section("program", program())
    _section("environment", [environment(os.environ)])
    try:
        config = load_config(options.config_file, os.environ)
    except ConfigError as error:
        # The problems quote what stands in the file.
        count = f"{len(error.problems)} problem(s); `check-config` lists them"
        _section("configuration", [f"cannot be used: {count}"])
        return BAD_CONFIG
    _section("configuration", configuration(config))
    prepare(os.environ)
    with waiting("Asking Azure ..."):
        hosts, calls = list(_hosts(config)), list(_calls(config))
    _section("hosts", hosts)
    _section("calls", calls)
    return OK


def _section(name: str, lines: Iterable[str]) -> None:
    say("\n".join([f"{name}:", *(f"  {line}" for line in lines)]))


def _hosts(config: Config) -> Iterator[str]:
    cloud = cloud_of(config.azure)
    seconds = min(config.azure.timeout.total_seconds(), _LONGEST_TRY_SECONDS)
    arm = cloud.resource_manager
    # The same way as with a token: see ArmSession.
    trust_env = not is_loopback(urlsplit(arm).hostname or "")
    found = reach(arm, timeout_seconds=seconds, trust_env=trust_env)
    yield reached("Resource Manager", found)
    if config.azure.credential.type in _NO_AUTHORITY:
        yield f"sign-in: not asked, {config.azure.credential.type} does not need it"
    else:
        found = reach(cloud.authority, timeout_seconds=seconds, trust_env=True)
        yield reached("sign-in", found)


def _calls(config: Config) -> Iterator[str]:
    clock, metrics, stop = AzureClock(), SelfMetrics(process=False), threading.Event()
    try:
        session = connect(config.azure, clock=clock, metrics=metrics, stop=stop)
    except ArmError:
        yield f"{SIGN_IN}: the credential cannot be set up"
        return
    access = AccessChecks(config, session, clock=clock, metrics=metrics, stop=stop, most=_SAMPLE)
    aliases = Aliases()
    for check in access.run():
        yield _call(check, aliases)
    api = ResourceGraphApi(
        session, config.azure.api_versions.resource_graph, metrics, clock=clock, stop=stop
    )
    for entry in config.discovery:
        if entry.source == "resource_graph":
            yield f"job rows of {aliases.scope(entry.scope)}: {_job_rows(api, entry, clock)}"


def _job_rows(api: ResourceGraphApi, entry: DiscoveryEntry, clock: AzureClock) -> str:
    """Whether rows bring tasks or sizes: nobody has published one of a Recovery Services vault."""
    give_up_at = clock.monotonic() + _LONGEST_TRY_SECONDS
    try:
        found = api.jobs(entry.scope, clock.now() - _ROWS_OF, give_up_at=give_up_at)
    except ArmError as error:
        return f"not read ({error.kind.value})"
    jobs = [job for of_vault in found.jobs.values() for job in of_vault]
    detailed = sum(job.detail is not None for job in jobs)
    unreadable = sum(found.unreadable.values())
    return f"{detailed} of {len(jobs)} with tasks or sizes, {unreadable} unreadable"


def _call(check: Check, aliases: Aliases) -> str:
    """One call, told by codes alone: Azure's sentences are full of names."""
    name = check.call if check.call == SIGN_IN else f"{check.call} of {aliases.scope(check.scope)}"
    took = f"{check.seconds * 1000:.0f} ms" if check.seconds else ""
    more = ", ".join(filter(None, [code_of(check.note), way_of(check.note), took]))
    return f"{name}: {check.verdict.value}{f' ({more})' if more else ''}"
