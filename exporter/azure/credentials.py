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

if TYPE_CHECKING:
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
    """Puts the token on each request; one sign-in serves all threads and vaults."""

    def __init__(self, credential: TokenCredential, scope: str) -> None:
        self._credential = credential
        self._scope = scope
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._failure = ""
        self._failed_at = 0.0

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign the request.

        Raises:
            ArmError: There is no token.
        """
        request.headers["Authorization"] = f"Bearer {self._fresh_token().token}"
        return request

    def forget(self) -> None:
        """Drop the cached token: Azure has refused it."""
        with self._lock:
            self._token = None

    def _fresh_token(self) -> AccessToken:
        with self._lock:
            if self._token and time.time() < self._token.expires_on - RENEW_BEFORE_SECONDS:
                return self._token
            if not self._failure or time.monotonic() - self._failed_at > RETRY_AFTER_SECONDS:
                self._sign_in()
            # A renewal that fails costs nothing while the old token lasts.
            if self._token and time.time() < self._token.expires_on:
                return self._token
            raise ArmError(ErrorKind.UNAUTHORIZED, self._failure or "the token has expired")

    def _sign_in(self) -> None:
        try:
            self._token = self._credential.get_token(self._scope)
            self._failure = ""
        except Exception as error:
            self._failed_at = time.monotonic()
            self._failure = f"no token for {self._scope}: {_first_lines(error)}"


def _first_lines(error: Exception) -> str:
    """What azure-identity says, without its page of links."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:6]) or type(error).__name__
