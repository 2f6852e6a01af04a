"""The command line: arguments here, each command in a module of its own.

A command's module is imported when it runs: a health check every half minute must not load
azure-identity.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exporter import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("logfmt", "json")

_ENVIRONMENT: Final = "AZURE_BACKUP_EXPORTER_"
_YES: Final = ("1", "true", "yes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code of SPEC 2."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if "shard_index" in options and options.shard_index >= options.shard_total:
        parser.error(f"--shard.index must be below --shard.total, which is {options.shard_total}")
    command = import_module(f"exporter.cli.{options.command.replace('-', '_')}")
    code: int = command.run(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="azure-backup-exporter",
        description="Prometheus exporter for Azure Backup: the jobs of Recovery Services vaults.",
        epilog="Every flag can be set by an environment variable as well, e.g."
        " AZURE_BACKUP_EXPORTER_WEB_LISTEN_ADDRESS for --web.listen-address.",
    )
    _version_flag(parser)
    commands = parser.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND"
    )

    serve = _command(commands, "serve", "run the exporter")
    _config_flag(serve)
    _shard_flags(serve)
    _web_flags(serve, listen_address=":10057")
    _log_flags(serve)

    demo = _command(commands, "demo", "run it against the built-in Azure simulator")
    _web_flags(demo, listen_address="127.0.0.1:10057")
    _log_flags(demo)

    once = _command(commands, "once", "read every vault one time and print the metrics")
    _config_flag(once)
    _log_flags(once)

    check = _command(commands, "check-config", "check a configuration file")
    check.add_argument("file", metavar="FILE", type=Path)

    _command(commands, "config-schema", "print the file's JSON Schema")

    health = _command(commands, "healthcheck", "ask a running exporter if it lives")
    _listen_flag(health, ":10057")
    return parser


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}."
    )
    return parser


def _version_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--version",
        action="version",
        version=f"azure-backup-exporter {__version__} (Python {platform.python_version()})",
        help="print the version and end",
    )


def _from_environment(flag: str, default: str) -> str:
    name = _ENVIRONMENT + re.sub(r"[.-]", "_", flag.removeprefix("--")).upper()
    return os.environ.get(name, default)


def _config_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config.file",
        dest="config_file",
        metavar="FILE",
        type=Path,
        default=Path(_from_environment("--config.file", "config.yaml")),
        help="the configuration file (default: %(default)s)",
    )


def _listen_flag(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--web.listen-address",
        dest="listen_address",
        metavar="HOST:PORT",
        default=_from_environment("--web.listen-address", default),
        help="where to listen; without a host on every address (default: %(default)s)",
    )


def _web_flags(parser: argparse.ArgumentParser, *, listen_address: str) -> None:
    _listen_flag(parser, listen_address)
    parser.add_argument(
        "--web.telemetry-path",
        dest="telemetry_path",
        metavar="PATH",
        default=_from_environment("--web.telemetry-path", "/metrics"),
        help="where metrics are served (default: %(default)s)",
    )
    parser.add_argument(
        "--web.config.file",
        dest="web_config_file",
        metavar="FILE",
        type=Path,
        default=_from_environment("--web.config.file", "") or None,
        help="TLS, basic authentication and headers, in the format of Prometheus'"
        " exporter-toolkit; read again when it changes (default: plain HTTP)",
    )
    parser.add_argument(
        "--web.enable-lifecycle",
        dest="lifecycle",
        action="store_true",
        default=_from_environment("--web.enable-lifecycle", "").lower() in _YES,
        help="allow POST /-/reload",
    )


def _shard_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shard.index",
        dest="shard_index",
        metavar="N",
        type=_ordinal,
        default=_from_environment("--shard.index", "0"),
        help="which of --shard.total exporters this is, from 0; the name of a StatefulSet's pod"
        " will do, such as exporter-2 (default: %(default)s)",
    )
    parser.add_argument(
        "--shard.total",
        dest="shard_total",
        metavar="N",
        type=_positive,
        default=_from_environment("--shard.total", "1"),
        help="how many exporters split the vaults between them (default: %(default)s)",
    )


def _ordinal(value: str) -> int:
    match = re.fullmatch(r"(?:[a-z0-9.-]*-)?([0-9]{1,4})", value)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"write a number from 0, or a pod's name that ends with one, not {value!r}"
        )
    return int(match[1])


def _positive(value: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,3}", value):
        raise argparse.ArgumentTypeError(f"write a number from 1 to 9999, not {value!r}")
    return int(value)


def _log_flags(parser: argparse.ArgumentParser) -> None:
    _version_flag(parser)
    for flag, choices, default in (
        ("--log.level", LOG_LEVELS, "info"),
        ("--log.format", LOG_FORMATS, "logfmt"),
    ):
        parser.add_argument(
            flag,
            dest=flag.removeprefix("--").replace(".", "_"),
            metavar="|".join(choices),
            # argparse checks ``choices`` on the command line only, not in the environment.
            type=partial(_one_of, choices),
            default=_from_environment(flag, default),
            help="(default: %(default)s)",
        )


def _one_of(choices: Sequence[str], value: str) -> str:
    if value not in choices:
        raise argparse.ArgumentTypeError(f"write one of {', '.join(choices)}, not {value!r}")
    return value
