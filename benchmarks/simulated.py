"""The simulator as a process of its own, and a configuration that reads it without limits."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.measuring import first_line, program, python

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Azure(NamedTuple):
    """A running simulator.

    Attributes:
        environ: The environment in which a managed identity signs in there.
    """

    url: str
    environ: Mapping[str, str]


@contextmanager
def azure(vaults: int, jobs: int, *flags: str) -> Iterator[Azure]:
    """Run it with so many vaults, and jobs in all."""
    command = python("exporter.simulator", "--fleet", f"sized:{vaults}x{jobs}", *flags)
    with program(command) as process:
        said = json.loads(first_line(process))
        yield Azure(said["url"], said["environ"])


def config_text(url: str, vault_ids: Iterable[str], concurrency: int = 8) -> str:
    """What ``serve`` reads."""
    vaults = "".join(f"\n  - id: {vault_id}" for vault_id in vault_ids)
    return f"""
azure:
  cloud: custom
  resource_manager: {url}
  authority: https://localhost
  scope: {url}/.default
  credential: {{type: managed_identity}}
  read_budget: {{requests: 1000000, per: 1h}}
  max_concurrency: {concurrency}
vaults:{vaults}
"""
