"""Checking a YAML file against a model; what is wrong is told for people, all of it at once."""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import ValidationError

from exporter.config.section import Section
from exporter.config.yaml_file import place_after, read_yaml
from exporter.errors import ConfigError, Problem
from exporter.threads import begin

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

_PATIENCE_SECONDS: Final = 30

S = TypeVar("S", bound=Section)

_LARGEST_FILE: Final = 4 * 2**20
"""Twenty thousand vaults; what has no end, as a device, is no configuration."""

_HINTS: Final = {
    "missing": "is required",
    "model_type": "write a section of keys and values",
    "dict_type": "write a section of keys and values",
    "string_type": "write text; put a number, true, false or null in quotes",
    "list_type": "write a list",
    "too_short": "needs at least one entry",
    "union_tag_not_found": "its type is required",
}


@dataclass(frozen=True, kw_only=True)
class Format:
    """What there is to know about a file's keys.

    Attributes:
        sections: The models of each section, by its name for people.
        unions: Keys whose section is one of several models.
        refused: Keys that others know and we do not, by path, and what to do instead.
    """

    sections: Mapping[str, tuple[type[Section], ...]]
    unions: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigError: It cannot be read, or not to its end.
    """
    try:
        content = begin("configuration", partial(_content, path)).result(_PATIENCE_SECONDS)
        if len(content) > _LARGEST_FILE:
            reason = f"it is larger than {_LARGEST_FILE // 2**20} MiB"
        elif content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            reason = "it is UTF-16; save it as UTF-8"
        else:
            return content.decode()
    except TimeoutError:
        reason = (
            f"it did not end within {_PATIENCE_SECONDS} s: a pipe that nobody closes, or a file"
            " system that hangs"
        )
    except OSError as error:
        reason = error.strerror or "the system does not say why"
    except UnicodeDecodeError as error:
        where = place_after(content[: error.start].decode())
        reason = f"{where}: byte 0x{content[error.start]:02x} is not UTF-8; save it as UTF-8"
    raise ConfigError(str(path), [Problem("", f"cannot be read: {reason}")])


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST_FILE + 1)


def read_section(
    model: type[S], text: str, environment: Mapping[str, str] | None, form: Format
) -> tuple[S | None, list[Problem]]:
    """Check a file's text.

    Args:
        model: What the file holds.
        text: The file.
        environment: What ``${VAR}`` stands for; None where it stands for itself.
        form: What to know about the keys.

    Returns:
        The file's content, None when it does not fit the model; and what is wrong.
    """
    values, problems = read_yaml(text, environment)
    if values is None and problems:
        return None, problems
    # An empty section is one with nothing but defaults.
    if isinstance(values, dict):
        values = {key: {} if value is None else value for key, value in values.items()}
    try:
        return model.model_validate(values), problems
    except ValidationError as error:
        told = {problem.path for problem in problems}
        found = [_problem(details, form) for details in error.errors(include_url=False)]
        return None, problems + [problem for problem in found if problem.path not in told]


def _problem(error: ErrorDetails, form: Format) -> Problem:
    """A problem in the words of somebody who has to mend the file."""
    # Pydantic names the member of a union in the location; the file has no such key.
    location = [
        part
        for i, part in enumerate(error["loc"])
        if i == 0 or error["loc"][i - 1] not in form.unions
    ]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    path = path.lstrip(".")
    return Problem(path, _hint(error, path, form))


def _hint(error: ErrorDetails, path: str, form: Format) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        return form.refused.get(path) or _hint_for_key(str(error["loc"][-1]), form)
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "union_tag_invalid":
        return f"unknown type; write one of {error['ctx']['expected_tags']}"
    return _HINTS.get(kind) or error["msg"][:1].lower() + error["msg"][1:]


def _hint_for_key(unknown: str, form: Format) -> str:
    homes = {
        details.alias or key: section
        for section, models in form.sections.items()
        for described in models
        for key, details in described.model_fields.items()
    }
    if unknown in homes:
        return f"unknown key here; it belongs to {homes[unknown]}"
    if unknown == "<<":
        return "merging of keys (<<) is not supported; write the keys out"
    near = difflib.get_close_matches(unknown, homes, 1)
    return f"unknown key; did you mean {near[0]}?" if near else "unknown key"
