"""What a visitor asks to see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_NAME: Final = 260
_MOST_DIGITS: Final = 6
_FASTEST: Final = 5
_SLOWEST: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The parameters of the page's address.

    Attributes:
        vault: Only vaults of this name, without case; empty for all.
        show: ``all`` for every item, also those that are well.
        page: Of the items, from 1.
        vaults: Page of the vaults, from 1.
        refresh: Seconds after which the page comes anew; 0 for never.
    """

    vault: str = ""
    show: str = ""
    page: int = 1
    vaults: int = 1
    refresh: int = 0

    @classmethod
    def read(cls, argument: Callable[[str], str]) -> Query:
        """Take what makes sense; a status page has no use for an error."""
        refresh = _number(argument("refresh"))
        return cls(
            vault=argument("vault").strip()[:_LONGEST_NAME],
            show="all" if argument("show") == "all" else "",
            page=max(1, _number(argument("page"))),
            vaults=max(1, _number(argument("vaults"))),
            refresh=min(_SLOWEST, max(_FASTEST, refresh)) if refresh else 0,
        )

    def link(self, **changes: Any) -> str:
        """The address of the page that differs in this."""
        asked = replace(self, **changes)
        values = {
            name: value
            for name in ("vault", "show", "page", "vaults", "refresh")
            if (value := getattr(asked, name)) != getattr(_DEFAULT, name)
        }
        return f"/?{urlencode(values)}" if values else "/"


_DEFAULT: Final = Query()


def _number(text: str) -> int:
    """0 for what is no number; the longest are cut, so that they cost nothing to read."""
    digits = text[:_MOST_DIGITS]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
