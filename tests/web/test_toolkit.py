"""The web configuration of other exporters, served as theirs is, with real handshakes."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests
import trustme
import yaml

from exporter.errors import ConfigError
from exporter.web.policy import load_policy
from exporter.web.rate_limit import RateLimit
from tests.web.running import Certificates, Running, bcrypt_hash, running

if TYPE_CHECKING:
    from collections.abc import Iterator

GCM_128 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
GCM_256 = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"

CANNOT_BE_SERVED = {
    "tls_config_noAuth.requireanyclientcert.good.yml",
    "web_config_noAuth_allCurves.good.yml",
}
"""RequireAnyClientCert proves nothing, and Python cannot choose several curves."""

NOT_REFUSED = {
    # Its file is the one of a good test; the test is about a client without a certificate.
    "web_config_auth_clientCAs_missing.bad.yml",
    # The file is good; its client is not among the names.
    "web_config_auth_client_san.bad.yaml",
}


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificates(authority: trustme.CA, tmp_path: Path) -> Certificates:
    """With a key that both ciphers and every curve can be tried with."""
    certificates = Certificates(authority, tmp_path)
    leaf = authority.issue_cert("localhost", "127.0.0.1", key_type=trustme.KeyType.RSA)
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "server.crt"))
    leaf.private_key_pem.write_to_path(str(tmp_path / "server.key"))
    return certificates


def written(certificates: Certificates, **sections: Any) -> Path:
    """A web configuration as it stands in the file."""
    path = certificates.folder / "web.yaml"
    path.write_text(yaml.safe_dump(sections))
    return path


def with_tls(certificates: Certificates, http2: bool = True, **tls: Any) -> Path:
    files = {"cert_file": "server.crt", "key_file": "server.key"}
    return written(
        certificates,
        tls_server_config={**files, **tls},
        http_server_config={"http2": http2},
    )


@pytest.fixture
def toolkit(shared: Path, certificates: Certificates) -> Path:
    """The toolkit's own files, with the certificates that they name."""
    folder = certificates.folder
    for file in (shared.parent / "web-config").glob("*.y*ml"):
        (folder / file.name).write_bytes(file.read_bytes())
    for name in ("client_selfsigned.pem", "client2_selfsigned.pem", "tls-ca-chain.pem"):
        (folder / name).write_bytes((folder / "ca.pem").read_bytes())
    return folder


def test_every_file_of_the_toolkits_tests_is_taken_or_refused_as_there(toolkit: Path) -> None:
    taken, refused = set(), {}
    for file in sorted(toolkit.glob("*.y*ml")):
        try:
            load_policy(file)
            taken.add(file.name)
        except ConfigError as error:
            refused[file.name] = str(error)
    bad = {name for name in (*taken, *refused) if ".bad." in name or "junk" in name}
    good = {*taken, *refused} - bad

    assert len(good) >= 16
    assert good - taken == CANNOT_BE_SERVED
    assert bad & taken == NOT_REFUSED
    for name in CANNOT_BE_SERVED:
        assert (
            "RequireAnyClientCert is not supported" in refused[name]
            or "one curve" in (refused[name])
        )


class Agreed(NamedTuple):
    """What a handshake came to."""

    version: str | None
    cipher: str


def handshake(server: Running, ca: str, **settings: Any) -> Agreed:
    """Connect as a client with some settings.

    Raises:
        ssl.SSLError: The two have nothing in common.
    """
    context = ssl.create_default_context(cafile=ca)
    if ciphers := settings.get("ciphers"):
        context.set_ciphers(ciphers)
    if curve := settings.get("curve"):
        context.set_ecdh_curve(curve)
    context.maximum_version = settings.get("newest", ssl.TLSVersion.TLSv1_3)
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        cipher = secure.cipher()
        return Agreed(secure.version(), cipher[0] if cipher else "")


