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


class _Loader(yaml.SafeLoader):
    """YAML without dates: ``2024-10-01`` is the name of an api-version."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(text: str, environment: Mapping[str, str] | None) -> tuple[Any, list[Problem]]:
    """Read a configuration file.

    Args:
        text: The file.
        environment: What ``${VAR}`` and ``${VAR:-default}`` stand for. They are put in after the
            YAML was read, so a value can never become structure; the result is always text.
            None where they stand for themselves.

    Returns:
        Mappings, lists and scalars, and what is wrong so far: syntax, keys that stand twice,
        variables that are not set.
    """
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return {}, []
        reader = _Reader(loader, environment)
        return reader.read(root, ""), reader.problems
    except yaml.composer.ComposerError as error:
        # Its text names the alias, which may be a secret that begins with a star.
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        return None, [Problem("", f"not YAML: line {line}: put text that begins with * in quotes")]
    except yaml.MarkedYAMLError as error:
        # The error's own text quotes the line, which may hold a secret.
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        return None, [Problem("", f"not YAML: {where}{error.problem or error.context}")]
    except yaml.YAMLError as error:
        return None, [Problem("", f"not YAML: {type(error).__name__}")]
    except RecursionError:
        return None, [Problem("", "a value contains itself, or is nested too deeply")]
    finally:
        loader.dispose()


class _Reader:
    """Walks the node tree, where keys that stand twice are still visible."""

    def __init__(self, loader: _Loader, environment: Mapping[str, str] | None) -> None:
        self.problems: list[Problem] = []
        self._loader = loader
        self._environment = environment

    def read(self, node: yaml.Node, path: str) -> Any:
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, f"{path}[{i}]") for i, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, path)
        if self._environment is not None and "${" in node.value:
            return self._expand(node.value, path, self._environment)
        try:
            return self._loader.construct_object(node)
        except Exception:
            self.problems.append(Problem(path, "not a value; put text in quotes"))
            return None

    def _read_mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            child = f"{path}.{key}" if path else key
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
