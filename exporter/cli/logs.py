"""Logging to stderr, one line an event, as logfmt or JSON."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import nullcontext
from copy import copy
from typing import TYPE_CHECKING, Final

from logfmter import Logfmter
from pythonjsonlogger.json import JsonFormatter

from exporter.masking import masked
from exporter.threads import start_thread
from exporter.words import names, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIELDS: Final = {"time": "asctime", "level": "levelname", "logger": "name", "message": "message"}
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
"""RFC 3339, UTC."""

_GATHER_SECONDS: Final = 2.0
_NAMES: Final = 10
_ONE_IS_ENOUGH: Final = ("request_id", "correlation_id")
"""For Azure's support."""

_CHATTY: Final = ("azure", "msal", "urllib3", "requests", "asyncio", "tornado.general")


class _Presentable(logging.Formatter):
    """Whole lines with their tracebacks: what a library or peer quotes may hold our secrets.

    Or names that would turn the rest of the line.
    """

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return visible(masked(self._formatter.format(record)))


class _Gathering(logging.Handler):
    """Tells in one line what is true of many vaults: all fail at once when the network does.

    A record with an attribute ``alike`` waits a moment for others that say the same, in the plural,
    e.g. "vaults are read". Names that differ are listed, ids of a request are those of the first,
    what else differs is left out.
    """

    def __init__(self, target: logging.Handler) -> None:
        super().__init__()
        self._target = target
        self._waiting: dict[tuple[str, int], list[logging.LogRecord]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write it, now or with its like."""
        alike = record.__dict__.pop("alike", None)
        if alike is None:
            self._target.handle(record)
            return
        if not self._waiting:
            try:
                start_thread("log", self._flush_after, _GATHER_SECONDS)
            except RuntimeError:  # the machine has no thread left
                self._target.handle(record)
                return
        self._waiting.setdefault((alike, record.levelno), []).append(record)

    def flush(self) -> None:
        """Write what waits."""
        with self.lock or nullcontext():
            waiting, self._waiting = self._waiting, {}
        for (alike, _), records in waiting.items():
            self._target.handle(records[0] if len(records) == 1 else _together(alike, records))

    def close(self) -> None:
        """Write what waits, at the end of the process."""
        self.flush()
        super().close()

    def _flush_after(self, seconds: float) -> None:
        time.sleep(seconds)
        self.flush()


def _together(alike: str, records: Sequence[logging.LogRecord]) -> logging.LogRecord:
    first = records[0]
    together = copy(first)
    together.msg, together.args = f"{len(records):,} {alike}", None
    fields = [record.__dict__ for record in records]
    for name in first.__dict__.keys() - logging.makeLogRecord({}).__dict__.keys():
        values = list(dict.fromkeys(str(one.get(name)) for one in fields))
        if len(values) > 1 and name == "vault_name":
            setattr(together, name, names(values, _NAMES))
        elif len(values) > 1 and name not in _ONE_IS_ENOUGH:
            delattr(together, name)
    return together


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
    handler.setFormatter(_Presentable(formatter))
    logging.basicConfig(level=level.upper(), handlers=[_Gathering(handler)], force=True)
    # Libraries log each request, some with its headers; what matters reaches us as an exception.
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
