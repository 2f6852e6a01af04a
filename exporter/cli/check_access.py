"""``check-access``: what works, what does not, and the command that helps."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from exporter.azure.connect import connect
from exporter.azure.verdicts import Verdict
from exporter.cli.exits import BAD_CONFIG, FAULT, OK, complain, say
from exporter.cli.logs import set_up_logging
from exporter.cli.terminal import console, on_terminal, safe, waiting
from exporter.clock import AzureClock
from exporter.config import load_config
from exporter.errors import ArmError, ConfigError
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.refresh.access import AccessChecks, Check

if TYPE_CHECKING:
    from argparse import Namespace

_SAMPLE: Final = 20
_FITS_TABLE: Final = 60
_STYLES: Final = {Verdict.WORKS: "green", Verdict.NOT_ASKED: "dim"}


def run(options: Namespace) -> int:
    """Check; a fault unless everything works."""
    set_up_logging("error", "logfmt")
    clock, metrics, stop = AzureClock(), SelfMetrics(process=False), threading.Event()
    try:
        config = load_config(options.config_file, os.environ)
        session = connect(config.azure, clock=clock, metrics=metrics, stop=stop)
    except ConfigError as error:
        return complain(error, BAD_CONFIG)
    except ArmError as error:
        return complain(f"no token: {error}", FAULT)
    access = AccessChecks(
        config,
        session,
        clock=clock,
        metrics=metrics,
        stop=stop,
        most=None if options.all else _SAMPLE,
    )
    checks: list[Check] = []
    if on_terminal():
        with waiting("Asking Azure ..."):
            checks += access.run()
        out = console()
        if out.width < _FITS_TABLE:
            say("\n".join(map(_line, checks)))
        else:
            out.print(_table(checks))
    else:
        for check in access.run():
            checks.append(check)
            say(_line(check))
            sys.stdout.flush()
    _print_fixes(checks)
    works = all(check.verdict is Verdict.WORKS for check in checks)
    if works:
        say("Everything that is configured can be read.")
    return OK if works else FAULT


def _line(check: Check) -> str:
    said = f"  ({_said(check)})" if check.note else ""
    return safe(f"{check.verdict.value:13}  {check.call:14}  {check.scope}{said}")


def _said(check: Check) -> str:
    return "; ".join(filter(None, [check.note, check.for_support]))


def _table(checks: list[Check]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("result", no_wrap=True)
    table.add_column("call", no_wrap=True)
    table.add_column("scope", overflow="fold", ratio=3)
    table.add_column("Azure says", overflow="fold", ratio=2)
    for check in checks:
        table.add_row(
            Text(check.verdict.value, style=_STYLES.get(check.verdict, "bold red")),
            Text(check.call),
            Text(safe(check.scope)),
            Text(safe(_said(check))),
        )
    return table


def _print_fixes(checks: list[Check]) -> None:
    """What to do, each thing once: unwrapped, so that commands can be copied."""
    fixes = dict.fromkeys(check.fix for check in checks if check.fix)
    for number, fix in enumerate(fixes, 1):
        first, *commands = fix.split("\n")
        say(f"\n{number}. {safe(first)}")
        for command in commands:
            say(f"   {safe(command)}")
    if any("az role assignment" in fix for fix in fixes):
        say("\nA role on the resource group or subscription holds for all vaults in it. New rights")
        say("take some minutes.")
