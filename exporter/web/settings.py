"""The model of ``--web.config.file``: the format of Prometheus' exporter-toolkit.

Source: github.com/prometheus/exporter-toolkit, docs/web-configuration.md and web/tls_config.go.
"""

from __future__ import annotations

import difflib
import re
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from exporter.config.problems import Format
from exporter.config.section import Section
from exporter.config.types import CountFromZero, Flag, Text, as_flag, read_duration
from exporter.web.tls import CIPHERS, CURVES

TlsVersion = Literal["TLS12", "TLS13"]

_BCRYPT: Final = re.compile(
    r"\$2[abxy]\$(?P<cost>0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}"
)
HIGHEST_COST: Final = 16
"""Takes about 4 s, and each step doubles it. One check cannot be broken off, so who has a dearer
hash is not let in."""

_REQUIRING: Final = "RequireAndVerifyClientCert"
_VERIFYING: Final = ("VerifyClientCertIfGiven", _REQUIRING)
_FOR_HTTP2: Final = (
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
)
_NOT_VERIFYING: Final = ("NoClientCert", "RequestClientCert")
_ANY_CERTIFICATE: Final = ("RequireAnyClientCert", "RequireClientCert")


def bcrypt_cost(bcrypt_hash: str) -> int:
    """The base-2 logarithm of the rounds a hash takes; 0 if the text is no bcrypt hash."""
    match = _BCRYPT.fullmatch(bcrypt_hash)
    return int(match["cost"]) if match else 0


def _check_hash(text: str) -> str:
    if not bcrypt_cost(text):
        raise ValueError("write the password's bcrypt hash, as `htpasswd -nBC 10 NAME` prints it")
    return text


def _check_client_auth(value: str) -> str:
    if value in _ANY_CERTIFICATE:
        raise ValueError(
            f"{value} is not supported: a certificate that nobody verifies proves nothing;"
            " write RequireAndVerifyClientCert"
        )
    if value not in (*_VERIFYING, *_NOT_VERIFYING):
        raise ValueError(f"write one of {', '.join((*_NOT_VERIFYING, *_VERIFYING))}")
    return value


def _check_cipher(value: str) -> str:
    if value not in CIPHERS:
        near = difflib.get_close_matches(value, CIPHERS, 1)
        hint = f"; did you mean {near[0]}?" if near else ", such as TLS_AES_128_GCM_SHA256"
        raise ValueError(f"write Go's name of a cipher suite that is safe{hint}")
    return value


def _check_curve(value: str) -> str:
    if value not in CURVES:
        raise ValueError(f"write one of {', '.join(CURVES)}")
    return value


def _check_curves(values: list[str]) -> list[str]:
    if len(values) > 1:
        raise ValueError(
            "Python can choose one curve, not a list: write a single one, or leave the key out"
            " for OpenSSL's own list, which has all four"
        )
    return values


def _read_interval(value: object) -> object:
    """A Go duration: text with a unit, or a number of nanoseconds."""
    if isinstance(value, str):
        return read_duration(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return timedelta(microseconds=value / 1000)
    raise ValueError("write a time with its unit, such as 1s or 500ms")


def _as_text(value: object) -> object:
    """``X-XSS-Protection: 1`` is a number for YAML, and a text for a header."""
    number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if number else value


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
Pem = Annotated[str, Field(min_length=1)]
HeaderText = Annotated[str, BeforeValidator(_as_text), AfterValidator(_check_header)]
Cipher = Annotated[str, AfterValidator(_check_cipher)]
Curve = Annotated[str, AfterValidator(_check_curve)]


class TlsServer(Section):
    """The server's certificate, and what is asked of clients."""

    cert_file: Text | None = None
    key_file: Text | None = None
    client_ca_file: Text | None = None
    cert: Pem | None = Field(None, repr=False)
    key: Pem | None = Field(None, repr=False)
    client_ca: Pem | None = Field(None, repr=False)
    client_auth_type: ClientAuth = "NoClientCert"
    client_allowed_sans: list[str] | None = None
    min_version: TlsVersion = "TLS12"
    max_version: TlsVersion = "TLS13"
    cipher_suites: list[Cipher] = Field([])
    prefer_server_cipher_suites: Flag = True
    curve_preferences: Annotated[list[Curve], AfterValidator(_check_curves)] = Field([])

    @classmethod
    def problem(cls, values: dict[str, object]) -> str:
        """Versions and client certificates must fit together."""
        for name in ("cert", "key"):
            if not (values.get(name) or values.get(f"{name}_file")):
                return f"{name}_file is required; or write the PEM text itself as {name}"
        if (values.get("min_version"), values.get("max_version")) == ("TLS13", "TLS12"):
            return "max_version is below min_version"
        kind = values.get("client_auth_type") or "NoClientCert"
        authorities = next((k for k in ("client_ca_file", "client_ca") if values.get(k)), "")
        if kind == "NoClientCert" and authorities:
            return f"{authorities} needs client_auth_type: RequireAndVerifyClientCert"
        if kind != _REQUIRING and values.get("client_allowed_sans") is not None:
            return f"client_allowed_sans needs client_auth_type: {_REQUIRING}"
        return ""

    @property
    def verifies_clients(self) -> bool:
        """Whether a client's certificate is looked at."""
        return self.client_auth_type in _VERIFYING

    @property
    def requires_clients(self) -> bool:
        """Whether nobody is let in without a certificate."""
        return self.client_auth_type == _REQUIRING


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

    http2: Flag = True
    headers: Annotated[Headers, BeforeValidator(lambda value: value or {})] = Headers()


class RateLimitSection(Section):
    """How many requests are answered; without an interval all are."""

    interval: Annotated[timedelta, BeforeValidator(_read_interval)] = timedelta()
    burst: CountFromZero = 0


class WebConfig(Section):
    """The file."""

    # Empty is the same as absent, as in exporter-toolkit.
    tls_server_config: Annotated[TlsServer | None, BeforeValidator(lambda value: value or None)] = (
        None
    )
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[str, Annotated[str, AfterValidator(_check_hash)]] = Field({}, repr=False)
    rate_limit: RateLimitSection = RateLimitSection()

    @classmethod
    def problem(cls, values: dict[str, object]) -> str:
        """Go's HTTP/2 wants one of two ciphers: the same file starts no other exporter either."""
        tls, http = values.get("tls_server_config"), values.get("http_server_config")
        chosen = tls.get("cipher_suites") if isinstance(tls, dict) else None
        off = isinstance(http, dict) and as_flag(http.get("http2")) is False
        from_13 = isinstance(tls, dict) and tls.get("min_version") == "TLS13"
        if not isinstance(chosen, list) or not chosen or off or from_13:
            return ""
        if any(cipher in _FOR_HTTP2 for cipher in chosen):
            return ""
        return (
            f"cipher_suites lacks what HTTP/2 needs: add {_FOR_HTTP2[0]}, or write"
            " http_server_config: {http2: false}"
        )


FORMAT: Final = Format(
    sections={
        "the top level": (WebConfig,),
        "tls_server_config": (TlsServer,),
        "http_server_config": (HttpServer,),
        "http_server_config.headers": (Headers,),
        "rate_limit": (RateLimitSection,),
    },
)
