"""Reading JSON objects whose fields may be absent, null, of another type or hostile."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final, TypeVar

from exporter.errors import PayloadError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

T = TypeVar("T")

_NUMBER_LIMIT: Final = 2**63
_UNSAFE: Final = re.compile("[\0\ud800-\udfff]")


def clean(text: str) -> str:
    """The text without what a page cannot carry: Prometheus stops at a NUL, UTF-8 at surrogates."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNSAFE.sub("\ufffd", text)


def quote(value: object) -> str:
    """Enough of a value to find it in Azure's answer, never more than a line."""
    return repr(value)[:80] if isinstance(value, str | float) else type(value).__name__


class Fields:
    """Reads the fields of one JSON object; what is there but unreadable is counted, not raised."""

    def __init__(
        self, values: dict[str, Any], problems: Counter[str], *, folded: bool = False
    ) -> None:
        self._get: Callable[[str], Any] = values.get
        if folded:
            by_folded_name = {_fold(key): value for key, value in values.items()}
            self._get = lambda name: by_folded_name.get(_fold(name))
        self._problems = problems

    def text(self, name: str) -> str:
        """The text of a field, kept once for all jobs; empty when it is absent, null or no text."""
        return sys.intern(self.unique(name))

    def unique(self, name: str) -> str:
        """The same for a text that no other job has."""
        value = self._get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.fault(name)
            return ""
        return clean(value)

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        """The field read by a parser of text; None when it is absent, null or unreadable."""
        value = self._get(name)
        if value is None:
            return None
        if isinstance(value, str):
            try:
                return parse(value)
            except PayloadError:
                pass
        self.fault(name)
        return None

    def number(self, name: str) -> float | None:
        """A finite number; None when the field is absent, null or anything else."""
        value = self._get(name)
        if value is None:
            return None
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        # NaN compares false; an int may be too long for a float.
        if numeric and -_NUMBER_LIMIT < value < _NUMBER_LIMIT:
            return float(value)
        self.fault(name)
        return None

    def objects(self, name: str) -> list[tuple[int, Fields]]:
        """The objects of an array with their positions from 1."""
        value = self._get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fault(name)
            return []
        found = []
        for position, element in enumerate(value, 1):
            if isinstance(element, dict):
                found.append((position, Fields(element, self._problems)))
            else:
                self.fault(name)
        return found

    def code(self, name: str) -> str:
        """A number or text that names something, as text."""
        value = self._get(name)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _NUMBER_LIMIT:
            return str(value)
        return self.text(name)

    def child(self, name: str, *, folded: bool = False) -> Fields:
        """The fields of an object in a field; none when it is absent, null or no object.

        Args:
            name: Its name.
            folded: Whether its own names are compared trimmed and without case.
        """
        value = self._get(name)
        if value is not None and not isinstance(value, dict):
            self.fault(name)
            value = None
        return Fields(value or {}, self._problems, folded=folded)

    def fault(self, name: str) -> None:
        """Count a field that is there but cannot be read."""
        self._problems[name] += 1


def _fold(name: str) -> str:
    return name.strip().lower()
