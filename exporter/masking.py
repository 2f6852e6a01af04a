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
from collections import deque
from threading import Lock
from typing import Final
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
    """Knows secrets, and replaces them in texts."""

    def __init__(self) -> None:
        self._changing = Lock()
        self._secrets: deque[str] = deque(maxlen=_MOST)
        self._pattern: re.Pattern[str] | None = None
        self._forms: tuple[bytes, ...] = ()

    def hide(self, *secrets: str | None) -> None:
        """Replace these from now on, in every form that a URL, form, header or JSON gives them."""
        with self._changing:
            new = [
                one
                for one in secrets
                if one and one not in self._secrets and not _TOKEN.fullmatch(one)
            ]
            if not new:
                return
            self._secrets.extend(new)
            forms = {form for secret in self._secrets for form in _forms(secret)}
            # The longest first: one form may begin with another.
            ordered = sorted(forms, key=lambda form: (-len(form), form))
            self._forms = tuple(form.encode(errors="replace") for form in ordered)
            expression = "|".join(map(_expression, ordered))
            self._pattern = re.compile(expression, re.IGNORECASE) if ordered else None

    def masked(self, text: str) -> str:
        """The text with a mask for each secret."""
        if "eyJ" in text:
            text = _TOKEN.sub(MASK, text)
        return self._pattern.sub(MASK, text) if self._pattern else text

    def masked_body(self, content: bytes) -> bytes:
        """The body of an answer with a mask for each secret; one without stays as it is."""
        if b"eyJ" not in content and not any(form in content for form in self._forms):
            return content
        return self.masked(content.decode(errors="surrogateescape")).encode(
            errors="surrogateescape"
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
