"""``check-config``: every problem of a configuration file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from exporter.cli.exits import BAD_CONFIG, OK, complain, say
from exporter.config import load_config
from exporter.errors import ConfigError

if TYPE_CHECKING:
    from argparse import Namespace


def run(options: Namespace) -> int:
    """Say what is wrong with the file, or that nothing is."""
    path = options.file or options.config_file
    try:
        config = load_config(path, os.environ)
    except ConfigError as error:
        return complain(error, BAD_CONFIG)
    found = f", {len(config.discovery)} discovery entry(s)" if config.discovery else ""
    say(f"{path}: fine, {len(config.vaults)} vault(s){found}")
    return OK
