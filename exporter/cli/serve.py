"""``serve``: the daemon."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from exporter.backup.shard import Shard
from exporter.cli.daemon import hold_signals, run_daemon
from exporter.config import load_config

if TYPE_CHECKING:
    from argparse import Namespace


def run(options: Namespace) -> int:
    """Serve until a signal ends it."""
    hold_signals()
    return run_daemon(
        options,
        lambda: load_config(options.config_file, os.environ),
        source=str(options.config_file),
        shard=Shard(options.shard_index, options.shard_total),
    )
