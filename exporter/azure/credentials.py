"""Credentials of azure-identity, as the configuration names them."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError
from azure.identity import (
    AzureCliCredential,
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from exporter.config import model
from exporter.errors import ArmError, ErrorKind
from exporter.masking import hide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from azure.core.credentials import AccessToken, TokenCredential
    from pydantic import SecretStr

    from exporter.azure.clouds import Cloud


def make_credential(credential: model.Credential, cloud: Cloud) -> RenewedCredential:
    """The azure-identity credential that the configuration names.

    Raises:
        ArmError: A secret or certificate cannot be read, or azure-identity refuses the settings.
    """
    return RenewedCredential(
        lambda: _set_up(credential, cloud), _files(credential), secret=_sent_as_it_is(credential)
    )


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
