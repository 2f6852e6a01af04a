"""What all paths share: authentication, headers, errors as one sentence of plain text."""

from __future__ import annotations

from http import HTTPStatus
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
