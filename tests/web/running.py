"""The real server on loopback, plain or with TLS and users."""

from __future__ import annotations

import http.client
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import bcrypt
import requests
import yaml

from exporter.clock import SystemClock
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.web.connections import Connections, Phase
from exporter.web.server import WebServer, bind
from exporter.web.site import Site
from exporter.web.watch import PolicyFile
from tests.builders import a_vault
from tests.processes import wait_for

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import trustme

UPKEEP_SECONDS = 0.1
PATIENCE = {Phase.RECEIVING: 0.7, Phase.SENDING: 0.7}


class Running:
    """A server and the site it serves; impatient, so that tests are short."""

    def __init__(
        self,
        *,
        reload: Callable[[], str] | None = None,
        path: str = "/metrics",
        web_config: Path | None = None,
        most: int = 512,
        patience: Mapping[Phase, float] = PATIENCE,
    ) -> None:
        self.is_ready = False
        self.store = PageStore(SelfMetrics())
        self.publish = self.store.show([a_vault()])
        self.site = Site(
            store=self.store,
            metrics=SelfMetrics(),
            telemetry_path=path,
            ready=lambda: self.is_ready,
            reload=reload,
            clock=SystemClock(),
            connections=Connections(most, patience),
        )
        self.server = WebServer(
            bind("127.0.0.1:0"),
            self.site,
            PolicyFile(web_config) if web_config else None,
            upkeep_seconds=UPKEEP_SECONDS,
        )
        self.server.start()
        self.port = self.server.port
        self.url = f"{self.server.scheme}://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        auth: tuple[str, str] | None = None,
        verify: str | bool = True,
        cert: tuple[str, str] | None = None,
        **headers: str,
    ) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(
            method, self.url + path, headers=named, timeout=10, auth=auth, verify=verify, cert=cert
        )

    def ask_verbatim(
        self,
        method: str,
        target: str,
        *,
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a request whose target nobody tidies up."""
        connection = (
            http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=tls)
            if tls
            else http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        )
        with closing(connection):
            connection.request(method, target, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()


@contextmanager
def running(**options: Any) -> Iterator[Running]:
    server = Running(**options)
    try:
        yield server
    finally:
        server.server.stop()


def is_cut_off(client: socket.socket) -> bool:
    """Whether the server ends the connection without another word."""
    try:
        return client.recv(1) == b""
    except OSError:
        return True


def wait_for_change(what: str, condition: Callable[[], bool]) -> None:
    """Wait until the server does so; a change cuts off the very connection on which it is asked."""

    def is_so() -> bool:
        try:
            return condition()
        except OSError:
            return False

    wait_for(what, is_so)


class Certificates:
    """Files of a certificate authority in a folder, and a web configuration beside them."""

    def __init__(self, authority: trustme.CA, folder: Path) -> None:
        self._authority = authority
        self.folder = folder
        self.ca = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca)
        self.issue("server")

    def issue(self, name: str, authority: trustme.CA | None = None) -> tuple[str, str]:
        """Write a new certificate for this machine and its key; their paths."""
        leaf = (authority or self._authority).issue_cert("localhost", "127.0.0.1")
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        certificate.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(str(key))
        return str(certificate), str(key)

    def config(
        self,
        *,
        tls: dict[str, str] | None = None,
        users: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Path:
        """Write a web configuration; file names are relative to it."""
        sections: dict[str, Any] = {}
        if tls is not None:
            sections["tls_server_config"] = {
                "cert_file": "server.crt",
                "key_file": "server.key",
                **tls,
            }
        if users is not None:
            sections["basic_auth_users"] = {
                name: bcrypt_hash(password) for name, password in users.items()
            }
        if headers is not None:
            sections["http_server_config"] = {"headers": headers}
        path = self.folder / "web.yaml"
        path.write_text(yaml.safe_dump(sections))
        return path


def bcrypt_hash(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(cost)).decode()
