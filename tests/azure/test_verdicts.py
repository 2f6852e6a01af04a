"""What a failed call says about access, in the words of Azure, azure-identity and the network."""

from __future__ import annotations

import base64
import json
import shlex

import pytest

from exporter.azure.verdicts import (
    Identity,
    Verdict,
    assignment,
    code_of,
    fix,
    identity_of,
    judge,
    way_of,
)
from exporter.errors import ArmError, ErrorKind

OBJECT = "11111111-2222-4333-8444-555555555555"
TENANT_A, TENANT_B = "a" * 8 + OBJECT[8:], "b" * 8 + OBJECT[8:]
FORBIDDEN = (
    "Azure answered 403 AuthorizationFailed: The client 'app' with object id"
    f" '{OBJECT}' does not have authorization to perform action"
    " 'Microsoft.RecoveryServices/vaults/backupJobs/read' over scope '/x'"
)
WRONG_ISSUER = (
    "Azure answered 401 InvalidAuthenticationTokenTenant: The access token is from the wrong issuer"
    f" 'https://sts.windows.net/{TENANT_A}/'. It must match the tenant"
    f" 'https://sts.windows.net/{TENANT_B}/' associated with this subscription."
)
NO_TOKEN = "no token for https://arm/.default: "


@pytest.mark.parametrize(
    ("kind", "text", "verdict"),
    [
        (ErrorKind.FORBIDDEN, FORBIDDEN, Verdict.MISSING_ROLE),
        (ErrorKind.FORBIDDEN, "Azure answered 403 AccessDenied: no", Verdict.MISSING_ROLE),
        (
            ErrorKind.FORBIDDEN,
            "Azure answered 403 DenyAssignmentAuthorizationFailed: denied",
            Verdict.REFUSED,
        ),
        (ErrorKind.FORBIDDEN, "Azure answered 403", Verdict.REFUSED),
        (ErrorKind.UNAUTHORIZED, WRONG_ISSUER, Verdict.WRONG_TENANT),
        (
            ErrorKind.UNAUTHORIZED,
            NO_TOKEN + "Authentication failed: AADSTS90002: Tenant 'x' not found.",
            Verdict.WRONG_TENANT,
        ),
        (
            ErrorKind.UNAUTHORIZED,
            NO_TOKEN + "AADSTS7000215: Invalid client secret provided.",
            Verdict.NO_TOKEN,
        ),
        (
            ErrorKind.UNAUTHORIZED,
            NO_TOKEN + "HTTPSConnectionPool: Failed to resolve 'login' ([Errno -2])",
            Verdict.NETWORK,
        ),
        (
            ErrorKind.UNAUTHORIZED,
            NO_TOKEN + "DefaultAzureCredential failed to retrieve a token: IMDS timed out",
            Verdict.NO_TOKEN,
        ),
        (
            ErrorKind.UNAUTHORIZED,
            "Azure answered 401 ExpiredAuthenticationToken: The access token has expired.",
            Verdict.NO_TOKEN,
        ),
        (
            ErrorKind.NOT_FOUND,
            "Azure answered 404 SubscriptionNotFound: The subscription 'x' could not be found.",
            Verdict.NOT_FOUND,
        ),
        (
            ErrorKind.PAYLOAD,
            "Azure answered 409 MissingSubscriptionRegistration: The subscription is not"
            " registered to use namespace 'Microsoft.DataProtection'",
            Verdict.NOT_FOUND,
        ),
        (ErrorKind.NETWORK, "gaierror: [Errno -2] Name or service not known", Verdict.NETWORK),
        (ErrorKind.TIMEOUT, "no answer within 30 s", Verdict.NETWORK),
        (ErrorKind.THROTTLED, "Azure answered 429", Verdict.THROTTLED),
        (ErrorKind.SERVER, "Azure answered 500", Verdict.AZURE),
        (ErrorKind.PAYLOAD, "Azure's 200 is not JSON", Verdict.AZURE),
    ],
)
def test_each_hurdle_is_told_from_the_others(kind: ErrorKind, text: str, verdict: Verdict) -> None:
    error = ArmError(kind, text)

    assert judge(error) is verdict
    assert fix(verdict, text, scope="/x", action="a", who=Identity())


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("gaierror: [Errno -2] Name or service not known", "DNS"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "refused"),
        ("TLS: SSLCertVerificationError: CERTIFICATE_VERIFY_FAILED", "TLS"),
        ("ProxyError: Tunnel connection failed: 407", "proxy"),
        ("no answer within 30 s", "timeout"),
        ("ConnectionResetError: reset by peer", ""),
    ],
)
def test_what_is_wrong_on_the_way(text: str, way: str) -> None:
    assert way_of(text) == way


def test_a_missing_role_comes_with_the_command_that_assigns_it() -> None:
    advice = fix(Verdict.MISSING_ROLE, FORBIDDEN, scope="/s/v", action="other", who=Identity())

    assert advice.splitlines() == [
        "Microsoft.RecoveryServices/vaults/backupJobs/read is missing; Backup Reader has it:",
        f'az role assignment create --role "Backup Reader" --assignee-object-id {OBJECT}'
        " --assignee-principal-type ServicePrincipal --scope /s/v",
    ]


def test_the_token_says_who_it_is_for_where_azure_does_not() -> None:
    advice = fix(
        Verdict.MISSING_ROLE,
        "Azure answered 403",
        scope="/s",
        action="a/read",
        who=Identity(OBJECT),
    )

    assert advice.startswith("a/read is missing")
    assert OBJECT in advice


@pytest.mark.parametrize("scope", ["/s/$(reboot)", "/s/a;b", "/s/it's"])
def test_a_scope_cannot_add_a_command(scope: str) -> None:
    assert shlex.split(assignment(scope, "", Identity()))[-1] == scope


def test_the_wrong_tenant_is_told_with_the_right_one() -> None:
    advice = fix(Verdict.WRONG_TENANT, WRONG_ISSUER, scope="/x", action="a", who=Identity())

    assert f"the token is of tenant {TENANT_A}, the subscription of {TENANT_B}" in advice


def a_token(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


@pytest.mark.parametrize(
    ("token", "identity"),
    [
        (a_token({"oid": OBJECT, "tid": TENANT_A}), Identity(OBJECT, TENANT_A)),
        (a_token({"oid": OBJECT, "idtyp": "user"}), Identity(OBJECT, kind="User")),
        (a_token({"oid": "; reboot", "tid": 7}), Identity()),
        (a_token([]), Identity()),
        ("opaque", Identity()),
        ("a.b.c", Identity()),
        ("a.é.c", Identity()),
    ],
)
def test_an_identity_is_read_from_its_token(token: str, identity: Identity) -> None:
    assert identity_of(token) == identity


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (FORBIDDEN, "403 AuthorizationFailed"),
        (NO_TOKEN + "AADSTS7000215: Invalid client secret", "AADSTS7000215"),
        ("Azure answered 500 Vault-a is broken: see Vault-a", "500"),
        ("Azure answered 500 Internal", "500 Internal"),
        ("gaierror", ""),
    ],
)
def test_codes_carry_no_names(text: str, code: str) -> None:
    assert code_of(text) == code
