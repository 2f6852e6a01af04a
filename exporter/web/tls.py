"""From ``tls_server_config`` to OpenSSL: what Go's names mean there, and what cannot be served."""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter.errors import Problem

if TYPE_CHECKING:
    from exporter.web.settings import TlsServer

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}

CIPHERS: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
}
"""Go's names of cipher suites and OpenSSL's. Those of TLS 1.3 cannot be chosen, in Go neither."""

CURVES: Final = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
"""Go's names of curves and OpenSSL's."""


def make_context(tls: TlsServer, files: Mapping[str, Path]) -> tuple[ssl.SSLContext, list[Problem]]:
    """What connections are accepted with, and what is wrong with certificates and keys.

    Args:
        tls: The section.
        files: Those it names, by key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    # A client could have us compute without end.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _choose_ciphers(context, tls)
    for curve in tls.curve_preferences:
        context.set_ecdh_curve(CURVES[curve])
    problems = list(_load_certificate(context, tls, files))
    if tls.verifies_clients:
        problems += _load_authorities(context, tls, files)
    return context, problems


def _choose_ciphers(context: ssl.SSLContext, tls: TlsServer) -> None:
    if not tls.cipher_suites:
        return
    if chosen := [name for suite in tls.cipher_suites if (name := CIPHERS[suite])]:
        context.set_ciphers(":".join(chosen))
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_3


def _load_certificate(
    context: ssl.SSLContext, tls: TlsServer, files: Mapping[str, Path]
) -> Iterator[Problem]:
    with (
        _file_of(files.get("cert_file"), tls.cert) as certificate,
        _file_of(files.get("key_file"), tls.key) as key,
    ):
        # ``load_cert_chain`` does not say which of its two files it cannot read.
        certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        about_certificate = "cert_file" if "cert_file" in files else "cert"
        problems = list(
            _mistake(about_certificate, lambda: certificates.load_verify_locations(certificate))
        )
        if not problems:
            # Without a password given, OpenSSL would ask for one at the terminal.
            problems += _mistake(
                "key_file" if "key_file" in files else "key",
                lambda: context.load_cert_chain(certificate, key, password=""),
            )
    yield from problems


def _load_authorities(
    context: ssl.SSLContext, tls: TlsServer, files: Mapping[str, Path]
) -> Iterator[Problem]:
    context.verify_mode = ssl.CERT_REQUIRED if tls.requires_clients else ssl.CERT_OPTIONAL
    if authorities := files.get("client_ca_file"):
        yield from _mistake("client_ca_file", lambda: context.load_verify_locations(authorities))
    elif text := tls.client_ca:
        yield from _mistake("client_ca", lambda: context.load_verify_locations(cadata=text))
    else:
        # As Go does: the authorities that the system trusts.
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)


@contextmanager
def _file_of(path: Path | None, text: str | None) -> Iterator[Path]:
    """A file with a certificate or key, since OpenSSL reads nothing else.

    What stands in the configuration itself is put into memory where the system can do that, so that
    no key comes onto a disk.
    """
    if path is not None:
        yield path
    elif sys.platform == "linux":
        number = os.memfd_create("pem")
        try:
            os.write(number, (text or "").encode())
            yield Path(f"/proc/self/fd/{number}")
        finally:
            os.close(number)
    else:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(text or "")
            file.flush()
            yield Path(file.name)


def _mistake(name: str, load: Callable[[], None]) -> Iterator[Problem]:
    try:
        load()
    except ssl.SSLError as error:
        yield Problem(f"tls_server_config.{name}", _MISTAKES.get(error.reason, _NO_PEM))
    except OSError as error:
        yield Problem(f"tls_server_config.{name}", str(error.strerror))


_NO_PEM: Final = "OpenSSL cannot read it: write an unencrypted PEM file"
_MISTAKES: Final = dict.fromkeys(
    ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"),
    "is not the key of the certificate",
)
