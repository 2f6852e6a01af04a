"""``jobs``: what ran lately, for people and for scripts."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

from rich.live import Live

from exporter.backup.job_filter import JobFilter, ListedJob, newest_first, no_details
from exporter.backup.model import FINISHED_STATUSES, RUNNING_STATUSES
from exporter.cli.exits import BAD_CONFIG, FAULT, OK, complain, say
from exporter.cli.job_records import as_json, heading, line
from exporter.cli.job_table import job_table
from exporter.cli.logs import set_up_logging
from exporter.cli.terminal import can_redraw, console, leaving_cleanly, on_terminal, safe, waiting
from exporter.clock import AzureClock
from exporter.config import load_config
from exporter.config.model import State
from exporter.errors import ArmError, ConfigError
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector

if TYPE_CHECKING:
    from argparse import Namespace

    from rich.console import Console
    from rich.table import Table

    from exporter.config import Config

_LOOK_SECONDS: Final = 0.5
_STATUSES: Final = (*sorted(RUNNING_STATUSES, reverse=True), *FINISHED_STATUSES)
_LINES_OF_A_JOB: Final = 3
"""In a narrow window, at most as a rule."""


def run(options: Namespace) -> int:
    """Print the jobs; a fault when some vault could not be read."""
    set_up_logging("error", "logfmt")
    _wonder_at(options.status)
    wanted = JobFilter(
        since=options.since,
        statuses=frozenset(one.strip().lower() for one in options.status.split(",") if one.strip()),
        vault=options.vault,
        item=options.item,
        operation=options.operation,
    )
    metrics, clock = SelfMetrics(process=False), AzureClock()
    try:
        config = _only(load_config(options.config_file, os.environ), wanted)
        collector = Collector(
            config,
            store=PageStore(metrics),
            metrics=metrics,
            clock=clock,
            shard=wanted,
            want=wanted.wanted_details if options.details else no_details,
        )
    except ConfigError as error:
        return complain(error, BAD_CONFIG)
    except ArmError as error:
        return complain(error, FAULT)
    view = _View(collector, wanted, clock, details=options.details)
    with leaving_cleanly():
        if options.watch:
            return _watch(view)
        with waiting("Reading job lists ..."):
            collector.run_once()
        return _print(view, json=options.json)


def _wonder_at(statuses: str) -> None:
    """Azure may know more statuses than this program: a hint, no fault."""
    for one in filter(None, map(str.strip, statuses.split(","))):
        if one.lower() not in map(str.lower, _STATUSES):
            complain(f"--status {one}: Azure is known to say {', '.join(_STATUSES)}", OK)


def _only(config: Config, wanted: JobFilter) -> Config:
    """The configuration for this one look: a running exporter keeps its state file for itself."""
    vaults = [entry for entry in config.vaults if wanted.reads(entry.vault().id)]
    window = {"window": wanted.since}
    return config.model_copy(
        update={
            "state": State(),
            "vaults": vaults,
            "metrics": config.metrics.model_copy(update=window),
        }
    )


class _View:
    """What is known by now."""

    def __init__(
        self, collector: Collector, wanted: JobFilter, clock: AzureClock, *, details: bool
    ) -> None:
        self.collector = collector
        self.wanted = wanted
        self.details = details
        self.clock = clock

    @property
    def jobs(self) -> list[ListedJob]:
        now = self.clock.now()
        return newest_first(
            ListedJob(vault, job)
            for vault, state in self.collector.readings
            for job in state.history.jobs.values()
            if self.wanted.accepts(job, now)
        )

    @property
    def problems(self) -> list[str]:
        """Why jobs may be missing, and what to do."""
        found = [
            _told(f"{vault.path} cannot be read: {state.failure}", state.for_support)
            for vault, state in self.collector.readings
            if state.failure
        ]
        searches = self.collector.overview.searches
        found += [
            _told(f"{one.scope} cannot be searched: {one.failure}", one.for_support)
            for one in searches
            if one.failure
        ]
        known = all(one.up is not None for one in searches)
        if known and not self.collector.readings and not found:
            found.append(f"no vault fits --vault {self.wanted.vault}")
        return found


def _told(problem: str, for_support: str) -> str:
    return f"{problem} ({for_support})" if for_support else problem


def _print(view: _View, *, json: bool) -> int:
    jobs, problems, now = view.jobs, view.problems, view.clock.now()
    if json:
        say(as_json(jobs, problems, now))
    elif on_terminal():
        out = console()
        out.print(job_table(jobs, now=now, width=out.width, details=view.details))
    else:
        say("\n".join([heading(), *map(line, jobs)]))
    for problem in problems:
        complain(safe(problem), FAULT)
    pending = sum(state.details_pending or 0 for _, state in view.collector.readings)
    if pending:
        complain(f"{pending} detail(s) not read: the read budget is spent", OK)
    return FAULT if problems else OK


def _watch(view: _View) -> int:
    """Show the jobs until Ctrl-C, which is a good end."""
    view.collector.start(lambda: None)
    try:
        _follow_on_terminal(view) if can_redraw() else _follow_by_lines(view)
    except KeyboardInterrupt:
        pass
    finally:
        view.collector.stop()
    return FAULT if view.problems else OK


def _follow_on_terminal(view: _View) -> None:
    out = console()
    with Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_screenful(view, out), refresh=True)
            time.sleep(_LOOK_SECONDS)


def _screenful(view: _View, out: Console) -> Table:
    """As many of the newest jobs as fit, with the problems."""
    jobs, problems, now = view.jobs, view.problems, view.clock.now()
    rows = min(len(jobs), out.height)
    while True:
        table = job_table(jobs, now=now, width=out.width, details=view.details, rows=rows)
        if problems:
            notes = [str(table.caption or ""), *map(safe, problems)]
            table.caption = "\n".join(filter(None, notes))
        # A name that does not fit its column takes more lines than one.
        surplus = len(out.render_lines(table)) - out.height
        if surplus <= 0 or rows <= 1:
            return table
        rows = max(1, rows - -(-surplus // _LINES_OF_A_JOB))


def _follow_by_lines(view: _View) -> None:
    """A line for each job that is new or changed, as it comes."""
    say(heading())
    known: dict[str, tuple[object, ...]] = {}
    told: set[str] = set()
    while True:
        for one in reversed(view.jobs):
            job = one.job
            looks = (job.status, job.operation, job.backup_type, job.item, job.detail)
            if known.get(job.job_id) != looks:
                known[job.job_id] = looks
                say(line(one))
        problems = set(view.problems)
        for problem in sorted(problems - told):
            complain(safe(problem), FAULT)
        told = problems
        sys.stdout.flush()
        time.sleep(_LOOK_SECONDS)
