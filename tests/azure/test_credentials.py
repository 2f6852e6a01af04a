"""Real azure-identity credentials of every type, against local endpoints."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
import trustme
from cryptography.hazmat.primitives import serialization

from exporter.azure.bearer import BearerAuth
from exporter.azure.clouds import CLOUDS, cloud_of
from exporter.azure.credentials import RenewedCredential, make_credential
from exporter.config import parse_config
from exporter.errors import ArmError
from exporter.simulator import Simulator, sized_fleet
from tests.sign_in import TENANT, SignIn

if TYPE_CHECKING:
    from collections.abc import Iterator


SCOPE = "https://arm.example/.default"


@pytest.fixture
def sign_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SignIn]:
    service = SignIn(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(service.ca_file))
    try:
        yield service
    finally:
        service.close()


def an_identity(credential: str, authority: str) -> RenewedCredential:
    """Through the configuration, as ``serve`` makes it."""
    config = parse_config(
        f"""
azure:
  cloud: custom
  resource_manager: https://arm.example
  authority: {authority}
  scope: {SCOPE}
  credential: {credential}
vaults: [{{subscription_id: s, resource_group: g, name: v}}]
""",
        {},
        source="test",
    )
    return make_credential(config.azure.credential, cloud_of(config.azure))


def authorization(credential: str, authority: str) -> str:
    """The header a request gets."""
    identity = an_identity(credential, authority)
    auth = BearerAuth(identity, SCOPE, timeout=timedelta(seconds=20))
    request = requests.Request("GET", "https://arm.example/").prepare()
    return auth(request).headers["Authorization"]


def test_a_service_principal_with_a_secret(sign_in: SignIn, tmp_path: Path) -> None:
    start = f"{{type: client_secret, tenant_id: {TENANT}, client_id: app"
    (tmp_path / "secret").write_text("from-file\n")

    assert authorization(f"{start}, client_secret: inline}}", sign_in.url) == "Bearer tls-token"
    file = f"{start}, client_secret_file: {tmp_path / 'secret'}}}"
    assert authorization(file, sign_in.url) == "Bearer tls-token"
    assert [asked["client_secret"] for asked in sign_in.asked] == ["inline", "from-file"]
    assert all(SCOPE in asked["scope"] for asked in sign_in.asked)


def test_a_service_principal_with_a_certificate(sign_in: SignIn) -> None:
    credential = (
        f"{{type: client_certificate, tenant_id: {TENANT}, client_id: app,"
        f" certificate_file: {sign_in.certificate_file}}}"
    )

    assert authorization(credential, sign_in.url) == "Bearer tls-token"
    assert sign_in.asked[0]["client_assertion"]


def test_a_secret_that_is_rotated_needs_no_reload(sign_in: SignIn, tmp_path: Path) -> None:
    """The file is replaced, as Kubernetes does; for a moment there may be none."""
    secret = tmp_path / "secret"
    secret.write_text("the-old-secret")
    identity = an_identity(
        f"{{type: client_secret, tenant_id: {TENANT}, client_id: app,"
        f" client_secret_file: {secret}}}",
        sign_in.url,
    )
    identity.get_token(SCOPE)
    identity.get_token(SCOPE)

    secret.unlink()
    with pytest.raises(ArmError, match=r"client_secret cannot be set up.*No such file"):
        identity.get_token(SCOPE)
    secret.write_text("the-new-secret")
    identity.get_token(SCOPE)

    assert [asked["client_secret"] for asked in sign_in.asked] == [
        "the-old-secret",
        "the-new-secret",
    ]


def test_a_certificate_that_is_renewed_needs_no_reload(sign_in: SignIn) -> None:
    identity = an_identity(
        f"{{type: client_certificate, tenant_id: {TENANT}, client_id: app,"
        f" certificate_file: {sign_in.certificate_file}}}",
        sign_in.url,
    )
    identity.get_token(SCOPE)
    renewed = trustme.CA().issue_cert("localhost", key_type=trustme.KeyType.RSA)
    renewed.private_key_and_cert_chain_pem.write_to_path(str(sign_in.certificate_file))
    identity.get_token(SCOPE)

    first, second = (thumbprint(asked["client_assertion"]) for asked in sign_in.asked)
    assert first != second


def thumbprint(assertion: str) -> str:
    """Which certificate has signed."""
    head = assertion.partition(".")[0]
    named = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    return str(named.get("x5t#S256") or named["x5t"])


def test_workload_identity(sign_in: SignIn, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("federated")
    credential = (
        f"{{type: workload_identity, tenant_id: {TENANT}, client_id: app,"
        f" token_file: {tmp_path / 'token'}}}"
    )

    assert authorization(credential, sign_in.url) == "Bearer tls-token"
    assert sign_in.asked[0]["client_assertion"] == "federated"


def test_a_secret_that_is_refused_is_told_without_the_secret(sign_in: SignIn) -> None:
    sign_in.refusal = "AADSTS7000222: The provided client secret keys are expired."
    credential = (
        f"{{type: client_secret, tenant_id: {TENANT}, client_id: app, client_secret: hunter2}}"
    )

    with pytest.raises(ArmError, match="AADSTS7000222") as caught:
        authorization(credential, sign_in.url)

    assert caught.value.kind == "unauthorized"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("kind", ["client_secret", "default"])
def test_a_sign_in_that_is_refused_names_its_ids(
    sign_in: SignIn, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a support case; the chain of ``default`` says so much that they would be cut off."""
    trace, correlation = (f"5f3c1f8e-0000-4000-8000-00000000000{n}" for n in "ab")
    sign_in.refusal = (
        f"AADSTS7000222: The keys are expired. Trace ID: {trace} Correlation ID: {correlation}"
        " Timestamp: 2026-03-10 12:00:00Z"
    )
    given = {"tenant_id": TENANT, "client_id": "app", "client_secret": "hunter2"}
    if kind == "default":
        for name, value in given.items():
            monkeypatch.setenv(f"AZURE_{name.upper()}", value)
    named = "".join(f", {name}: {value}" for name, value in given.items() if kind != "default")

    with pytest.raises(ArmError, match="AADSTS7000222") as caught:
        authorization(f"{{type: {kind}{named}}}", sign_in.url)

    assert caught.value.ids == {"trace_id": trace, "correlation_id": correlation}


