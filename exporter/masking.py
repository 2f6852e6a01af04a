"""What was sent as a secret never comes out again: the one place that knows all of them.

A peer may send back what it was sent: an error may hold the ``Authorization`` header, a token
endpoint may repeat the form, and a library may print the URL of a proxy with its password. So every
secret is named here when it is first known, and whatever comes in from a peer or goes out to a
person passes ``masked``.
"""

from __future__ import annotations

import base64
import html
import json
import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MASK: Final = "[hidden]"

_SHORTEST: Final = 4
"""A shorter secret cannot be told from the letters of other words."""

_PLAIN: Final = 8
"""A shorter secret is hidden where it is a word of its own: ``back`` must not spoil ``backup``."""

_MOST: Final = 20
"""Secrets are rotated for ever; the oldest are not in force any more."""

# A JSON Web Token, whoever made it: client assertions are signed inside azure-identity.
_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?", re.ASCII)


_ESCAPE: Final = re.compile("%[0-9A-F]{2}")


class Masker:
    """Knows secrets, and replaces them in texts. From any thread."""

    def __init__(self) -> None:
        self._secrets: dict[str, None] = {}

    def hide(self, *secrets: str | None) -> None:
        """Replace these from now on, in every form that a URL, form, header or JSON gives them."""
        for secret in secrets:
            if secret and not _TOKEN.fullmatch(secret):
                self._secrets[secret] = None
        while len(self._secrets) > _MOST:
            self._secrets.pop(next(iter(self._secrets)), None)

    def masked(self, text: str) -> str:
        """The text with a mask for each secret."""
        if "eyJ" in text:
            text = _TOKEN.sub(MASK, text)
        pattern = _search_for(tuple(self._secrets)).pattern
        return pattern.sub(MASK, text) if pattern else text

    def masked_body(self, content: bytes) -> bytes:
        """The body of an answer with a mask for each secret; one without stays as it is."""
        forms = _search_for(tuple(self._secrets)).forms
        if b"eyJ" not in content and not any(form in content for form in forms):
            return content
        return self.masked(content.decode(errors="surrogateescape")).encode(
            errors="surrogateescape"
        )


class _Search(NamedTuple):
    """How secrets are found.

    Attributes:
        pattern: Any form of any of them; None where there is none.
        forms: The same one by one: bytes are searched for them sooner than for a pattern.
    """

    pattern: re.Pattern[str] | None
    forms: tuple[bytes, ...]


@lru_cache(maxsize=2)
def _search_for(secrets: tuple[str, ...]) -> _Search:
    forms = {form for secret in secrets for form in _forms(secret)}
    # The longest first: one form may begin with another.
    ordered = sorted(forms, key=lambda form: (-len(form), form))
    expression = "|".join(map(_expression, ordered))
    return _Search(
        pattern=re.compile(expression, re.IGNORECASE) if ordered else None,
        forms=tuple(form.encode(errors="replace") for form in ordered),
    )


def _forms(secret: str) -> set[str]:
    plain = {secret, secret.strip(), unquote(secret), unquote_plus(secret)}
    forms = set(plain)
    for text in plain:
        raw = text.encode(errors="surrogateescape")
        forms |= {quote(raw, safe=""), quote(raw), quote_plus(raw), html.escape(text), repr(text)}
        forms |= {json.dumps(text), json.dumps(text, ensure_ascii=False)}
        forms |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    forms |= {_ESCAPE.sub(lambda found: found[0].lower(), form) for form in forms}
    return {form for form in (form.strip("\"'=") for form in forms) if len(form) >= _SHORTEST}


def _expression(form: str) -> str:
    escaped = re.escape(form)
    return escaped if len(form) >= _PLAIN else rf"(?<!\w){escaped}(?!\w)"


_masker: Final = Masker()
hide = _masker.hide
masked = _masker.masked
masked_body = _masker.masked_body
