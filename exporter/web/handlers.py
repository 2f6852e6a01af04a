"""What each path answers."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import tornado.web
from prometheus_client.exposition import choose_encoder
from tornado.iostream import StreamClosedError

from exporter.web.status import render_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.clock import Clock
    from exporter.metrics.selfmetrics import SelfMetrics
    from exporter.metrics.store import PageStore

_PIECE: Final = 256 * 1024
_SEND_SECONDS: Final = 30
_TEXT: Final = "text/plain; charset=utf-8"


@dataclass(kw_only=True)
class Site:
    """What the server needs to know.

    Attributes:
        store: The page in force.
        metrics: The exporter's own, rendered for each scrape.
        telemetry_path: Where metrics are.
        ready: Whether the first refresh of every vault has ended.
        reload: Loads the configuration again; returns what went wrong, empty when nothing did.
            None when ``--web.enable-lifecycle`` is off.
        clock: For ages on the status page.
        under_way: Answers being sent.
    """

    store: PageStore
    metrics: SelfMetrics
    telemetry_path: str
    ready: Callable[[], bool]
    reload: Callable[[], str] | None
    clock: Clock
    under_way: int = 0


def make_application(site: Site) -> tornado.web.Application:
    """The paths and their handlers."""
    arguments = {"site": site}
    routes: list[tuple[str, type[Handler], dict[str, Any]]] = [
        (re.escape(site.telemetry_path), Metrics, arguments),
        (r"/", Status, arguments),
        (r"/-/healthy", Healthy, arguments),
        (r"/-/ready", Ready, arguments),
        (r"/-/reload", Reload, arguments),
    ]
    return tornado.web.Application(
        list(routes),
        default_handler_class=NotFound,
        default_handler_args=arguments,
        log_function=lambda handler: None,
    )


class Handler(tornado.web.RequestHandler):
    """GET and HEAD alike; errors are one sentence of plain text."""

    SUPPORTED_METHODS = ("GET", "HEAD", "POST")
    allowed = "GET, HEAD"

    def initialize(self, site: Site) -> None:
        self.site = site
        site.under_way += 1

    def on_finish(self) -> None:
        self.site.under_way -= 1

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Content-Type", _TEXT)
        self.set_header("X-Content-Type-Options", "nosniff")

    async def head(self) -> None:
        await self.get()  # type: ignore[misc] # tornado leaves the body of a HEAD out

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_header("Content-Type", _TEXT)
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", self.allowed)
            self.finish(f"{self.request.method} is not allowed here; use {self.allowed}.\n")
        else:
            self.finish(f"{status_code} {HTTPStatus(status_code).phrase}\n")


class Metrics(Handler):
    """The page, as bytes that were made when a vault was refreshed."""

    async def get(self) -> None:
        encode, content_type = choose_encoder(self.request.headers.get("Accept", ""))
        page = self.site.store.page
        body = page.openmetrics if "openmetrics" in content_type else page.text
        tail = encode(self.site.metrics.registry)
        self.set_header("Content-Type", content_type)
        self.set_header("Vary", "Accept, Accept-Encoding")
        if accepts_gzip(self.request.headers.get("Accept-Encoding", "")):
            self.set_header("Content-Encoding", "gzip")
            pieces = body.gzip(tail)
        else:
            pieces = body.plain(tail)
        self.set_header("Content-Length", str(sum(map(len, pieces))))
        try:
            for portion in _portions(pieces):
                self.write(portion)
                await asyncio.wait_for(self.flush(), _SEND_SECONDS)
        except (TimeoutError, StreamClosedError):
            # A client that stopped reading, or left.
            self.detach().close()
            self.on_finish()


class Status(Handler):
    """The page for people."""

    async def get(self) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.finish(
            render_status(
                self.site.store.snapshots.values(),
                now=self.site.clock.now(),
                telemetry_path=self.site.telemetry_path,
            )
        )


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
        problems = await asyncio.get_running_loop().run_in_executor(None, self.site.reload)
        if problems:
            self.set_status(HTTPStatus.INTERNAL_SERVER_ERROR)
            self.finish(f"The old configuration stays in force.\n{problems}\n")
        else:
            self.finish("Reloaded.\n")


class NotFound(Handler):
    """Every other path."""

    def prepare(self) -> None:
        self.set_status(HTTPStatus.NOT_FOUND)
        self.finish(f"Nothing here; metrics are at {self.site.telemetry_path}.\n")


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client reads gzip (RFC 9110, 12.5.3)."""
    for offer in accept_encoding.lower().split(","):
        coding, _, parameters = offer.partition(";")
        if coding.strip() == "gzip":
            quality = parameters.strip().removeprefix("q=")
            return not quality or not set(quality) <= set("0.")
    return False


def _portions(pieces: list[bytes]) -> Iterator[bytes]:
    """The pieces in portions worth a system call, none of them a copy of the page."""
    portion = bytearray()
    for piece in pieces:
        portion += piece
        if len(portion) >= _PIECE:
            yield bytes(portion)
            portion.clear()
    yield bytes(portion)
