"""What ``--web.config.file`` asks for, loaded and ready to use."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporter.config.problems import read_section, read_text
from exporter.errors import ConfigError, Problem
from exporter.web.settings import FORMAT, TlsServer, WebConfig

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_FILES: Final = ("cert_file", "key_file", "client_ca_file")


@dataclass(frozen=True, kw_only=True)
class WebPolicy:
    """Who is let in, and how.

    Attributes:
        tls: For the connections to come; None for plain HTTP.
        users: bcrypt hashes by user name; empty when everybody is let in.
        headers: Set on every answer, over the exporter's own; an empty one is left out.
        files: All that this was read from.
    """

    tls: ssl.SSLContext | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


def load_policy(path: Path) -> WebPolicy:
    """Read the file and those it names; relative paths start at its folder.

    Raises:
        ConfigError: With every problem at once.
    """
    config, problems = read_section(WebConfig, read_text(path), None, FORMAT)
    files, context = [path], None
    if config is not None and config.tls_server_config is not None:
        tls = config.tls_server_config
        named = {name: path.parent / value for name in _FILES if (value := getattr(tls, name))}
        files += named.values()
        unreadable = list(_unreadable(named))
        problems += unreadable
        if not unreadable:
            context, mistakes = _context(tls, named)
            problems += mistakes
    if config is None or problems:
        raise ConfigError(str(path), problems)
    return WebPolicy(
        tls=context,
        users=config.basic_auth_users,
        headers=config.http_server_config.headers.values(),
        files=tuple(files),
    )


def _unreadable(files: Mapping[str, Path]) -> Iterator[Problem]:
    for name, path in files.items():
        try:
            path.read_bytes()
        except OSError as error:
            yield Problem(f"tls_server_config.{name}", f"{path} cannot be read: {error.strerror}")


def _context(tls: TlsServer, files: Mapping[str, Path]) -> tuple[ssl.SSLContext, list[Problem]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    # A client could have us compute without end.
    context.options |= ssl.OP_NO_RENEGOTIATION

    def load_key() -> None:
        # Without a password given, OpenSSL would ask for one at the terminal.
        context.load_cert_chain(files["cert_file"], files["key_file"], password="")

    problems = list(_mistake("cert_file", lambda: _read_certificates(files["cert_file"])))
    if not problems:
        problems += _mistake("key_file", load_key)
    if tls.verifies_clients:
        context.verify_mode = (
            ssl.CERT_REQUIRED
            if tls.client_auth_type == "RequireAndVerifyClientCert"
            else ssl.CERT_OPTIONAL
        )
        authorities = files["client_ca_file"]
        problems += _mistake("client_ca_file", lambda: context.load_verify_locations(authorities))
    return context, problems


def _read_certificates(path: Path) -> None:
    """``load_cert_chain`` does not say which of its two files it cannot read."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)


def _mistake(name: str, load: Callable[[], None]) -> Iterator[Problem]:
    try:
        load()
    except ssl.SSLError as error:
        yield Problem(f"tls_server_config.{name}", _MISTAKES.get(error.reason, _NO_PEM))
    except OSError as error:
        yield Problem(f"tls_server_config.{name}", str(error.strerror))


_NO_PEM: Final = "OpenSSL cannot read it: write the path of an unencrypted PEM file"
_MISTAKES: Final = {"KEY_VALUES_MISMATCH": "is not the key of cert_file"}
