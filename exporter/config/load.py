"""Reading and checking a configuration file; every problem is told at once, for people."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from exporter.config import model
from exporter.config.model import Config
from exporter.config.yaml_file import read_yaml
from exporter.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SECTIONS: Final[dict[str, tuple[type[model.Section], ...]]] = {
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
    "vaults[]": (model.VaultEntry,),
}

_HINTS: Final = {
    "missing": "is required",
    "none_required": "state files are not supported yet: leave it null",
    "model_type": "write a section of keys and values",
    "string_type": "write text; put a number in quotes",
    "int_type": "write a whole number",
    "list_type": "write a list",
    "too_short": "needs at least one entry",
    "union_tag_not_found": "its type is required",
}


def load_config(path: Path, environment: Mapping[str, str]) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: With every problem at once.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(str(path), [Problem("", f"cannot be read: {reason}")]) from error
    return parse_config(text, environment, source=str(path))


def parse_config(text: str, environment: Mapping[str, str], *, source: str) -> Config:
    """The same for text at hand.

    Raises:
        ConfigError: With every problem at once.
    """
    values, problems = read_yaml(text, environment)
    if values is None and problems:
        raise ConfigError(source, problems)
    # An empty section is one with nothing but defaults.
    if isinstance(values, dict):
        values = {key: {} if value is None else value for key, value in values.items()}
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        told = {problem.path for problem in problems}
        found = map(_problem, error.errors(include_url=False))
        problems += [problem for problem in found if problem.path not in told]
    else:
        problems += [*_duplicate_vaults(config), *_missing_files(config)]
    if problems:
        raise ConfigError(source, problems)
    return config


def _duplicate_vaults(config: Config) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for i, entry in enumerate(config.vaults):
        first = seen.setdefault(entry.vault().id, i)
        if first != i:
            yield Problem(f"vaults[{i}]", f"the same vault as vaults[{first}]")


def _missing_files(config: Config) -> Iterator[Problem]:
    for name, value in config.azure.credential:
        if name.endswith("_file") and value is not None and not Path(value).is_file():
            yield Problem(f"azure.credential.{name}", "no such file")


def _problem(error: ErrorDetails) -> Problem:
    """A problem in the words of somebody who has to mend the file."""
    # Pydantic names the member of a union in the location; the file has no such key.
    location = [
        part for i, part in enumerate(error["loc"]) if i == 0 or error["loc"][i - 1] != "credential"
    ]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return Problem(path.lstrip("."), _hint(error))


def _hint(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        return _hint_for_key(str(error["loc"][-1]))
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "union_tag_invalid":
        return f"unknown type; write one of {error['ctx']['expected_tags']}"
    return _HINTS.get(kind) or error["msg"][:1].lower() + error["msg"][1:]


def _hint_for_key(unknown: str) -> str:
    homes = {
        key: section
        for section, models in _SECTIONS.items()
        for described in models
        for key in described.model_fields
    }
    if unknown in homes:
        return f"unknown key here; it belongs to {homes[unknown]}"
    near = difflib.get_close_matches(unknown, homes, 1)
    return f"unknown key; did you mean {near[0]}?" if near else "unknown key"
