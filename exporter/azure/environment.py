"""Proxies and certificates of the environment, as requests and azure-identity understand them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from exporter.masking import hide, masked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What names the certificates that are trusted; the first that is set counts."""

_PROXY_VARIABLES: Final = (
    *("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"),
    *("https_proxy", "http_proxy", "all_proxy"),
)
_SECRET_VARIABLES: Final = (
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_PASSWORD",
    "IDENTITY_HEADER",
    "MSI_SECRET",
)
_DEEPEST_CAUSE: Final = 10
_LONGEST_REASON: Final = 300
_IDENTITY_VARIABLES: Final = (
    "IDENTITY_ENDPOINT",
    "MSI_ENDPOINT",
    "IMDS_ENDPOINT",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
)
_NEVER_PROXIED: Final = ("localhost", "127.0.0.0/8", "::1", "169.254.169.254")
"""The machine itself, and Azure's metadata service: it answers with a token, in clear."""

# The password goes up to the last @: people write it as it is, with # / ? and @ in it.
_WITH_LOGIN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)?(?P<login>.*)@(?P<host>[^@]*)", re.I | re.S
)


def prepare(environ: MutableMapping[str, str]) -> None:
    """Make the variables say what who set them meant, and hide the secrets in them.

    - The password of a proxy is percent-encoded where it was not, for otherwise a part of it is
      taken for host or port, and printed as such.
    - What gives out tokens is never reached through a proxy.
    - ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` count for requests, too, which does not know them.
    """
    hide(*(environ.get(name) for name in _SECRET_VARIABLES))
    for name in _PROXY_VARIABLES:
        if value := environ.get(name):
            environ[name] = _proxy(value)
    told = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if told.strip() != "*":
        hosts = dict.fromkeys(
            [*filter(None, re.split(r"[\s,]+", told)), *_NEVER_PROXIED, *_identity_hosts(environ)]
        )
        environ["no_proxy"] = environ["NO_PROXY"] = ",".join(hosts)
    if bundle := ca_variable(environ):
        environ.setdefault("REQUESTS_CA_BUNDLE", environ[bundle])


def ca_variable(environ: Mapping[str, str]) -> str:
    """The variable that names the certificates that are trusted; empty if none does.

    One that ``prepare`` has copied is told by the name under which it was set.
    """
    named = [name for name in CA_VARIABLES if environ.get(name)]
    if not named:
        return ""
    return next((name for name in named[1:] if environ[name] == environ[named[0]]), named[0])


def network_reason(error: BaseException) -> str:
    """Why nothing came back: the innermost cause, since requests wraps what the socket says.

    A bundle of certificates that is missing or unreadable is told with the variable that names it;
    requests raises a bare ``OSError`` for it.
    """
    cause: object = error
    for _ in range(_DEEPEST_CAUSE):
        nested = getattr(cause, "__cause__", None) or getattr(cause, "__context__", None)
        nested = nested or getattr(cause, "reason", None)
        if not isinstance(nested, BaseException):
            break
        cause = nested
    reason = masked(f"{type(cause).__name__}: {cause}")[:_LONGEST_REASON]
    variable = ca_variable(os.environ)
    path = os.environ.get(variable, "")
    about_bundle = isinstance(cause, OSError) and (
        getattr(cause, "filename", None) == path or path in str(cause)
    )
    if variable and about_bundle:
        return f"the certificates that {variable} names cannot be read: {reason}"
    return reason


def _proxy(url: str) -> str:
    found = _WITH_LOGIN.fullmatch(url)
    if found is None:
        return url
    user, colon, password = found["login"].partition(":")
    hide(password, f"{unquote(user)}:{unquote(password)}")
    login = _encoded(user) + colon + _encoded(password)
    return f"{found['scheme'] or 'http://'}{login}@{found['host']}"


def _encoded(text: str) -> str:
    """Percent-encoded; what is encoded already stays."""
    return quote(text, safe="%") if re.search("%[0-9a-fA-F]{2}", text) else quote(text, safe="")


def _identity_hosts(environ: Mapping[str, str]) -> Iterator[str]:
    for name in _IDENTITY_VARIABLES:
        try:
            host = urlsplit(environ.get(name, "")).hostname
        except ValueError:
            continue
        if host:
            yield host
