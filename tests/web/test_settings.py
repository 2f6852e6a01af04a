"""The web configuration file: strict, and every problem told at once."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.errors import ConfigError
from exporter.web.policy import load_policy
from exporter.web.settings import bcrypt_cost
from tests.web.running import bcrypt_hash

if TYPE_CHECKING:
    from tests.web.running import Certificates

EXAMPLE = Path(__file__).parents[2] / "docs" / "web-config.example.yaml"
FILES = "cert_file: server.crt\n  key_file: server.key\n"


def problems(path: Path) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        load_policy(path)
    return {problem.path: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize("text", ["", "# nothing\n", "tls_server_config:\nbasic_auth_users: {}\n"])
def test_an_empty_file_is_plain_http_for_everybody(tmp_path: Path, text: str) -> None:
    """As in exporter-toolkit."""
    path = tmp_path / "web.yaml"
    path.write_text(text)

    policy = load_policy(path)

    assert (policy.tls, policy.users, policy.headers) == (None, {}, {})


def test_the_example_is_valid(certificates: Certificates) -> None:
    path = certificates.folder / "web.yaml"
    path.write_text(EXAMPLE.read_text())
    (certificates.folder / "clients-ca.pem").write_bytes(Path(certificates.ca).read_bytes())

    policy = load_policy(path)

    assert policy.tls is not None
    assert "prometheus" in policy.users
    assert policy.headers["Strict-Transport-Security"]


def test_every_problem_is_told_at_once_with_path_and_hint(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(
        """
tls_server_config:
  cert_file: server.crt
  min_version: TLS11
  client_auth_type: RequireAnyClientCert
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA2048, 5]
  curve_preferences: [CurveP257]
  clientca_file: ca.pem
http_server_config:
  http2: maybe
  headers:
    X-Frame-Options: maybe
    X-Powered-By: us
    Content-Security-Policy: "a\\nb"
basic_auth_users:
  alice: secret
  bob: 5
  bob: 6
  min_version: ''
rate_limit: {burst: -5, interval: 1.5}
min_version: TLS12
"""
    )

    found = problems(path)

    assert "key_file is required" in found.pop("tls_server_config")
    assert "'TLS12' or 'TLS13'" in found.pop("tls_server_config.min_version")
    assert "RequireAndVerifyClientCert" in found.pop("tls_server_config.client_auth_type")
    cipher = found.pop("tls_server_config.cipher_suites[0]")
    assert "did you mean TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256?" in cipher
    assert "write text" in found.pop("tls_server_config.cipher_suites[1]")
    assert "CurveP256, CurveP384" in found.pop("tls_server_config.curve_preferences[0]")
    assert "did you mean client_ca_file?" in found.pop("tls_server_config.clientca_file")
    assert "write true or false" in found.pop("http_server_config.http2")
    assert "'deny' or 'sameorigin'" in found.pop("http_server_config.headers.X-Frame-Options")
    assert "unknown key" in found.pop("http_server_config.headers.X-Powered-By")
    assert "one line" in found.pop("http_server_config.headers.Content-Security-Policy")
    assert "htpasswd -nBC 10" in found.pop("basic_auth_users.alice")
    assert "stands twice" in found.pop("basic_auth_users.bob")
    assert "htpasswd" in found.pop("basic_auth_users.min_version")
    assert "greater than or equal to 0" in found.pop("rate_limit.burst")
    assert "such as 30s" in found.pop("rate_limit.interval")
    assert "belongs to tls_server_config" in found.pop("min_version")
    assert "lacks what HTTP/2 needs" in found.pop("")
    assert found == {}


def test_a_password_in_clear_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text("basic_auth_users: {alice: hunter2}")

    with pytest.raises(ConfigError) as caught:
        load_policy(path)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "path", "message"),
    [
        ("client_auth_type: NobodyKnows", "tls_server_config.client_auth_type", "NoClientCert"),
        ("client_allowed_sans: [x]", "tls_server_config", "client_auth_type"),
        ("curve_preferences: [X25519, CurveP256]", "tls_server_config.curve_preferences", "single"),
        ("cipher_suites: [TLS_AES_128_GCM_SHA256]", "", "http2: false"),
        ("client_ca_file: server.crt", "tls_server_config", "client_auth_type"),
        (
            'client_auth_type: ""\n  client_ca_file: server.crt',
            "tls_server_config",
            "client_auth_type",
        ),
        ('client_auth_type: "x\\0"', "tls_server_config.client_auth_type", "U+0000"),
        ('client_ca_file: "a\\0b"', "tls_server_config.client_ca_file", "U+0000"),
        ('client_ca_file: "a\\ud800b"', "tls_server_config.client_ca_file", "U+D800"),
        ("min_version: TLS13\n  max_version: TLS12", "tls_server_config", "below min_version"),
    ],
)
def test_what_does_not_fit_together_is_told(
    certificates: Certificates, more: str, path: str, message: str
) -> None:
    config = certificates.folder / "web.yaml"
    config.write_text(f"tls_server_config:\n  {FILES}  {more}\n")

    assert message in problems(config)[path]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("server.crt", None, "cannot be read: No such file"),
        ("server.crt", "junk", "unencrypted PEM"),
        ("server.key", None, "cannot be read: No such file"),
        ("server.key", "junk", "unencrypted PEM"),
        ("server.key", "other.key", "is not the key of the certificate"),
        ("client_ca.crt", None, "cannot be read: No such file"),
        ("client_ca.crt", "", "unencrypted PEM"),
    ],
)
def test_files_that_cannot_be_used_are_told(
    certificates: Certificates, file: str, content: str | None, message: str
) -> None:
    certificates.issue("other")
    tls = {
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": "client_ca.crt",
    }
    path = certificates.config(tls=tls)
    (certificates.folder / "client_ca.crt").write_bytes(Path(certificates.ca).read_bytes())
    broken = certificates.folder / file
    if content is None:
        broken.unlink()
    elif (certificates.folder / content).is_file():
        broken.write_bytes((certificates.folder / content).read_bytes())
    else:
        broken.write_text(content)
    keys = {"server.crt": "cert_file", "server.key": "key_file", "client_ca.crt": "client_ca_file"}

    found = problems(path)

    assert list(found) == [f"tls_server_config.{keys[file]}"]
    assert message in found[f"tls_server_config.{keys[file]}"]


def test_an_empty_client_auth_type_is_none(certificates: Certificates) -> None:
    """As in exporter-toolkit."""
    policy = load_policy(certificates.config(tls={"client_auth_type": ""}))

    assert policy.tls is not None
    assert policy.tls.verify_mode is ssl.CERT_NONE


def test_a_dollar_is_a_dollar(tmp_path: Path) -> None:
    """Other programs read the same file, and they expand nothing."""
    path = tmp_path / "web.yaml"
    path.write_text("http_server_config: {headers: {X-XSS-Protection: '${HOME}'}}")

    assert load_policy(path).headers == {"X-XSS-Protection": "${HOME}"}


def test_a_hash_tells_its_cost() -> None:
    assert bcrypt_cost(bcrypt_hash("x", 5)) == 5
    assert bcrypt_cost("$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG") == 10
    assert bcrypt_cost("$6$rounds") == 0
