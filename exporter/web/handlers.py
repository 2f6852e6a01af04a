"""What each path answers."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import tornado.httputil
import tornado.web
from tornado.iostream import StreamClosedError

from exporter.metrics.exposition import registry_text
from exporter.threads import begin
from exporter.web.base import Handler
from exporter.web.connections import Phase
from exporter.web.status.page import CONTENT_SECURITY_POLICY
from exporter.web.status.query import Query

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.web.site import Site

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS: Final = (
    "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
)
_VERSIONS: Final = {
    "application/openmetrics-text": ("", "1.0.0"),
    "text/plain": ("", "0.0.4"),
    "text/*": ("",),
    "*/*": ("",),
}
_QUALITY: Final = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")

_SCHEME_AND_HOST: Final = re.compile("https?://[^/?#]+", re.IGNORECASE)

_PORTION: Final = 1024 * 1024
"""Others have their turn in between."""

_GATHERED: Final = 16 * 1024


class _Application(tornado.web.Application):
    """Takes a request in absolute form as the one in origin form: a server must (RFC 9112, 3.2.2).

    Scrapes that pass a proxy may come so.
    """

    def find_handler(
        self, request: tornado.httputil.HTTPServerRequest, **kwargs: Any
    ) -> tornado.web._HandlerDelegate:
        if start := _SCHEME_AND_HOST.match(request.path):
            request.path = request.path[start.end() :] or "/"
        return super().find_handler(request, **kwargs)


def make_application(site: Site) -> tornado.web.Application:
    """The paths and their handlers."""
    return _Application(
        [
            (re.escape(site.telemetry_path), Metrics),
            (r"/", Status),
            (r"/-/healthy", Healthy),
            (r"/-/ready", Ready),
            (r"/-/reload", Reload),
        ],
        default_handler_class=NotFound,
        log_function=lambda handler: None,
        site=site,
    )


class Metrics(Handler):
    """The page, as bytes that were made when a vault was refreshed."""

    async def get(self) -> None:
        page = self.site.store.served
        openmetrics = prefers_openmetrics(self.request.headers.get("Accept", ""))
        self.set_header("Content-Type", _OPENMETRICS if openmetrics else _TEXT)
        body = page.openmetrics if openmetrics else page.text
        tail = registry_text(self.site.metrics.registry, openmetrics=openmetrics)
        self.set_header("Vary", "Accept, Accept-Encoding")
        pieces: Iterable[bytes]
        if accepts_gzip(self.request.headers.get("Accept-Encoding", "")):
            self.set_header("Content-Encoding", "gzip")
            pieces = body.gzip(tail)
            size = sum(map(len, pieces))
        else:
            pieces, size = body.plain(tail), body.size + len(tail)
        self.set_header("Content-Length", str(size))
        try:
            await self.flush()
            if self.request.method == "HEAD":
                return
            self.site.connections.enter(self.stream, Phase.SENDING)
            for portion in portions(pieces):
                # Past RequestHandler.write, which would copy what the page holds already.
                await self.request.connection.write(portion)  # type: ignore[union-attr, arg-type]
        except StreamClosedError:
            """The client left, or was cut off because it does not read."""


class Status(Handler):
    """The page for people."""

    async def get(self) -> None:
        query = Query.read(lambda name: self.get_query_argument(name, ""))
        page = await self.site.status.get(query)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.set_header("Referrer-Policy", "no-referrer")
        self.finish(page)


class Healthy(Handler):
    """Whether the process lives; says nothing about Azure."""

    async def get(self) -> None:
        self.finish("OK\n")


class Ready(Handler):
    """Whether there is something to scrape."""

    async def get(self) -> None:
        if self.site.ready():
            self.finish("Ready\n")
        else:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
            self.finish("The first refresh of every vault has not ended yet.\n")


class Reload(Handler):
    """Loads the configuration again."""

    allowed = "POST"

    async def get(self) -> None:
        raise tornado.web.HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)

    async def post(self) -> None:
        if self.site.reload is None:
            self.set_status(HTTPStatus.FORBIDDEN)
            self.finish("Reloading over HTTP is off; start with --web.enable-lifecycle.\n")
            return
        problems = await asyncio.wrap_future(begin("reload", self.site.reload))
        if problems:
            self.set_status(HTTPStatus.INTERNAL_SERVER_ERROR)
            self.finish(f"The old configuration stays in force.\n{problems}\n")
        else:
            self.finish("Reloaded.\n")


class NotFound(Handler):
    """Every other path."""

    async def prepare(self) -> None:
        await super().prepare()
        if not self._finished:
            self.set_status(HTTPStatus.NOT_FOUND)
            self.finish(f"Nothing here; metrics are at {self.site.telemetry_path}.\n")


def prefers_openmetrics(accept: str) -> bool:
    """Whether a client would rather read OpenMetrics 1.0.0 than text 0.0.4 (RFC 9110, 12.5.1).

    Whoever names neither gets text: a browser, and a client that reads other versions.
    """
    qualities: dict[str, float] = {}
    for media, quality in _offers(accept):
        qualities[media] = max(quality, qualities.get(media, 0))
    openmetrics = qualities.get("application/openmetrics-text", 0)
    text = qualities.get("text/plain", qualities.get("text/*", qualities.get("*/*", 0)))
    return 0 < openmetrics >= text


def _offers(accept: str) -> Iterator[tuple[str, float]]:
    """What a client reads of what we write, and how gladly; nonsense is left out."""
    for offer in accept.lower().split(","):
        media, *parameters = (part.strip() for part in offer.split(";"))
        named = dict(part.replace('"', "").partition("=")[::2] for part in parameters)
        quality = named.get("q", "1")
        if named.get("version", "") in _VERSIONS.get(media, ()) and _QUALITY.fullmatch(quality):
            yield media, float(quality)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client reads gzip (RFC 9110, 12.5.3)."""
    for offer in accept_encoding.lower().split(","):
        coding, _, parameters = offer.partition(";")
        if coding.strip() == "gzip":
            quality = parameters.strip().removeprefix("q=")
            return not quality or not set(quality) <= set("0.")
    return False


def portions(pieces: Iterable[bytes]) -> Iterator[bytes | memoryview]:
    """The pieces in portions worth a system call, none larger than 1 MiB.

    Large pieces are not copied: clients that never read must not hold a copy each.
    """
    gathered = bytearray()
    for piece in pieces:
        if gathered and len(gathered) + len(piece) > _GATHERED:
            # As it is: a client that never reads must not hold it twice.
            yield memoryview(gathered)
            gathered = bytearray()
        if len(piece) <= _GATHERED:
            gathered += piece
        else:
            view = memoryview(piece)
            yield from (view[start : start + _PORTION] for start in range(0, len(view), _PORTION))
    if gathered:
        yield memoryview(gathered)
