"""``healthcheck``: asks the exporter in the same container whether it lives."""

from __future__ import annotations

import http.client
import ssl
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from exporter.cli.exits import FAULT, OK, complain

if TYPE_CHECKING:
    from argparse import Namespace

_TIMEOUT_SECONDS: Final = 2
_PATH: Final = "/-/healthy"

_LIVING: Final = (HTTPStatus.OK, HTTPStatus.UNAUTHORIZED)
"""The check has no password; who refuses it lives."""

_WANTS_A_CERTIFICATE: Final = (
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",  # the same in TLS 1.2
)


def run(options: Namespace) -> int:
    """Ask on the first listen address, plain and then over TLS."""
    host, _, port = options.listen_addresses[0].rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104
    address = f"{host}:{port}"
    url = f"http://{address}{_PATH}"
    try:
        try:
            status = _ask(http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS))
        except (http.client.HTTPException, ConnectionResetError):
            # It hangs up at the sight of HTTP: a TLS server.
            url = f"https://{address}{_PATH}"
            status = _ask_over_tls(address)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return complain(f"{url}: {error or type(error).__name__}", FAULT)
    return OK if status in _LIVING else complain(f"{url}: {status}", FAULT)


def _ask(connection: http.client.HTTPConnection) -> int:
    # A connection of its own knows no proxy; the environment may name one for the way to Azure.
    with closing(connection):
        connection.request("GET", _PATH)
        return connection.getresponse().status


def _ask_over_tls(address: str) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate is made for the name that Prometheus uses, often by a CA that is not known
    # here; nothing secret is sent, and whoever answers on our port decides over it anyway.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    secure = http.client.HTTPSConnection(address, timeout=_TIMEOUT_SECONDS, context=context)
    try:
        return _ask(secure)
    except (ssl.SSLEOFError, ConnectionResetError):
        # The alert may be lost when the server closes with our request unread.
        return HTTPStatus.UNAUTHORIZED
    except ssl.SSLError as error:
        if error.reason in _WANTS_A_CERTIFICATE:
            return HTTPStatus.UNAUTHORIZED
        raise
