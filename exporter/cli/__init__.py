"""The command line: arguments here, each command in a module of its own.

A command's module is imported when it runs: a health check every half minute must not load
azure-identity.
"""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import sys
import threading
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exporter.cli.exits import FAULT, complain
from exporter.cli.flags import (
    config_flag,
    job_flags,
    listen_flag,
    log_flags,
    shard_flags,
    track_flags,
    version_flag,
    web_flags,
)
from exporter.masking import masked

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED: Final = 130
_NO_READER: Final = 141
_CANNOT_WRITE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""A full disk under ``> file``, a terminal that has gone."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code of SPEC 2."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if "shard_index" in options and options.shard_index >= options.shard_total:
        parser.error(f"--shard.index must be below --shard.total, which is {options.shard_total}")
    _open_what_is_closed()
    _mask_tracebacks()
    command = import_module(f"exporter.cli.{options.command.replace('-', '_')}")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the locale cannot write must not end a command.
        sys.stdout.reconfigure(errors="replace")
    try:
        code: int = command.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _give_up_stdout()  # As with ``| head``.
        return _NO_READER
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        _give_up_stdout()
        return complain(f"cannot write: {error.strerror}", FAULT)
    finally:
        for handler in logging.getLogger().handlers:
            handler.flush()
    return code


def _open_what_is_closed() -> None:
    """Who closes an output (``>&-``) wants none; else a connection would take its place."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end


def _mask_tracebacks() -> None:
    """What a fault of ours prints at its end may quote a secret, in any thread."""

    def show(kind: object, error: BaseException | None, trace: object) -> None:
        del kind, trace
        if error is not None:
            sys.stderr.write(masked("".join(traceback.format_exception(error))))

    sys.excepthook = show
    threading.excepthook = lambda fault: show(None, fault.exc_value, None)


def _give_up_stdout() -> None:
    """Python would complain once more when it closes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="azure-backup-exporter",
        description="Prometheus exporter for Azure Backup: the jobs of Recovery Services vaults.",
        epilog="Every flag can be set by an environment variable as well, e.g."
        " AZURE_BACKUP_EXPORTER_WEB_LISTEN_ADDRESS for --web.listen-address.",
    )
    version_flag(parser)
    commands = parser.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND"
    )

    serve = _command(commands, "serve", "run the exporter")
    config_flag(serve)
    shard_flags(serve)
    web_flags(serve, listen_address=":10057")
    log_flags(serve)

    demo = _command(commands, "demo", "run it against the built-in Azure simulator")
    web_flags(demo, listen_address="127.0.0.1:10057")
    log_flags(demo)

    once = _command(commands, "once", "read every vault one time and print the metrics")
    config_flag(once)
    log_flags(once)

    jobs = _command(
        commands,
        "jobs",
        "show the jobs of the last hours, newest first",
        example="azure-backup-exporter jobs --config.file=config.yaml --status=Failed --since=7d",
    )
    config_flag(jobs)
    job_flags(jobs)

    track = _command(
        commands,
        "track",
        "follow a job, or an operation and then its job, to the end",
        example="azure-backup-exporter track --vault=/subscriptions/.../vaults/vault-a"
        " --job=1c90f769-3d8d-442c-a99a-8e8e75e1ad93\n\nexit codes:\n"
        "  0 Completed, 3 CompletedWithWarnings, 4 Failed, 5 Cancelled, 1 a fault, 130 Ctrl-C",
    )
    track_flags(track)

    access = _command(
        commands,
        "check-access",
        "ask Azure once for everything that is configured, and say which right is missing",
        example="azure-backup-exporter check-access --config.file=config.yaml",
    )
    config_flag(access)
    access.add_argument(
        "--all",
        action="store_true",
        help="ask every vault that discovery finds, not only the first 20 of each entry; each costs"
        " one read of the read budget",
    )

    diagnose = _command(
        commands,
        "diagnose",
        "print what a bug report needs, without names, ids and secrets",
        example="azure-backup-exporter diagnose --config.file=config.yaml",
    )
    config_flag(diagnose)

    check = _command(commands, "check-config", "check a configuration file")
    check.add_argument("file", metavar="FILE", type=Path, nargs="?", help="as --config.file")
    config_flag(check)

    _command(commands, "config-schema", "print the file's JSON Schema")

    health = _command(commands, "healthcheck", "ask a running exporter if it lives")
    listen_flag(health, ":10057")
    return parser


def _command(commands: Any, name: str, text: str, *, example: str = "") -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example:\n  {example}" if example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser
