"""Sign-in with azure-identity: one long-lived credential, one cached token."""

from __future__ import annotations

import codecs
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError
from azure.identity import (
    AzureCliCredential,
    CertificateCredential,
    ClientSecretCredential,
    CredentialUnavailableError,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from requests.auth import AuthBase

from exporter.azure.environment import network_reason
from exporter.azure.error_body import read_sign_in_ids
from exporter.config import model
from exporter.errors import ArmError, ErrorKind
from exporter.masking import hide
from exporter.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from azure.core.credentials import AccessToken, TokenCredential
    from pydantic import SecretStr
    from requests import PreparedRequest

    from exporter.azure.clouds import Cloud

RENEW_BEFORE_SECONDS: Final = 300
"""A token is renewed this long before it expires, so that no request carries an expired one."""

RETRY_AFTER_SECONDS: Final = 20
"""A failed sign-in is not tried again for every vault: DefaultAzureCredential needs seconds."""


def make_credential(credential: model.Credential, cloud: Cloud) -> RenewedCredential:
    """The azure-identity credential that the configuration names.

    Raises:
        ArmError: A secret or certificate cannot be read, or azure-identity refuses the settings.
    """
    return RenewedCredential(
        lambda: _set_up(credential, cloud), _files(credential), secret=_sent_as_it_is(credential)
    )


class Credential(Protocol):
    """Signs in."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Sign in, or take a token that lasts."""

    def renew(self) -> None:
        """Keep no token: Azure has refused it."""


class RenewedCredential:
    """Set up anew when one of its files has changed, and when Azure has refused its token.

    azure-identity reads files only once, and hands out a token until it expires.

    Args:
        set_up: Makes the credential of what the files hold now.
        files: Of the secret or certificate; a rotation replaces them.
        secret: Whether their contents are sent as they are.
    """

    def __init__(
        self, set_up: Callable[[], TokenCredential], files: Iterable[Path], *, secret: bool
    ) -> None:
        self._set_up = set_up
        self._files = tuple(files)
        self._secret = secret
        # Before it is set up: what changes meanwhile is seen as a change.
        self._contents = self._read()
        self._credential: TokenCredential | None = set_up()

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Sign in."""
        contents = self._read()
        credential = self._credential
        if credential is None or contents != self._contents:
            credential = self._set_up()
            self._credential, self._contents = credential, contents
        return credential.get_token(*scopes, **options)

    def renew(self) -> None:
        """Forget what was signed in: the cache of tokens lives in the credential."""
        self._credential = None

    def _read(self) -> tuple[bytes | None, ...]:
        contents = tuple(map(_content, self._files))
        if self._secret:
            hide(*(_text(content) for content in contents if content))
        return contents


def _files(credential: model.Credential) -> list[Path]:
    """What a rotation replaces."""
    federated = os.environ.get("AZURE_FEDERATED_TOKEN_FILE") or None
    match credential:
        case model.ClientSecret():
            named = [credential.client_secret_file]
        case model.ClientCertificate():
            named = [credential.certificate_file, credential.certificate_password_file]
        case model.WorkloadIdentity():
            named = [credential.token_file or federated]
        case model.DefaultCredential():
            named = [federated]
        case _:
            named = []
    return [Path(name) for name in named if name is not None]


def _sent_as_it_is(credential: model.Credential) -> bool:
    return not isinstance(credential, model.ClientCertificate)


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _set_up(credential: model.Credential, cloud: Cloud) -> TokenCredential:
    try:
        return _make_credential(credential, cloud)
    # TypeError: cryptography's, for a password that a key does not need.
    except (OSError, TypeError, ValueError, AzureError) as error:
        raise ArmError(
            ErrorKind.UNAUTHORIZED, f"credential {credential.type} cannot be set up: {error}"
        ) from error


def _make_credential(credential: model.Credential, cloud: Cloud) -> TokenCredential:
    signing_in: dict[str, Any] = {
        "authority": cloud.authority,
        # A private cloud's authority is unknown to the public one that would vouch for it.
        "disable_instance_discovery": not cloud.known,
    }
    match credential:
        case model.ManagedIdentity():
            return ManagedIdentityCredential(**_given(client_id=credential.client_id))
        case model.WorkloadIdentity():
            return WorkloadIdentityCredential(
                **signing_in,
                **_given(
                    tenant_id=credential.tenant_id,
                    client_id=credential.client_id,
                    token_file_path=credential.token_file,
                ),
            )
        case model.ClientSecret():
            return ClientSecretCredential(
                credential.tenant_id,
                credential.client_id,
                _secret(credential.client_secret, credential.client_secret_file) or "",
                **signing_in,
            )
        case model.ClientCertificate():
            return CertificateCredential(
                credential.tenant_id,
                credential.client_id,
                credential.certificate_file,
                password=_secret(
                    credential.certificate_password, credential.certificate_password_file
                ),
                **signing_in,
            )
        case model.AzureCli():
            return AzureCliCredential(**_given(tenant_id=credential.tenant_id))
        case _:
            return DefaultAzureCredential(**signing_in)


def _given(**values: str | None) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _secret(value: SecretStr | None, file: str | None) -> str | None:
    secret = value.get_secret_value() if value else None
    if file is not None:
        secret = _text(Path(file).read_bytes())
    hide(secret)
    return secret


def _text(content: bytes) -> str:
    """What a file of one line says; editors of Windows begin it with a mark of its encoding."""
    marks = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16"}
    marks[codecs.BOM_UTF16_BE] = "utf-16"
    encoding = next((name for mark, name in marks.items() if content.startswith(mark)), "utf-8")
    return content.decode(encoding, errors="replace").strip()


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
