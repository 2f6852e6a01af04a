"""Sign-in with azure-identity: one long-lived credential, one cached token."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import AzureError
from azure.identity import (
    AzureCliCredential,
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from requests.auth import AuthBase

from exporter.config import model
from exporter.errors import ArmError, ErrorKind
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


def make_credential(credential: model.Credential, cloud: Cloud) -> TokenCredential:
    """The azure-identity credential that the configuration names.

    Raises:
        ArmError: A secret or certificate cannot be read, or azure-identity refuses the settings.
    """
    files = _files(credential)
    if not files:
        return _set_up(credential, cloud)
    return _Renewed(lambda: _set_up(credential, cloud), files)


class _Renewed:
    """Set up anew when one of its files has changed: azure-identity reads each only once.

    Args:
        set_up: Makes the credential of what the files hold now.
        files: Of the secret or certificate; a rotation replaces them.
    """

    def __init__(self, set_up: Callable[[], TokenCredential], files: Iterable[Path]) -> None:
        self._set_up = set_up
        self._files = tuple(files)
        # Before it is set up: what changes meanwhile is seen as a change.
        self._contents = self._read()
        self._credential = set_up()

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Sign in."""
        contents = self._read()
        if contents != self._contents:
            self._credential, self._contents = self._set_up(), contents
        return self._credential.get_token(*scopes, **options)

    def _read(self) -> tuple[bytes | None, ...]:
        return tuple(map(_content, self._files))


def _files(credential: model.Credential) -> list[Path]:
    """What a rotation replaces; a workload identity's token is read again as it is."""
    match credential:
        case model.ClientSecret():
            named = [credential.client_secret_file]
        case model.ClientCertificate():
            named = [credential.certificate_file, credential.certificate_password_file]
        case _:
            named = []
    return [Path(name) for name in named if name is not None]


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
    if file is not None:
        return Path(file).read_text(encoding="utf-8").strip()
    return value.get_secret_value() if value else None


class BearerAuth(AuthBase):
    """Puts the token on each request; one sign-in serves all threads and vaults.

    Signing in may take minutes and may hang, so it has a thread of its own: while a token lasts,
    nobody waits for the next one.

    Args:
        credential: Signs in.
        scope: What the token is for.
        timeout: For which a request waits for a first token.
    """

    def __init__(self, credential: TokenCredential, scope: str, *, timeout: timedelta) -> None:
        self._credential = credential
        self._scope = scope
        self._timeout = timeout.total_seconds()
        self._ended = threading.Condition()
        self._signing_in = False
        self._token: AccessToken | None = None
        self._failure = ""
        self._failed_at = 0.0

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
            raise ArmError(ErrorKind.UNAUTHORIZED, self._failure or "the token has expired")

    def forget(self) -> None:
        """Drop the cached token: Azure has refused it."""
        with self._ended:
            self._token = None

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
        except Exception as error:
            failure = error
        with self._ended:
            self._signing_in = False
            if failure:
                self._fail(failure)
            else:
                self._token, self._failure = token, ""
            self._ended.notify_all()

    def _fail(self, error: Exception) -> None:
        self._failed_at = time.monotonic()
        self._failure = f"no token for {self._scope}: {_first_lines(error)}"


def _first_lines(error: Exception) -> str:
    """What azure-identity says, without its page of links."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:6]) or type(error).__name__
