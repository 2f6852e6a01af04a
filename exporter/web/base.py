"""What all paths share: authentication, headers, errors as one sentence of plain text."""

from __future__ import annotations

import time
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

import tornado.web

from exporter.web.auth import CrowdedError
from exporter.web.connections import Phase

if TYPE_CHECKING:
    from asyncio import Future

    from tornado.iostream import IOStream

    from exporter.web.site import Site

TEXT: Final = "text/plain; charset=utf-8"

_HEADERS: Final = {
    "Content-Type": TEXT,
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
}


def _as_written(kind: str, name: str) -> str:
    """A name of a certificate; OpenSSL writes the zeros of an IPv6 address, people do not."""
    return str(ip_address(name.strip())) if kind == "IP Address" else name


class Handler(tornado.web.RequestHandler):
    """GET and HEAD alike; nothing is answered to those who may not enter."""

    allowed = "GET, HEAD"

    @property
    def site(self) -> Site:
        """What is served."""
        site: Site = self.settings["site"]
        return site

    @property
    def stream(self) -> IOStream:
        """The connection."""
        stream: IOStream = self.request.connection.stream  # type: ignore[union-attr] # always HTTP/1
        return stream

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in {**_HEADERS, **self.site.policy.headers}.items():
            self.set_header(name, value)

    def set_header(self, name: str, value: Any) -> None:
        # What --web.config.file says stands above what a page says.
        configured = self.site.policy.headers
        if name not in configured:
            super().set_header(name, value)
        elif configured[name]:
            super().set_header(name, configured[name])

    async def prepare(self) -> None:
        policy = self.site.policy
        if policy.rate_limit and not policy.rate_limit.allows(time.monotonic()):
            self.set_status(HTTPStatus.TOO_MANY_REQUESTS)
            self.finish("Too many requests; the web configuration's rate_limit allows no more.\n")
            return
        if policy.allowed_sans is not None and not self._has_name_of(policy.allowed_sans):
            self.set_status(HTTPStatus.FORBIDDEN)
            self.finish("Your certificate has none of the names in client_allowed_sans.\n")
            return
        self.site.connections.enter(self.stream, Phase.CHECKING)
        try:
            enters = await self._may_enter()
        except CrowdedError:
            self.set_status(HTTPStatus.TOO_MANY_REQUESTS)
            self.finish("Too many passwords from your address wait to be checked; try again.\n")
            return
        if enters:
            self.site.connections.enter(self.stream, Phase.WORKING)
            return
        self.set_status(HTTPStatus.UNAUTHORIZED)
        self.set_header("WWW-Authenticate", 'Basic realm="azure-backup-exporter", charset="UTF-8"')
        self.finish("401 Unauthorized\n")

    async def _may_enter(self) -> bool:
        users = self.site.policy.users
        return not users or await self.site.auth.admits(
            users,
            self.request.headers.get("Authorization", ""),
            address=self.request.remote_ip or "",
            waiting=lambda: not self.stream.closed(),
        )

    def _has_name_of(self, allowed: frozenset[str]) -> bool:
        """Whether one of the names or addresses of the client's certificate is among these."""
        certificate = self.request.get_ssl_certificate()
        names = certificate.get("subjectAltName", ()) if isinstance(certificate, dict) else ()
        return any(_as_written(kind, name) in allowed for kind, name in names)

    async def head(self) -> None:
        await self.get()  # type: ignore[misc] # tornado leaves the body of a HEAD out

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> Future[None]:
        stream, connections = self.stream, self.site.connections
        connections.enter(stream, Phase.SENDING)
        sent = super().finish(chunk)
        sent.add_done_callback(lambda _: connections.enter(stream, Phase.RECEIVING))
        return sent

    def write_error(self, status_code: int, **_: Any) -> None:
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", self.allowed)
            self.finish(f"{self.request.method} is not allowed here; use {self.allowed}.\n")
        else:
            self.finish(f"{status_code} {HTTPStatus(status_code).phrase}\n")
