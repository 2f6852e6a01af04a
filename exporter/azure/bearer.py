"""The token on each request: one sign-in serves all threads and vaults."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.identity import CredentialUnavailableError
from requests.auth import AuthBase

from exporter.azure.environment import network_reason
from exporter.azure.error_body import read_sign_in_ids
from exporter.errors import ArmError, ErrorKind
from exporter.masking import hide
from exporter.threads import start_thread

if TYPE_CHECKING:
    from datetime import timedelta

    from azure.core.credentials import AccessToken
    from requests import PreparedRequest

RENEW_BEFORE_SECONDS: Final = 300
"""A token is renewed this long before it expires, so that no request carries an expired one."""

RETRY_AFTER_SECONDS: Final = 20
"""A failed sign-in is not tried again for every vault: DefaultAzureCredential needs seconds."""


class Credential(Protocol):
    """Signs in."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Sign in, or take a token that lasts."""

    def renew(self) -> None:
        """Keep no token: Azure has refused it."""


class BearerAuth(AuthBase):
    """Puts the token on each request; one sign-in serves all threads and vaults.

    Signing in may take minutes and may hang, so it has a thread of its own: while a token lasts,
    nobody waits for the next one.

    Args:
        credential: Signs in.
        scope: What the token is for.
        timeout: For which a request waits for a first token.
    """

    def __init__(self, credential: Credential, scope: str, *, timeout: timedelta) -> None:
        self._credential = credential
        self._scope = scope
        self._timeout = timeout.total_seconds()
        self._ended = threading.Condition()
        self._signing_in = False
        self._token: AccessToken | None = None
        self._failure: ArmError | None = None
        self._failed_at = 0.0
        self._renewed_at = float("-inf")

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign the request.

        Raises:
            ArmError: There is no token.
        """
        request.headers["Authorization"] = f"Bearer {self.token()}"
        return request

    def token(self) -> str:
        """A token that is valid, at once if there is one.

        Raises:
            ArmError: There is none, and signing in failed or takes too long.
        """
        with self._ended:
            if self._token is None or not self._lasts(self._token, RENEW_BEFORE_SECONDS):
                self._begin()
            if self._token is None or not self._lasts(self._token):
                self._ended.wait_for(lambda: not self._signing_in, self._timeout)
            if self._token and self._lasts(self._token):
                return self._token.token
            if self._signing_in:
                raise ArmError(
                    ErrorKind.UNAUTHORIZED,
                    f"no token for {self._scope}: sign-in did not answer within"
                    f" {self._timeout:g} s",
                )
            if self._failure:
                raise ArmError(
                    self._failure.kind, str(self._failure), ids=self._failure.ids
                ) from self._failure
            raise ArmError(ErrorKind.UNAUTHORIZED, "the token has expired")

    def refused(self, authorization: str) -> None:
        """Take in that Azure has refused the token of a header: the next request carries a new one.

        Not sooner than some seconds after the last time: where Azure refuses every token, signing
        in for each vault would help nobody.
        """
        with self._ended:
            now = time.monotonic()
            current = self._token and authorization == f"Bearer {self._token.token}"
            if current and now - self._renewed_at > RETRY_AFTER_SECONDS:
                self._renewed_at = now
                self._token = None
                self._credential.renew()

    @staticmethod
    def _lasts(token: AccessToken, seconds: float = 0) -> bool:
        return time.time() < token.expires_on - seconds

    def _begin(self) -> None:
        """Sign in beside, unless that is under way or has just failed."""
        rests = self._failure and time.monotonic() - self._failed_at <= RETRY_AFTER_SECONDS
        if self._signing_in or rests:
            return
        self._signing_in = True
        try:
            start_thread("sign-in", self._sign_in, None)
        except RuntimeError as error:  # the machine has no thread left
            self._signing_in = False
            self._fail(error)

    def _sign_in(self, _: None) -> None:
        token, failure = None, None
        try:
            token = self._credential.get_token(self._scope)
            hide(token.token)
        except Exception as error:
            failure = error
        with self._ended:
            self._signing_in = False
            if failure:
                self._fail(failure)
            else:
                self._token, self._failure = token, None
            self._ended.notify_all()

    def _fail(self, error: Exception) -> None:
        self._failed_at = time.monotonic()
        if _is_of_the_network(error):
            kind, reason = ErrorKind.NETWORK, network_reason(error)
        else:
            kind, reason = ErrorKind.UNAUTHORIZED, _first_lines(error)
        ids = read_sign_in_ids(str(error))
        self._failure = ArmError(kind, f"no token for {self._scope}: {reason}", ids=ids)


def _is_of_the_network(error: BaseException | None) -> bool:
    """Whether nobody was asked. Where there is no identity, one of its hosts need not be there."""
    while error and not isinstance(error, CredentialUnavailableError):
        if isinstance(error, ServiceRequestError | ServiceResponseError | OSError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _first_lines(error: Exception) -> str:
    """What azure-identity says, without its page of links."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:6]) or type(error).__name__
