"""Flags, each with its environment variable."""

from __future__ import annotations

import argparse
import os
import platform
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("logfmt", "json")

_ENVIRONMENT: Final = "AZURE_BACKUP_EXPORTER_"
_SHORTEST_INTERVAL_SECONDS: Final = 0.1
_YES: Final = ("1", "true", "yes")


def version_flag(parser: argparse.ArgumentParser) -> None:
    """``--version``."""
    parser.add_argument(
        "--version",
        action="version",
        version=f"azure-backup-exporter {__version__} (Python {platform.python_version()})",
        help="print the version and end",
    )


def _from_environment(flag: str, default: str) -> str:
    name = _ENVIRONMENT + re.sub(r"[.-]", "_", flag.removeprefix("--")).upper()
    return os.environ.get(name, default)


def config_flag(parser: argparse.ArgumentParser) -> None:
    """``--config.file``."""
    parser.add_argument(
        "--config.file",
        dest="config_file",
        metavar="FILE",
        type=Path,
        default=Path(_from_environment("--config.file", "config.yaml")),
        help="the configuration file (default: %(default)s)",
    )


def listen_flag(parser: argparse.ArgumentParser, default: str) -> None:
    """``--web.listen-address``, as often as there are addresses."""
    parser.add_argument(
        "--web.listen-address",
        dest="listen_addresses",
        metavar="HOST:PORT",
        action=_InPlaceOfTheDefault,
        default=_from_environment("--web.listen-address", default).split(","),
        help="where to listen; without a host on every address; may be given more than once, in the"
        f" environment with commas (default: {default})",
    )


class _InPlaceOfTheDefault(argparse.Action):
    """Gathers values; argparse's own ``append`` would keep the default beside them."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        del parser, option_string
        given = getattr(namespace, self.dest)
        kept = [] if given is self.default else given
        setattr(namespace, self.dest, [*kept, values])


def web_flags(parser: argparse.ArgumentParser, *, listen_address: str) -> None:
    """Where and how it serves."""
    listen_flag(parser, listen_address)
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


def shard_flags(parser: argparse.ArgumentParser) -> None:
    """Which part of the vaults is ours."""
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


def log_flags(parser: argparse.ArgumentParser) -> None:
    """``--version``, and what is logged how."""
    version_flag(parser)
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
    if value.lower() not in choices:
        raise argparse.ArgumentTypeError(f"write one of {', '.join(choices)}, not {value!r}")
    return value.lower()


def job_flags(parser: argparse.ArgumentParser) -> None:
    """Which jobs are shown, and how."""
    pattern = "without case, with * and ?"
    parser.add_argument("--status", default="", help="only these, e.g. Failed,InProgress")
    parser.add_argument(
        "--vault", default="*", metavar="NAME", help=f"only vaults of this name or id; {pattern}"
    )
    parser.add_argument(
        "--item", default="*", metavar="NAME", help=f"only items of this name; {pattern}"
    )
    parser.add_argument(
        "--operation", default="*", metavar="NAME", help=f"e.g. Backup or Restore; {pattern}"
    )
    parser.add_argument(
        "--since",
        type=_span,
        default="24h",
        metavar="SPAN",
        help="jobs that run, or ended so long ago at most, e.g. 90m or 7d (default: %(default)s)",
    )
    parser.add_argument(
        "--details",
        action="store_true",
        help="sizes and tasks as well: one read of Azure for each job, as the read budget allows",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--watch",
        action="store_true",
        help="go on, reading again at refresh.interval, until Ctrl-C; in a pipe, a line for each"
        " job that is new or changed",
    )
    form.add_argument("--json", action="store_true", help="one JSON document")


def track_flags(parser: argparse.ArgumentParser) -> None:
    """What is followed, as whom, and how often it is looked at."""
    parser.add_argument(
        "--config.file",
        dest="config_file",
        metavar="FILE",
        type=Path,
        default=_from_environment("--config.file", "") or None,
        help="the configuration file, for its azure section (default: config.yaml if there is one,"
        " else the public cloud and azure-identity's default credential)",
    )
    parser.add_argument(
        "--vault",
        required=True,
        metavar="ID",
        help="resource id of the Recovery Services vault or Backup vault",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--job",
        metavar="GUID",
        type=_job,
        help="the job; for a restore to the paired region its resource id,"
        " /subscriptions/.../locations/REGION/backupJobs/GUID",
    )
    what.add_argument(
        "--operation",
        metavar="GUID|URL",
        type=_operation,
        help="the operation whose job is followed: its id, or the URL that Azure answered in"
        " Azure-AsyncOperation or Location; in quotes, it is long and has & in it",
    )
    parser.add_argument(
        "--interval",
        type=_interval,
        default="15s",
        metavar="SPAN",
        help="between two looks at least; longer where Azure asks for it, or when half of the read"
        " budget is spent (default: %(default)s)",
    )


def _job(value: str) -> str:
    if not re.fullmatch(r"(/subscriptions/[^?#\s]+/backupJobs/)?[^/?#\s]+", value, re.IGNORECASE):
        raise argparse.ArgumentTypeError(f"write the GUID or resource id of a job, not {value!r}")
    return value


def _operation(value: str) -> str:
    if not re.fullmatch(r"\S+", value):
        raise argparse.ArgumentTypeError(f"write the id or URL of an operation, not {value!r}")
    return value


def _interval(value: str) -> timedelta:
    interval = _span(value)
    if interval.total_seconds() < _SHORTEST_INTERVAL_SECONDS:
        raise argparse.ArgumentTypeError("write 100ms or more")
    return interval


def _span(value: str) -> timedelta:
    # pydantic, which this loads, is not for a health check.
    from exporter.config.types import read_duration  # noqa: PLC0415

    try:
        return read_duration(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
