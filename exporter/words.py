"""Spans of time and lists of names for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def span(length: timedelta) -> str:
    """The two largest units, e.g. ``5 h 20 min``; one that would be 0 is left out."""
    seconds = max(0, int(length.total_seconds()))
    for position, (unit, size) in enumerate(_UNITS):
        number, rest = divmod(seconds, size)
        if not number:
            continue
        if position + 1 < len(_UNITS):
            next_unit, next_size = _UNITS[position + 1]
            if smaller := rest // next_size:
                return f"{number} {unit} {smaller} {next_unit}"
        return f"{number} {unit}"
    return "0 s"


def said_of_each(text: str, path: str) -> str:
    """What is said of one resource as it would be of several: without its own path."""
    return re.sub(re.escape(path), "each of them", text, flags=re.IGNORECASE)


def names(of: Sequence[str], most: int = 3) -> str:
    """Some names, and how many more there are, e.g. ``a, b, c and 7 more``."""
    shown = ", ".join(of[:most])
    return f"{shown} and {len(of) - most:,} more" if len(of) > most else shown
