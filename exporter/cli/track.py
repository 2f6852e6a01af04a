"""``track``: follows a job, or an operation and then its job, to the end."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter.azure.budget import ReadBudget
from exporter.azure.connect import connect
from exporter.azure.operations import OperationsApi
from exporter.backup.progress import summary
from exporter.backup.vaults import ANY_VAULT_ID, VAULT_ID
from exporter.cli.exits import BAD_CONFIG, FAULT, OK, complain
from exporter.cli.logs import set_up_logging
from exporter.cli.terminal import leaving_cleanly, safe
from exporter.cli.track_views import make_view
from exporter.cli.tracker import Tracker
from exporter.clock import AzureClock
from exporter.config import load_config
from exporter.config.model import Azure
from exporter.errors import ArmError, ConfigError, ErrorKind, ForeignUrlError
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.refresh.advice import ADVICE, BACKUP_VAULT_ADVICE, advice_on

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from exporter.backup.operation import OperationStatus
    from exporter.cli.track_views import View

_WITH_WARNINGS: Final = 3
_FAILED: Final = 4
_CANCELLED: Final = 5
_CODES: Final = {
    "Completed": OK,
    "CompletedWithWarnings": _WITH_WARNINGS,
    "Failed": _FAILED,
    "Cancelled": _CANCELLED,
}
_WORST_LAST: Final = (OK, _WITH_WARNINGS, _CANCELLED, _FAILED, FAULT)
_OURS: Final = {
    ErrorKind.NOT_FOUND: "check the ids; `azure-backup-exporter jobs` lists the jobs there are"
}
_DEFAULT_FILE: Final = Path("config.yaml")


def run(options: Namespace) -> int:
    """Follow it; the exit code says how it ended."""
    set_up_logging("error", "logfmt")
    if not ANY_VAULT_ID.fullmatch(options.vault):
        return complain(
            "--vault: write the resource id, /subscriptions/.../resourceGroups/.../providers/"
            "Microsoft.RecoveryServices/vaults/...",
            BAD_CONFIG,
        )
    clock, stop = AzureClock(), threading.Event()
    metrics = SelfMetrics(process=False)
    try:
        azure = _azure(options.config_file)
        session = connect(azure, clock=clock, metrics=metrics, stop=stop)
    except ConfigError as error:
        return complain(error, BAD_CONFIG)
    except ArmError as error:
        return complain(error, FAULT)
    budget = ReadBudget(azure.read_budget.requests, azure.read_budget.per.total_seconds())
    version = azure.api_versions.backup_jobs
    api = OperationsApi(session, version, budget=budget, clock=clock, metrics=metrics)

    def failed(error: ArmError) -> int:
        advice = ADVICE if VAULT_ID.fullmatch(options.vault) else BACKUP_VAULT_ADVICE
        todo = advice_on(error, options.vault, advice | _OURS)
        if isinstance(error, ForeignUrlError):
            todo = (
                f"--operation takes an id, or a URL of {session.base_url}; which host that is,"
                " azure.cloud in the configuration says"
            )
        ids = f" ({error.for_support})" if error.for_support else ""
        return complain(safe(f"{error}. What to do: {todo}.{ids}"), FAULT)

    try:
        with leaving_cleanly(), make_view(clock) as view:
            tracker = Tracker(
                api,
                options.vault,
                view,
                budget=budget,
                interval=options.interval,
                clock=clock,
                stop=stop,
            )
            if options.job:
                return _follow_jobs(tracker, view, [options.job], failed, late=False)
            return _follow_operation(tracker, view, options.operation, failed)
    except ArmError as error:
        return failed(error)
    except KeyboardInterrupt:
        complain("left; what runs in Azure goes on", FAULT)
        raise


def _azure(file: Path | None) -> Azure:
    """The ``azure`` section of the file that is named, or lies here; else its defaults."""
    if file is None and not _DEFAULT_FILE.exists():
        return Azure()
    return load_config(file or _DEFAULT_FILE, os.environ).azure


def _follow_operation(
    tracker: Tracker, view: View, operation: str, failed: Callable[[ArmError], int]
) -> int:
    status = tracker.operation(operation)
    for text in status.errors:
        view.say(f"error {text}")
    code = _code_of(status)
    if status.file_recovery:
        view.say("a recovery point is mounted for file recovery; its script is in the portal")
    if not status.jobs:
        view.say("the operation has no job")
        return code
    ended = _follow_jobs(tracker, view, status.jobs, failed, late=True)
    return max(code, ended, key=_WORST_LAST.index)


def _follow_jobs(
    tracker: Tracker,
    view: View,
    jobs: Sequence[str],
    failed: Callable[[ArmError], int],
    *,
    late: bool,
) -> int:
    """Follow jobs one after the other: they run at the same time, so none takes longer for it.

    One that cannot be read does not keep the others from being followed.
    """
    worst = OK
    for number, job in enumerate(jobs, 1):
        if len(jobs) > 1:
            view.say(f"job {number} of {len(jobs)}")
        try:
            ended = tracker.job(job, may_be_late=late)
        except ArmError as error:
            view.done()
            worst = failed(error)
            continue
        view.done()
        for text in summary(ended):
            view.say(text)
        worst = max(worst, _CODES.get(ended.job.status, FAULT), key=_WORST_LAST.index)
    return worst


def _code_of(status: OperationStatus) -> int:
    if status.cancelled:
        return _CANCELLED
    return _FAILED if status.failed else OK