@pytest.mark.parametrize("credential", ["{type: default}", "{type: managed_identity}"])
def test_a_managed_identity(credential: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with Simulator(fleet=sized_fleet(vaults=1, jobs=1)) as azure:
        for name, value in azure.identity_environ.items():
            monkeypatch.setenv(name, value)

        assert authorization(credential, "https://localhost").startswith("Bearer ")
        assert [request.api for request in azure.requests] == ["token"]


def test_the_azure_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = {"accessToken": "cli-token", "expires_on": int(time.time()) + 3600}
    az = tmp_path / "az"
    az.write_text(f"#!{sys.executable}\nprint('''{json.dumps(token)}''')\n")
    az.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    assert authorization("{type: azure_cli}", "https://localhost") == "Bearer cli-token"


@pytest.mark.parametrize(
    "kind", ["client_secret", "client_certificate", "workload_identity", "managed_identity"]
)
def test_after_a_refusal_the_next_request_carries_a_new_token(
    kind: str, sign_in: SignIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """azure-identity has a cache of its own, which hands the refused token out until it expires."""
    (tmp_path / "token").write_text("federated-token-of-the-pod")
    who = f"tenant_id: {TENANT}, client_id: app"
    credential = {
        "client_secret": f"{{type: client_secret, {who}, client_secret: a-secret-of-it}}",
        "client_certificate": f"{{type: client_certificate, {who},"
        f" certificate_file: {sign_in.certificate_file}}}",
        "workload_identity": f"{{type: workload_identity, {who},"
        f" token_file: {tmp_path / 'token'}}}",
        "managed_identity": "{type: managed_identity}",
    }[kind]
    with Simulator(fleet=sized_fleet(vaults=1, jobs=1)) as azure:
        for name, value in azure.identity_environ.items():
            monkeypatch.setenv(name, value)
        identity = an_identity(credential, sign_in.url)
        auth = BearerAuth(identity, SCOPE, timeout=timedelta(seconds=20))
        request = requests.Request("GET", "https://arm.example/").prepare()
        refused = auth(request).headers["Authorization"]
        sign_in.token = "the-next-token"
        assert auth(request).headers["Authorization"] == refused

        auth.refused(refused)
        renewed = auth(request).headers["Authorization"]
        assert renewed != refused

        for _ in range(20):
            auth.refused(auth(request).headers["Authorization"])
        asked = len(sign_in.asked) + sum(one.api == "token" for one in azure.requests)
        assert asked == 2


def test_a_refusal_of_an_older_token_costs_no_sign_in(sign_in: SignIn) -> None:
    """Several requests were under way with it."""
    credential = (
        f"{{type: client_secret, tenant_id: {TENANT}, client_id: app, client_secret: abcd}}"
    )
    auth = BearerAuth(an_identity(credential, sign_in.url), SCOPE, timeout=timedelta(seconds=20))
    auth.token()
    auth.refused("Bearer an-older-one")
    auth.token()

    assert len(sign_in.asked) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_a_file_with_a_mark_of_its_encoding(encoding: str, sign_in: SignIn, tmp_path: Path) -> None:
    """As Notepad and PowerShell write them."""
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "secret").write_bytes(f"{mark}grüner-Schlüssel\r\n".encode(encoding))
    (tmp_path / "cert.pem").write_bytes(an_encrypted_key(sign_in, "grüner-Schlüssel"))
    who = f"tenant_id: {TENANT}, client_id: app"

    by_secret = f"{{type: client_secret, {who}, client_secret_file: {tmp_path / 'secret'}}}"
    assert authorization(by_secret, sign_in.url) == "Bearer tls-token"
    assert sign_in.asked[0]["client_secret"] == "grüner-Schlüssel"
    by_certificate = (
        f"{{type: client_certificate, {who}, certificate_file: {tmp_path / 'cert.pem'},"
        f" certificate_password_file: {tmp_path / 'secret'}}}"
    )
    assert authorization(by_certificate, sign_in.url) == "Bearer tls-token"


def an_encrypted_key(sign_in: SignIn, password: str) -> bytes:
    """The certificate of ``sign_in`` with its key under a password."""
    pem = sign_in.certificate_file.read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    )
    return encrypted + pem[pem.index(b"-----BEGIN CERTIFICATE") :]


