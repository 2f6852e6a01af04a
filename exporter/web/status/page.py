"""From the view to HTML; the template escapes every value."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tornado.escape import xhtml_escape
from tornado.template import Loader

from exporter import __version__
from exporter.words import visible

if TYPE_CHECKING:
    from exporter.web.status.view import StatusView

_HERE: Final = Path(__file__).parent
_STYLE: Final = (_HERE / "status.css").read_text(encoding="utf-8")
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def _shown(value: bytes) -> str:
    return xhtml_escape(visible(value.decode(), lines=True))


_TEMPLATES: Final = Loader(str(_HERE), namespace={"shown": _shown})
"""Compiles when it is first asked: 3 MiB that a process which is only scraped does without."""

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)


def render(view: StatusView, *, telemetry_path: str) -> bytes:
    """The page."""
    return _TEMPLATES.load("status.html").generate(
        view=view,
        query=view.query,
        style=_STYLE,
        telemetry_path=telemetry_path,
        version=__version__,
    )
