"""Proxies and certificates that the environment names."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from exporter.azure.environment import prepare

PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@given(PASSWORDS)
def test_whatever_the_password_the_proxy_is_the_one_that_was_meant(password: str) -> None:
    """``#``, ``/`` and ``?`` would end the host's part of a URL, and ``@`` begin it."""
    environ = {"HTTPS_PROXY": f"http://svc-mon:{password}@127.0.0.1:39999"}
    prepare(environ)

    found = urlsplit(environ["HTTPS_PROXY"])
    assert (found.hostname, found.port, found.username) == ("127.0.0.1", 39999, "svc-mon")
    assert unquote(found.password or "") in (password, unquote(password))


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy.example:3128",
        "proxy.example:3128",
        "http://svc:a%40b@proxy.example:3128",
        "http://svc@proxy.example:3128",
        "socks5://proxy.example",
    ],
)
def test_a_proxy_that_is_well_written_stays_as_it_is(url: str) -> None:
    environ = {"https_proxy": url}
    prepare(environ)

    assert environ["https_proxy"] == url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:41741/msi/token",
        "http://127.8.7.6:80/",
        "http://localhost:50342/oauth2/token",
        "http://[::1]:40342/metadata",
        "http://169.254.169.254/metadata/identity/oauth2/token",
        "http://identity.internal:2377/metadata",
        "http://10.0.0.7:4141/metadata",
    ],
)
def test_what_gives_out_tokens_is_never_reached_through_a_proxy(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forwarding proxy would see the token in clear."""
    environ = {
        "HTTP_PROXY": "http://proxy.example:3128",
        "ALL_PROXY": "http://proxy.example:3128",
        "NO_PROXY": "internal.example, .corp",
        "IDENTITY_ENDPOINT": "http://identity.internal:2377/metadata/identity/oauth2/token",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://10.0.0.7:4141",
        "MSI_ENDPOINT": "not a URL [",
    }
    prepare(environ)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert requests.utils.get_environ_proxies(url, no_proxy=None) == {}
    assert requests.utils.get_environ_proxies("http://management.example/", no_proxy=None)
    assert not requests.utils.get_environ_proxies("http://x.internal.example/", no_proxy=None)


def test_a_proxy_for_nothing_stays_one() -> None:
    environ = {"NO_PROXY": "*"}
    prepare(environ)

    assert environ["NO_PROXY"] == "*"


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"])
def test_certificates_count_for_requests_whatever_variable_names_them(
    name: str, tmp_path: Path
) -> None:
    environ = {name: str(tmp_path)}
    prepare(environ)
    assert environ["REQUESTS_CA_BUNDLE"] == str(tmp_path)

    environ = {name: str(tmp_path), "REQUESTS_CA_BUNDLE": "/etc/own.pem"}
    prepare(environ)
    assert environ["REQUESTS_CA_BUNDLE"] == "/etc/own.pem"


def test_it_can_be_prepared_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reload does."""
    environ = {"HTTPS_PROXY": "http://svc:a#b%x@127.0.0.1:1", "SSL_CERT_FILE": os.devnull}
    prepare(environ)
    once = dict(environ)
    prepare(environ)

    assert environ == once
