"""YAML text to plain values: duplicate keys found, environment variables put in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from exporter.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE: Final = re.compile(
    r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)?(?P<rest>:-[^}]*)?(?P<end>\})?"
)

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Of what text in quotes (``"\\x07"``) and environment variables can hold: no setting can mean it.
What a line break means is for each setting to say."""

_MOST_REPEATED: Final = 10_000
"""Values read once more through anchors: a few nested ones would make billions."""

_TAG: Final = "tag:yaml.org,2002:"
_BOOL: Final = re.compile(r"(?i:true|false)\Z")
_INT: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})\Z")
_NULL: Final = re.compile(r"(~|null|Null|NULL|)\Z")


class _Loader(yaml.SafeLoader):
    """YAML whose plain text is text, but for ``null``, ``true``, ``false`` and decimal integers.

    YAML 1.1 makes 750 of ``12:30``, 8 of ``010``, true of ``on`` and a date of ``2024-10-01``: then
    neither the value nor a message about it would be what was written.
    """


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver(f"{_TAG}null", _NULL, ["~", "n", "N", ""])
_Loader.add_implicit_resolver(f"{_TAG}bool", _BOOL, list("tTfF"))
_Loader.add_implicit_resolver(f"{_TAG}int", _INT, list("-0123456789"))


def read_yaml(text: str, environment: Mapping[str, str] | None) -> tuple[Any, list[Problem]]:
    """Read a configuration file.

    Args:
        text: The file.
        environment: What ``${VAR}`` and ``${VAR:-default}`` stand for. They are put in after the
            YAML was read, so a value can never become structure; the result is always text.
            None where they stand for themselves.

    Returns:
        Mappings, lists and scalars, and what is wrong so far: syntax, keys that stand twice,
        control characters, variables that are not set.
    """
    try:
        root = _Loader(text).get_single_node()
        if root is None:
            return {}, []
        reader = _Reader(environment)
        return reader.read(root, ""), reader.problems
    except (yaml.YAMLError, OverflowError, ValueError, RecursionError, _TooLargeError) as error:
        return None, [Problem("", _mistake(error, text))]


def place_after(text: str) -> str:
    """Where what follows this text stands in its file, for people."""
    lines = text.split("\n")
    return f"line {len(lines)}, column {len(lines[-1]) + 1}"


def _mistake(error: Exception, text: str) -> str:
    match error:
        case yaml.reader.ReaderError():
            message = f"U+{int(error.character):04X} may not stand in YAML; remove it"
            return f"not YAML: {place_after(text[: error.position])}: {message}"
        case yaml.MarkedYAMLError():
            mark = error.problem_mark or error.context_mark
            where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
            return f"not YAML: {where}{_advice(error)}"
        case RecursionError():
            return "a value contains itself, or is nested too deeply"
        case _TooLargeError():
            return f"anchors repeat more than {_MOST_REPEATED} values; write them out"
        case _:  # PyYAML's own numbers: "\UFFFFFFFF", or a version of thousands of digits
            return "not YAML: the number of an escape or a directive is too large"


def _advice(error: yaml.MarkedYAMLError) -> str:
    """What is wrong, without the error's own quotes of the file, which may be of a secret."""
    context, problem = error.context or "", error.problem or ""
    if "undefined alias" in problem:
        return "put text that begins with * in quotes"
    if "duplicate anchor" in context:
        return "an anchor of this name stands above; put text that begins with & in quotes"
    if "another document" in problem:
        return "a second document begins, which nobody would read; remove the ---"
    if "tag" in context + problem:
        return "put text that begins with ! in quotes"
    return problem or context


class _TooLargeError(Exception):
    """Anchors would have us read without end."""


class _Reader:
    """Walks the node tree, where keys that stand twice are still visible."""

    def __init__(self, environment: Mapping[str, str] | None) -> None:
        self.problems: list[Problem] = []
        self._environment = environment
        self._seen: set[yaml.Node] = set()
        self._repeated = 0

    def read(self, node: yaml.Node, path: str) -> Any:
        if node in self._seen:
            self._repeated += 1
            if self._repeated > _MOST_REPEATED:
                raise _TooLargeError
        self._seen.add(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, f"{path}[{i}]") for i, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, path)
        text: str = node.value
        if self._environment is not None and "${" in text:
            return self._checked(self._expand(text, path, self._environment), path)
        try:
            return self._value(node.tag, text, path)
        except ValueError:
            self.problems.append(Problem(path, "not a value; put text in quotes"))
            return None

    def _value(self, tag: str, text: str, path: str) -> object:
        """What a scalar says.

        Raises:
            ValueError: Not what its tag says, or a tag that no setting has.
        """
        match tag.removeprefix(_TAG):
            case "str":
                return self._checked(text, path)
            case "null":
                return None
            case "bool" if _BOOL.match(text):
                return text.lower() == "true"
            case "int":
                return int(text)
            case _:
                raise ValueError(tag)

    def _checked(self, text: str, path: str) -> str | None:
        if found := _CONTROL.search(text):
            where = f"U+{ord(found[0]):04X}, at position {found.start() + 1}"
            message = f"has a control character, {where}; remove it"
            self.problems.append(Problem(path, message))
            return None
        return text

    def _read_mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            child = f"{path}.{key}" if path else key
            if self._checked(key, child) is None:
                continue
            if key in values:
                line = key_node.start_mark.line + 1
                self.problems.append(Problem(child, f"stands twice (again in line {line})"))
            values[key] = self.read(value_node, child)
        return values

    def _expand(self, text: str, path: str, environment: Mapping[str, str]) -> str:
        def value_of(match: re.Match[str]) -> str:
            name, rest = match["name"], match["rest"]
            if not name or not match["end"]:
                self.problems.append(Problem(path, "write ${NAME} or ${NAME:-default}"))
                return ""
            value = environment.get(name, "")
            if value:
                return value
            if rest is None and name not in environment:
                self.problems.append(
                    Problem(
                        path,
                        f"environment variable {name} is not set; set it, or write"
                        f" ${{{name}:-default}}",
                    )
                )
            return rest[2:] if rest else ""

        return _REFERENCE.sub(value_of, text)
