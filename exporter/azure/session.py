"""The signed, retrying session with Azure Resource Manager."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3.exceptions

from exporter import __version__
from exporter.azure.deadline import BoundedAdapter, give_up_after, passed
from exporter.azure.environment import network_reason
from exporter.azure.error_body import (
    Throttling,
    error_text,
    read_date,
    read_ids,
    read_throttling,
)
from exporter.config.types import is_loopback
from exporter.errors import ArmError, ErrorKind, ForeignUrlError, NotNowError
from exporter.masking import masked_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.azure.bearer import BearerAuth
    from exporter.clock import AzureClock
    from exporter.metrics.selfmetrics import SelfMetrics

_LONGEST_WAIT_SECONDS: Final = 15
_LARGEST_ANSWER: Final = 256 * 2**20
_PIECE: Final = 64 * 1024
_LONGEST_INTEGER: Final = 400
"""Digits; such a number is more than any float is."""

_KINDS: Final = {
    401: ErrorKind.UNAUTHORIZED,
    403: ErrorKind.FORBIDDEN,
    404: ErrorKind.NOT_FOUND,
    408: ErrorKind.TIMEOUT,
}
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_OK: Final = 200
_POLLING: Final = (HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)
_SERVER_ERROR: Final = 500


class ThrottledError(ArmError):
    """Azure answered 429. It is never tried again at once: the whole budget has to wait."""

    def __init__(self, message: str, throttling: Throttling, ids: Mapping[str, str]) -> None:
        super().__init__(ErrorKind.THROTTLED, message, retry_after=throttling.retry_after, ids=ids)
        self.throttling = throttling


@dataclass(frozen=True, slots=True)
class Answer:
    """A 200 of Azure; of operations also a 202 or 204.

    Attributes:
        body: Decoded JSON; None where there is none.
        headers: Names compare without case.
        status: Of HTTP.
    """

    body: Any
    headers: Mapping[str, str]
    status: int = 200


class ArmSession:
    """Reads JSON from Azure Resource Manager, from any thread.

    Args:
        base_url: Of the cloud's Resource Manager; nothing else is ever asked with our token.
        auth: Signs each request.
        timeout: For connecting, and between two pieces of an answer.
        max_concurrency: Requests under way at once.
        clock: For deadlines; told Azure's time.
        metrics: Counts every attempt.
        stop: Ends waiting between attempts.
        backoff_seconds: Longest first wait between attempts; it doubles, with jitter.
    """

    def __init__(
        self,
        *,
        base_url: str,
        auth: BearerAuth,
        timeout: timedelta,
        max_concurrency: int,
        clock: AzureClock,
        metrics: SelfMetrics,
        stop: threading.Event,
        backoff_seconds: float = 1.0,
    ) -> None:
        self._base_url = base_url
        self._auth = auth
        self._timeout = timeout.total_seconds()
        self._clock = clock
        self._metrics = metrics
        self._stop = stop
        self._backoff_seconds = backoff_seconds
        self._free = threading.BoundedSemaphore(max_concurrency)
        self._session = requests.Session()
        self._session.auth = auth
        # A proxy of the environment is for the way out; on loopback it would see our token.
        self._session.trust_env = not is_loopback(urlsplit(base_url).hostname or "")
        self._session.headers["User-Agent"] = f"azure-backup-exporter/{__version__}"
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = BoundedAdapter(pool_connections=2, pool_maxsize=max_concurrency)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    @property
    def base_url(self) -> str:
        """Of the cloud's Resource Manager."""
        return self._base_url

    def now(self) -> datetime:
        """The present by Azure's clock."""
        return self._clock.now()

    def sign_in(self) -> str:
        """The token that requests carry.

        Raises:
            ArmError: There is none.
        """
        return self._auth.token()

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def read(
        self,
        url: str,
        *,
        api: str,
        give_up_at: float,
        attempts: int,
        permit: Callable[[], None] = lambda: None,
        query: object = None,
        polling: bool = False,
    ) -> Answer:
        """Read one URL, again after faults that pass: 5xx, timeouts, resets, bodies that lie.

        Args:
            url: Absolute, or a path below the base URL.
            api: What is read, as the metrics name it.
            give_up_at: Monotonic time after which nothing is tried again.
            attempts: At most.
            permit: Called before each attempt, to spend from the read budget; may raise.
            query: What is asked for, as JSON: then it is a POST, which changes nothing either.
            polling: Whether 202 and 204, with or without a body, are answers, too.

        Raises:
            ArmError: The last attempt failed, or the URL lies outside Resource Manager.
            NotNowError: The session stops, or ``permit`` says so.
        """
        absolute = self._inside(url)

        failed: ArmError | None = None

        def attempt() -> Answer:
            nonlocal failed
            if self._stop.is_set():
                raise NotNowError("the exporter stops", float("inf"))
            # First of all: sign-in may take its time, and a read without a token is not spent.
            try:
                self._auth.token()
            except ArmError as error:
                error.sent = False
                raise
            try:
                permit()
            except NotNowError:
                if failed:
                    # The fault says more than the budget that forbids to try again.
                    raise ArmError(failed.kind, str(failed), ids=failed.ids) from failed
                raise
            try:
                return self._attempt(absolute, api, give_up_at, query, polling=polling)
            except ArmError as error:
                failed = error
                raise

        def enough(state: tenacity.RetryCallState) -> bool:
            return (
                state.attempt_number >= attempts
                or self._stop.is_set()
                or self._clock.monotonic() + state.upcoming_sleep >= give_up_at
            )

        def sleep(seconds: float) -> None:
            self._clock.wait(self._stop, seconds)

        if attempts == 1:
            return attempt()
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(_passes),
            stop=enough,
            wait=self._wait_seconds,
            sleep=sleep,
            before_sleep=lambda _: self._metrics.retries.labels(api).inc(),
            reraise=True,
        )(attempt)

    def _wait_seconds(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ArmError) and error.retry_after is not None:
            return error.retry_after.total_seconds()
        return tenacity.wait_random_exponential(
            multiplier=self._backoff_seconds, max=_LONGEST_WAIT_SECONDS
        )(state)

    def _inside(self, url: str) -> str:
        """The URL as it is, if our token may go there: ``nextLink`` is followed verbatim."""
        absolute = self._base_url + url if url.startswith("/") else url
        if _origin(absolute) != _origin(self._base_url):
            raise ForeignUrlError
        return absolute

    def _attempt(
        self, url: str, api: str, give_up_at: float, query: object, *, polling: bool
    ) -> Answer:
        with self._free:
            started = self._clock.monotonic()
            # An attempt may always take its timeout; an answer that drips may not go on for ever.
            give_up_after(max(give_up_at - started, self._timeout))
            code, ids = None, dict[str, str]()
            try:
                with self._session.request(
                    "GET" if query is None else "POST",
                    url,
                    json=query,
                    timeout=self._timeout,
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    code, ids = str(response.status_code), read_ids(response.headers)
                    # What stands between us and Azure may have any clock, and no 200.
                    if response.status_code == _OK and (date := read_date(response.headers)):
                        self._clock.heard(date)
                    content = self._read(response)
            except (requests.exceptions.SSLError, urllib3.exceptions.SSLError) as error:
                code = "network"
                reason = network_reason(error)
                lasting = "CERTIFICATE_VERIFY_FAILED" in reason
                message = f"TLS: {reason}"
                raise ArmError(
                    ErrorKind.NETWORK, message, retryable=not lasting, ids=ids
                ) from error
            except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
                code = "timeout"
                late = "the answer did not end in time"
                message = late if passed() else f"no answer within {self._timeout:g} s"
                raise ArmError(ErrorKind.TIMEOUT, message, retryable=True, ids=ids) from error
            # OSError: requests' own, and what it lets through, such as a missing CA bundle.
            except (OSError, urllib3.exceptions.HTTPError) as error:
                code = "network"
                reason = network_reason(error)
                raise ArmError(ErrorKind.NETWORK, reason, retryable=True, ids=ids) from error
            finally:
                if code:  # else there was no token, and nothing was sent
                    self._metrics.requests.labels(api, code).inc()
                    self._metrics.request_duration.labels(api).observe(
                        self._clock.monotonic() - started
                    )
        if polling and response.status_code in _POLLING:
            return Answer(_json_or_none(content), response.headers, response.status_code)
        return self._answer(response, content)

    def _read(self, response: requests.Response) -> bytes:
        content, ids = bytearray(), read_ids(response.headers)
        while piece := response.raw.read1(_PIECE, decode_content=True):
            content += piece
            if len(content) > _LARGEST_ANSWER:
                raise ArmError(ErrorKind.PAYLOAD, "an answer of more than 256 MiB", ids=ids)
        return masked_body(bytes(content))

    def _answer(self, response: requests.Response, content: bytes) -> Answer:
        status, ids = response.status_code, read_ids(response.headers)
        try:
            body = json.loads(content, parse_int=_integer)
        except (ValueError, RecursionError) as error:
            body = None
            if status == _OK:
                message = f"Azure's 200 is not JSON: {content[:60]!r}"
                raise ArmError(ErrorKind.PAYLOAD, message, retryable=True, ids=ids) from error
        if status == _OK:
            return Answer(body, response.headers)
        text = f"Azure answered {status} {error_text(body) or response.reason or ''}".strip()
        if status == HTTPStatus.UNAUTHORIZED:
            self._auth.refused(str(response.request.headers.get("Authorization")))
        throttling = read_throttling(response.headers, body, self._clock.now())
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise ThrottledError(text, throttling, ids)
        if status >= _SERVER_ERROR:
            asked = "Retry-After" in response.headers
            raise ArmError(
                ErrorKind.SERVER,
                text,
                retryable=True,
                retry_after=throttling.retry_after if asked else None,
                ids=ids,
            )
        kind = _KINDS.get(status, ErrorKind.PAYLOAD)
        raise ArmError(kind, text, retryable=kind is ErrorKind.TIMEOUT, ids=ids)


def _json_or_none(content: bytes) -> Any:
    try:
        return json.loads(content, parse_int=_integer)
    except (ValueError, RecursionError):
        return None


def _integer(digits: str) -> float:
    """The number; one with more digits than Python reads must not hide the jobs beside it."""
    return int(digits) if len(digits) < _LONGEST_INTEGER else float(digits)


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    """What decides whether two URLs are of one server; None for no URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    # A name before the host is none of Azure's doing.
    return None if "@" in parts.netloc else (parts.scheme, parts.hostname, port)


def _passes(error: BaseException) -> bool:
    return isinstance(error, ArmError) and error.retryable