def test_a_bundle_of_certificates_that_is_missing_is_a_matter_of_the_network(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = (
        f"{{type: client_secret, tenant_id: {TENANT}, client_id: app, client_secret: abcd}}"
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")

    with pytest.raises(ArmError, match="that REQUESTS_CA_BUNDLE names cannot be read") as caught:
        authorization(credential, sign_in.url)

    assert caught.value.kind == "network"


def test_a_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("not a certificate")
    credential = (
        f"{{type: client_certificate, tenant_id: {TENANT}, client_id: app,"
        f" certificate_file: {tmp_path / 'cert.pem'}}}"
    )

    with pytest.raises(ArmError, match="client_certificate cannot be set up"):
        authorization(credential, "https://localhost")


@pytest.mark.parametrize(
    ("cloud", "resource_manager"),
    [
        ("public", "https://management.azure.com"),
        ("usgovernment", "https://management.usgovcloudapi.net"),
        ("china", "https://management.chinacloudapi.cn"),
    ],
)
def test_each_cloud_has_its_own_endpoints(cloud: str, resource_manager: str) -> None:
    """FACTS 11."""
    config = parse_config(
        f"azure: {{cloud: {cloud}}}\nvaults: [{{subscription_id: s, resource_group: g, name: v}}]",
        {},
        source="test",
    )

    assert cloud_of(config.azure).resource_manager == resource_manager
    assert len({cloud.authority for cloud in CLOUDS.values()}) == len(CLOUDS)