def test_only_the_ciphers_that_are_named_are_spoken(certificates: Certificates) -> None:
    config = with_tls(certificates, cipher_suites=[GCM_128], max_version="TLS12")
    with running(web_config=config) as server:
        assert handshake(server, certificates.ca) == ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")
        with pytest.raises(ssl.SSLError):
            handshake(
                server,
                certificates.ca,
                ciphers="ECDHE-RSA-AES256-GCM-SHA384",
                newest=ssl.TLSVersion.TLSv1_2,
            )


@pytest.mark.parametrize(("of_the_server", "chosen"), [(True, "128"), (False, "256")])
def test_whose_order_of_ciphers_counts(
    certificates: Certificates, of_the_server: bool, chosen: str
) -> None:
    config = with_tls(
        certificates,
        cipher_suites=[GCM_128, GCM_256],
        prefer_server_cipher_suites=of_the_server,
        max_version="TLS12",
    )
    order = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256"
    with running(web_config=config) as server:
        agreed = handshake(server, certificates.ca, ciphers=order, newest=ssl.TLSVersion.TLSv1_2)

    assert chosen in agreed.cipher


def test_with_ciphers_of_tls_13_alone_nothing_older_is_spoken(certificates: Certificates) -> None:
    """As in Go, they cannot be chosen among themselves."""
    config = with_tls(certificates, http2=False, cipher_suites=["TLS_AES_256_GCM_SHA384"])
    with running(web_config=config) as server:
        assert handshake(server, certificates.ca).version == "TLSv1.3"
        with pytest.raises(ssl.SSLError):
            handshake(server, certificates.ca, newest=ssl.TLSVersion.TLSv1_2)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_only_the_curve_that_is_named_is_spoken(
    certificates: Certificates, newest: ssl.TLSVersion
) -> None:
    config = with_tls(certificates, curve_preferences=["CurveP521"])
    with running(web_config=config) as server:
        assert handshake(server, certificates.ca, curve="secp521r1", newest=newest).version
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(server, certificates.ca, curve="prime256v1", newest=newest)


def test_without_a_file_of_authorities_those_of_the_system_count(
    certificates: Certificates, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca)
    config = with_tls(certificates, client_auth_type="RequireAndVerifyClientCert")
    known = certificates.issue("client")
    foreign = certificates.issue("foreign", trustme.CA())
    with running(web_config=config) as server:
        assert server.ask("/metrics", verify=certificates.ca, cert=known).ok
        for cert in (None, foreign):
            with pytest.raises(requests.exceptions.RequestException):
                server.ask("/metrics", verify=certificates.ca, cert=cert)

    config = with_tls(certificates, client_auth_type="VerifyClientCertIfGiven")
    with running(web_config=config) as server:
        assert server.ask("/metrics", verify=certificates.ca).ok
        with pytest.raises(requests.exceptions.RequestException):
            server.ask("/metrics", verify=certificates.ca, cert=foreign)


@pytest.mark.parametrize(
    ("allowed", "status"),
    [
        (["one", "localhost", "two"], 200),
        (["127.0.0.1"], 200),
        (["::1"], 200),
        (["spiffe://prometheus"], 403),
        (["LOCALHOST", "local", ""], 403),
        ([], 403),
    ],
)
def test_only_a_certificate_with_a_name_that_is_allowed_gets_in(
    certificates: Certificates, authority: trustme.CA, allowed: list[str], status: int
) -> None:
    leaf = authority.issue_cert("localhost", "127.0.0.1", "::1")
    pem = certificates.folder / "named.pem"
    leaf.private_key_and_cert_chain_pem.write_to_path(str(pem))
    config = with_tls(
        certificates,
        client_auth_type="RequireAndVerifyClientCert",
        client_ca_file="ca.pem",
        client_allowed_sans=allowed,
    )
    with running(web_config=config) as server:
        cert = (str(pem), str(pem))
        for path in ("/metrics", "/", "/-/healthy", "/nothing-here"):
            answer = server.ask(path, verify=certificates.ca, cert=cert)
            assert (answer.status_code == 403) is (status == 403)


