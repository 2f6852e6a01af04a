"""What ``--web.config.file`` asks for, loaded and ready to use."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporter.config.problems import read_section, read_text
from exporter.errors import ConfigError, Problem
from exporter.web.rate_limit import RateLimit
from exporter.web.settings import FORMAT, WebConfig
from exporter.web.tls import make_context

_FILES: Final = ("cert_file", "key_file", "client_ca_file")


@dataclass(frozen=True, kw_only=True)
class WebPolicy:
    """Who is let in, and how.

    Attributes:
        tls: For the connections to come; None for plain HTTP.
        users: bcrypt hashes by user name; empty when everybody is let in.
        headers: Set on every answer, over the exporter's own; an empty one is left out.
        allowed_sans: Of which names or addresses a client's certificate must have one; None for
            no say.
        rate_limit: Of all requests; None for none.
        files: All that this was read from.
    """

    tls: ssl.SSLContext | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    allowed_sans: frozenset[str] | None = None
    rate_limit: RateLimit | None = None
    files: tuple[Path, ...] = ()


def load_policy(path: Path) -> WebPolicy:
    """Read the file and those it names; relative paths start at its folder.

    Raises:
        ConfigError: With every problem at once.
    """
    config, problems = read_section(WebConfig, read_text(path), None, FORMAT)
    tls = config.tls_server_config if config else None
    files, context = [path], None
    if tls is not None:
        values = {name: getattr(tls, name) for name in _FILES}
        named = {name: path.parent / value for name, value in values.items() if value is not None}
        files += named.values()
        unreadable = list(_unreadable(named))
        problems += unreadable
        if not unreadable:
            context, mistakes = make_context(tls, named)
            problems += mistakes
    if config is None or problems:
        raise ConfigError(str(path), problems)
    sans = tls.client_allowed_sans if tls else None
    interval = config.rate_limit.interval.total_seconds()
    return WebPolicy(
        tls=context,
        users=config.basic_auth_users,
        headers=config.http_server_config.headers.values(),
        allowed_sans=None if sans is None else frozenset(sans),
        rate_limit=RateLimit(interval, config.rate_limit.burst) if interval else None,
        files=tuple(files),
    )


def _unreadable(files: Mapping[str, Path]) -> Iterator[Problem]:
    for name, path in files.items():
        try:
            path.read_bytes()
        except OSError as error:
            yield Problem(f"tls_server_config.{name}", f"{path} cannot be read: {error.strerror}")
