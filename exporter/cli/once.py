"""``once``: one refresh of every vault, the page on stdout."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from exporter.cli.exits import BAD_CONFIG, FAULT, OK, complain
from exporter.cli.logs import set_up_logging
from exporter.clock import AzureClock
from exporter.config import load_config
from exporter.errors import ArmError, ConfigError
from exporter.metrics.exposition import registry_text
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector

if TYPE_CHECKING:
    from argparse import Namespace


def run(options: Namespace) -> int:
    """Print the page; a fault when some vault could not be read."""
    set_up_logging(options.log_level, options.log_format)
    # In node_exporter's textfile collector process_* would clash with node_exporter's own.
    metrics = SelfMetrics(process=False)
    store = PageStore(metrics)
    try:
        config = load_config(options.config_file, os.environ)
        collector = Collector(config, store=store, metrics=metrics, clock=AzureClock())
    except ConfigError as error:
        return complain(error, BAD_CONFIG)
    except ArmError as error:
        return complain(error, FAULT)
    collector.run_once()
    for piece in store.page.text.plain(registry_text(metrics.registry)):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    return OK if collector.all_up else FAULT
