"""Reading and checking the configuration file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from exporter.backup.vaults import tag_label
from exporter.config import estate, model
from exporter.config.model import Config
from exporter.config.problems import Format, read_section, read_text
from exporter.errors import ConfigError, Problem

_FORMAT: Final = Format(
    sections={
        "the top level": (model.Config,),
        "azure": (model.Azure,),
        "azure.credential": (
            model.ManagedIdentity,
            model.WorkloadIdentity,
            model.ClientSecret,
            model.ClientCertificate,
        ),
        "azure.api_versions": (model.ApiVersions,),
        "azure.read_budget": (model.ReadBudget,),
        "refresh": (model.Refresh,),
        "metrics": (model.Metrics,),
        "state": (model.State,),
        "lateness[]": (estate.LatenessLine,),
        "vaults[]": (estate.VaultEntry,),
        "discovery[]": (estate.DiscoveryEntry,),
        "discovery[].include": (estate.VaultMatch,),
    },
    unions=frozenset({"credential"}),
)


def load_config(path: Path, environment: Mapping[str, str]) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: With every problem at once.
    """
    return parse_config(read_text(path), environment, source=str(path))


def parse_config(text: str, environment: Mapping[str, str], *, source: str) -> Config:
    """The same for text at hand.

    Raises:
        ConfigError: With every problem at once.
    """
    config, problems = read_section(Config, text, environment, _FORMAT)
    if config is not None:
        problems += [
            *_duplicate_vaults(config),
            *_duplicate_discoveries(config),
            *_missing_files(config),
            *_lateness(config),
        ]
    if config is None or problems:
        raise ConfigError(source, problems)
    return config


def _duplicate_vaults(config: Config) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for i, entry in enumerate(config.vaults):
        first = seen.setdefault(entry.vault().id, i)
        if first != i:
            yield Problem(f"vaults[{i}]", f"the same vault as vaults[{first}]")


def _duplicate_discoveries(config: Config) -> Iterator[Problem]:
    seen: dict[tuple[str, str], int] = {}
    for i, entry in enumerate(config.discovery):
        first = seen.setdefault((entry.scope, entry.source), i)
        if first != i:
            message = f"the same scope and source as discovery[{first}]; make one of both"
            yield Problem(f"discovery[{i}]", message)


def _lateness(config: Config) -> Iterator[Problem]:
    labels = {tag_label(tag): tag for tag in config.metrics.vault_tags}
    last = len(config.lateness) - 1
    for i, line in enumerate(config.lateness):
        path = f"lateness[{i}]"
        if line.warning and line.critical and line.critical < line.warning:
            yield Problem(
                f"{path}.critical", "write warning's time or a longer one: it comes later"
            )
        if line.fits_all and i < last:
            yield Problem(
                path, f"fits everything, so that lateness[{i + 1}] never holds: put it last"
            )
        if line.vaults.tags and not config.discovery:
            yield Problem(f"{path}.vaults.tags", "only discovery knows tags: add an entry there")
        for tag in line.vaults.tags:
            other = labels.setdefault(tag_label(tag), tag)
            if other.lower() != tag.lower():
                message = f"{other} and {tag} would be one label, {tag_label(tag)}"
                yield Problem(f"{path}.vaults.tags", message)


def _missing_files(config: Config) -> Iterator[Problem]:
    for name, value in config.azure.credential:
        if name.endswith("_file") and value is not None and not Path(value).is_file():
            yield Problem(f"azure.credential.{name}", "no such file")
