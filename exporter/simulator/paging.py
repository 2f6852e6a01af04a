"""Pages: where one ends and how the next is asked for."""

from __future__ import annotations

import base64
import json
from typing import NamedTuple
from urllib.parse import quote


class Position(NamedTuple):
    """Where a page ended. Jobs sort by it; new jobs before it do not shift later pages.

    Attributes:
        order: What the list is sorted by, ascending.
        name: Tells apart what sorts alike.
    """

    order: int
    name: str


def write_token(position: Position) -> str:
    """An opaque token. It always holds characters that a URL must escape, as Azure's (F§3)."""
    text = json.dumps(position)
    # Base64 of this length ends in "==".
    padding = " " * ((1 - len(text)) % 3)
    return base64.b64encode((text + padding).encode()).decode()


def read_token(token: str) -> Position:
    """Read a token that we wrote.

    Raises:
        ValueError: We did not write it; a client that unescapes it once too often ends here.
    """
    match json.loads(base64.b64decode(token, validate=True)):
        case [int(order), str(name)]:
            return Position(order, name)
        case _:
            raise ValueError("not a position")


def next_link(base_url: str, path: str, query: dict[str, str]) -> str:
    """The full address of the next page; the query has its token."""
    text = "&".join(
        f"{quote(key, safe='-')}={quote(value, safe='')}" for key, value in query.items()
    )
    return f"{base_url}{path}?{text}"
