"""The model of ``--web.config.file``: the format of Prometheus' exporter-toolkit.

Source: github.com/prometheus/exporter-toolkit, docs/web-configuration.md and web/tls_config.go.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from exporter.config.problems import Format
from exporter.config.section import Section
from exporter.config.types import Text

TlsVersion = Literal["TLS12", "TLS13"]

_BCRYPT: Final = re.compile(
    r"\$2[abxy]\$(?P<cost>0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}"
)
_HIGHEST_COST: Final = 16
"""Takes about 4 s, and each step doubles it. One check cannot be broken off."""

_VERIFYING: Final = ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
_NOT_VERIFYING: Final = ("NoClientCert", "RequestClientCert")
_ANY_CERTIFICATE: Final = ("RequireAnyClientCert", "RequireClientCert")


def bcrypt_cost(bcrypt_hash: str) -> int:
    """The base-2 logarithm of the rounds a hash takes; 0 if the text is no bcrypt hash."""
    match = _BCRYPT.fullmatch(bcrypt_hash)
    return int(match["cost"]) if match else 0


def _check_hash(text: str) -> str:
    cost = bcrypt_cost(text)
    if not cost:
        raise ValueError("write the password's bcrypt hash, as `htpasswd -nBC 10 NAME` prints it")
    if cost > _HIGHEST_COST:
        raise ValueError(
            f"cost {cost} takes too long to check: write a hash of cost {_HIGHEST_COST} or less,"
            " as `htpasswd -nBC 10 NAME` prints it"
        )
    return text


def _check_path(path: str) -> str:
    if "\0" in path:
        raise ValueError("a path has no NUL character")
    return path


def _check_client_auth(value: str) -> str:
    if value in _ANY_CERTIFICATE:
        raise ValueError(
            f"{value} is not supported: a certificate that nobody verifies proves nothing;"
            " write RequireAndVerifyClientCert"
        )
    if value not in (*_VERIFYING, *_NOT_VERIFYING):
        raise ValueError(f"write one of {', '.join((*_NOT_VERIFYING, *_VERIFYING))}")
    return value


def _check_http2(value: bool) -> bool:
    if value:
        raise ValueError("HTTP/2 is not supported: write false, or leave it out")
    return value


def _check_header(value: str) -> str:
    if not re.fullmatch(r"[\x20-\x7e]*", value):
        raise ValueError("a header's value is one line of ASCII text")
    return value


# Empty is the same as absent, as in exporter-toolkit.
ClientAuth = Annotated[
    str,
    BeforeValidator(lambda value: value or "NoClientCert"),
    AfterValidator(_check_client_auth),
]
FilePath = Annotated[Text, AfterValidator(_check_path)]
HeaderText = Annotated[str, AfterValidator(_check_header)]


class TlsServer(Section):
    """The server's certificate, and what is asked of clients."""

    cert_file: FilePath
    key_file: FilePath
    client_ca_file: FilePath | None = None
    client_auth_type: ClientAuth = "NoClientCert"
    min_version: TlsVersion = "TLS12"
    max_version: TlsVersion = "TLS13"

    @classmethod
    def problem(cls, values: dict[str, object]) -> str:
        """Versions and client certificates must fit together."""
        if (values.get("min_version"), values.get("max_version")) == ("TLS13", "TLS12"):
            return "max_version is below min_version"
        kind = values.get("client_auth_type") or "NoClientCert"
        if kind in _VERIFYING and not values.get("client_ca_file"):
            return f"client_auth_type {kind} needs client_ca_file"
        if kind == "NoClientCert" and values.get("client_ca_file"):
            return "client_ca_file needs client_auth_type: RequireAndVerifyClientCert"
        return ""

    @property
    def verifies_clients(self) -> bool:
        """Whether a client's certificate is looked at."""
        return self.client_auth_type in _VERIFYING


class Headers(Section):
    """What to add to every answer; blank takes away the exporter's own."""

    csp: HeaderText | None = Field(None, alias="Content-Security-Policy")
    frame_options: Literal["deny", "sameorigin"] | None = Field(None, alias="X-Frame-Options")
    content_type_options: Literal["nosniff"] | None = Field(None, alias="X-Content-Type-Options")
    xss_protection: HeaderText | None = Field(None, alias="X-XSS-Protection")
    hsts: HeaderText | None = Field(None, alias="Strict-Transport-Security")

    def values(self) -> dict[str, str]:
        """The headers that the file names."""
        named = self.model_dump(by_alias=True, exclude_unset=True)
        return {name: value or "" for name, value in named.items()}


class HttpServer(Section):
    """How HTTP is spoken."""

    http2: Annotated[bool, AfterValidator(_check_http2)] = False
    headers: Annotated[Headers, BeforeValidator(lambda value: value or {})] = Headers()


class WebConfig(Section):
    """The file."""

    # Empty is the same as absent, as in exporter-toolkit.
    tls_server_config: Annotated[TlsServer | None, BeforeValidator(lambda value: value or None)] = (
        None
    )
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[str, Annotated[str, AfterValidator(_check_hash)]] = Field({}, repr=False)


_INLINE: Final = "is not supported: put the PEM text into a file and write {}"
_OPENSSL: Final = "is not supported: leave it out, OpenSSL's defaults are used"

FORMAT: Final = Format(
    sections={
        "the top level": (WebConfig,),
        "tls_server_config": (TlsServer,),
        "http_server_config": (HttpServer,),
        "http_server_config.headers": (Headers,),
    },
    refused={
        "tls_server_config.cert": _INLINE.format("cert_file"),
        "tls_server_config.key": _INLINE.format("key_file"),
        "tls_server_config.client_ca": _INLINE.format("client_ca_file"),
        "tls_server_config.client_allowed_sans": "is not supported: let client_ca_file sign"
        " nothing but the certificates of those who may scrape",
        "tls_server_config.cipher_suites": _OPENSSL,
        "tls_server_config.prefer_server_cipher_suites": _OPENSSL,
        "tls_server_config.curve_preferences": _OPENSSL,
        "rate_limit": "is not supported: a scrape only sends bytes that are ready",
    },
)
