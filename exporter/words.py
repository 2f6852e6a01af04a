"""Texts for people: spans of time, lists of names, and names that peers choose."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))

# Control characters, surrogates, and what Unicode calls default ignorable (UAX 44): among them
# those that turn the direction of the text after them. Not the selectors of variants, which are
# seen in what they follow.
_INVISIBLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)


def visible(text: str, *, lines: bool = False) -> str:
    r"""The text with an escape, e.g. ``\u202e``, for each character that nobody sees.

    Two names must not look alike, nor may one steer a terminal or turn the text beside it.

    Args:
        text: As a peer or a file has it.
        lines: Whether line breaks and tabs stay what they are.
    """
    return _INVISIBLE.sub(
        lambda found: found[0] if lines and found[0] in "\n\t" else ascii(found[0])[1:-1],
        text,
    )


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