def test_certificate_and_key_may_stand_in_the_file_itself(
    certificates: Certificates,
) -> None:
    folder = certificates.folder
    config = written(
        certificates,
        tls_server_config={
            "cert": (folder / "server.crt").read_text(),
            "key": (folder / "server.key").read_text(),
            "client_ca": (folder / "ca.pem").read_text(),
            "client_auth_type": "RequireAndVerifyClientCert",
        },
    )
    for file in ("server.crt", "server.key"):
        (folder / file).unlink()
    open_before = open_files()
    with running(web_config=config) as server:
        cert = certificates.issue("client")
        assert server.ask("/metrics", verify=certificates.ca, cert=cert).ok
        with pytest.raises(requests.exceptions.RequestException):
            server.ask("/metrics", verify=certificates.ca)
    for _ in range(3):
        load_policy(config)
    assert open_files() <= open_before + 3


def test_a_key_that_is_wrong_is_told_without_the_key(certificates: Certificates) -> None:
    folder = certificates.folder
    certificates.issue("other")
    key = (folder / "other.key").read_text()
    config = written(
        certificates,
        tls_server_config={"cert": (folder / "server.crt").read_text(), "key": key},
    )

    with pytest.raises(ConfigError, match=r"tls_server_config\.key: is not the key of") as caught:
        load_policy(config)

    assert key.splitlines()[1] not in str(caught.value)


def test_a_hash_that_is_too_dear_shuts_out_its_user_only(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """A check of it takes seconds to days, and cannot be broken off."""
    dear = f"$2y$31${bcrypt_hash('open sesame')[7:]}"
    users = {"bob": dear, "carol": bcrypt_hash("carols-password")}
    config = written(certificates, basic_auth_users=users)
    with running(web_config=config) as server:
        for auth in (("bob", "open sesame"), ("bob", "x"), ("nobody", "x"), None):
            assert server.ask("/metrics", auth=auth).status_code == 401
        assert server.ask("/metrics", auth=("carol", "carols-password")).ok

    assert "user 'bob' of the web configuration is not let in" in caplog.text
    assert "htpasswd -nBC 10" in caplog.text


def test_if_all_hashes_are_too_dear_nobody_is_let_in(certificates: Certificates) -> None:
    dear = f"$2y$31${bcrypt_hash('open sesame')[7:]}"
    config = written(certificates, basic_auth_users={"bob": dear})
    with running(web_config=config) as server:
        assert server.ask("/metrics").status_code == 401
        assert server.ask("/metrics", auth=("bob", "open sesame")).status_code == 401


@pytest.mark.parametrize(
    ("limit", "answers"),
    [
        ({"interval": 0, "burst": 0}, [200, 200, 200]),
        ({"interval": "1h", "burst": 2}, [200, 200, 429]),
        ({"interval": "1s", "burst": 0}, [429, 429, 429]),
        ({"interval": 3_600_000_000_000, "burst": 1}, [200, 429, 429]),
    ],
)
def test_more_requests_than_the_limit_are_refused(
    certificates: Certificates, limit: dict[str, Any], answers: list[int]
) -> None:
    with running(web_config=written(certificates, rate_limit=limit)) as server:
        assert [server.ask("/metrics").status_code for _ in answers] == answers


def test_a_request_more_is_answered_after_each_interval() -> None:
    limit = RateLimit(interval_seconds=2, burst=2)

    at_once = [limit.allows(100.0) for _ in range(3)]
    later = [limit.allows(at) for at in (101.0, 102.0, 102.5, 104.0, 200.0, 200.0, 200.0)]

    assert at_once == [True, True, False]
    assert later == [False, True, False, True, True, True, False]


def test_a_number_is_a_headers_text(certificates: Certificates) -> None:
    config = written(certificates, http_server_config={"headers": {"X-XSS-Protection": 1}})
    with running(web_config=config) as server:
        assert server.ask("/metrics").headers["X-XSS-Protection"] == "1"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """No client waits for ever."""
    socket.setdefaulttimeout(20)
    yield
    socket.setdefaulttimeout(None)
