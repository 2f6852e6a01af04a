"""Logging to stderr, one line an event, as logfmt or JSON."""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

from logfmter import Logfmter
from pythonjsonlogger.json import JsonFormatter

from exporter.masking import masked

_FIELDS: Final = {"time": "asctime", "level": "levelname", "logger": "name", "message": "message"}
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
"""RFC 3339, UTC."""

_CHATTY: Final = ("azure", "msal", "urllib3", "requests", "asyncio", "tornado.general")


class _Masking(logging.Formatter):
    """Whole lines with their tracebacks: what a library or peer quotes may hold our secrets."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return masked(self._formatter.format(record))


def set_up_logging(level: str, form: str) -> None:
    """Send log records to stderr.

    Args:
        level: A name of ``logging``'s levels, lower case.
        form: ``logfmt`` or ``json``.
    """
    formatter: logging.Formatter
    if form == "json":
        renamed = {record: shown for shown, record in _FIELDS.items() if shown != record}
        formatter = JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s", _TIME, rename_fields=renamed
        )
    else:
        formatter = Logfmter(keys=list(_FIELDS), mapping=_FIELDS, datefmt=_TIME)
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Masking(formatter))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Libraries log each request, some with its headers; what matters reaches us as an exception.
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
