"""``demo``: the daemon against the built-in simulator."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from exporter.cli.daemon import hold_signals, run_daemon
from exporter.cli.exits import say
from exporter.config import parse_config
from exporter.simulator import Simulator, demo_fleet

if TYPE_CHECKING:
    from argparse import Namespace

_SPEED: Final = 120
"""A night lasts 12 minutes, a job of 40 minutes 20 seconds."""

_CONFIG: Final = """
azure:
  cloud: custom
  resource_manager: {url}
  authority: https://localhost
  scope: {url}/.default
  credential: {{type: managed_identity}}
  read_budget: {{requests: 100000, per: 1h}}
refresh:
  interval: 2s
  discovery_interval: 1m
metrics:
  vault_tags: [environment, team]
discovery:
  - management_group: mg-demo
"""


def run(options: Namespace) -> int:
    """Serve a simulated fleet that lives on, until a signal ends it."""
    hold_signals()
    with Simulator(fleet=demo_fleet(speed=_SPEED)) as simulator:
        # A proxy of the environment is no way to ourselves.
        os.environ.update(simulator.identity_environ | {"NO_PROXY": "*", "no_proxy": "*"})
        text = _CONFIG.format(url=simulator.url)
        return run_daemon(
            options,
            lambda: parse_config(text, {}, source="demo"),
            source="demo",
            announce=_announce,
        )


def _announce(url: str) -> None:
    say(f"A simulated fleet is served at {url} until Ctrl-C.")
    sys.stdout.flush()
