"""What a call that failed says about access: which hurdle it met, and how to take it. Pure."""

from __future__ import annotations

import base64
import json
import re
import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from exporter.errors import ErrorKind

if TYPE_CHECKING:
    from exporter.errors import ArmError


class Verdict(StrEnum):
    """How a call ended."""

    WORKS = "works"
    NO_TOKEN = "no token"  # noqa: S105 - a verdict
    WRONG_TENANT = "wrong tenant"
    MISSING_ROLE = "missing role"
    REFUSED = "refused"
    NOT_FOUND = "not found"
    NETWORK = "network"
    THROTTLED = "throttled"
    NOTHING_FOUND = "nothing found"
    AZURE = "Azure's fault"
    NOT_ASKED = "not asked"


READER: Final = "Backup Reader"

_NO_TOKEN: Final = "no token for "  # noqa: S105 - the start of a message
NO_IDENTITY: Final = "DefaultAzureCredential failed"
"""How azure-identity begins when nobody is signed in."""

_WRONG_TENANT: Final = re.compile(
    "InvalidAuthenticationTokenTenant|AADSTS(?:50020|90002|90072|500011|700016)", re.IGNORECASE
)
_TENANTS: Final = re.compile(r"sts\.windows\.net/([0-9a-f-]{36})", re.IGNORECASE)
_SIGN_IN_CODE: Final = re.compile(r"AADSTS[0-9]{3,7}")
# Of Resource Manager, and of Resource Graph. Any other 403, or one without a code, is no matter of
# roles.
_ROLE_CODES: Final = re.compile("403 (?:(?:Linked)?AuthorizationFailed|AccessDenied)")
_UNREGISTERED: Final = re.compile(
    r"\b409 MissingSubscriptionRegistration\b(?:.*namespace '([A-Za-z.]+)')?", re.DOTALL
)
_ACTION: Final = re.compile(r"perform action '([A-Za-z./*]+)'")
_OBJECT_ID: Final = re.compile(r"object id '([0-9a-fA-F-]{36})'")
_KINDS: Final = {
    ErrorKind.UNAUTHORIZED: Verdict.NO_TOKEN,
    ErrorKind.FORBIDDEN: Verdict.MISSING_ROLE,
    ErrorKind.NOT_FOUND: Verdict.NOT_FOUND,
    ErrorKind.THROTTLED: Verdict.THROTTLED,
    ErrorKind.TIMEOUT: Verdict.NETWORK,
    ErrorKind.NETWORK: Verdict.NETWORK,
}
_TLS: Final = "TLS"
_WAYS: Final = {
    "DNS": re.compile(r"gaierror|NameResolution|[Ff]ailed to resolve|Name or service not known"),
    "refused": re.compile(r"[Cc]onnection refused|ConnectionRefused"),
    _TLS: re.compile(r"^TLS: |CERTIFICATE_VERIFY_FAILED|SSLError|SSLCert"),
    "proxy": re.compile(r"ProxyError|Tunnel connection failed"),
    "timeout": re.compile(r"no answer within|timed out|did not end in time"),
}
_WAY_FIXES: Final = {
    "DNS": "the name of the host is not known here: check DNS and the endpoints of azure.cloud",
    "refused": "nobody listens there: check firewall, proxy (HTTPS_PROXY) and the endpoints",
    _TLS: "the certificate is not trusted: for a proxy that opens TLS, put its CA into the file"
    " that REQUESTS_CA_BUNDLE names",
    "proxy": "the proxy refuses: check HTTPS_PROXY and NO_PROXY",
    "timeout": "no answer comes: check firewall and routes to the host on port 443",
    "": "check DNS, proxy, firewall and certificates on the way",
}

_OTHER_FIXES: Final = {
    Verdict.REFUSED: "not for a missing role, by its code: look for a deny assignment on the scope,"
    " for Conditional Access, and for a proxy or firewall that answers in Azure's place",
    Verdict.THROTTLED: "the read limit is spent, as a rule by another reader; try again later",
    Verdict.AZURE: "try again; if it lasts, it is Azure's fault or ours: please report it",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token is for. Empty where it does not say.

    Attributes:
        object_id: In the tenant.
        tenant_id: Of the sign-in.
        kind: As ``az`` calls it: ``ServicePrincipal`` or ``User``.
    """

    object_id: str = ""
    tenant_id: str = ""
    kind: str = "ServicePrincipal"


def identity_of(token: str) -> Identity:
    """Who a token is for, by its claims, unverified: they are only shown."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return Identity()
    if not isinstance(claims, dict):
        return Identity()
    guids = [str(claims.get(name, "")) for name in ("oid", "tid")]
    object_id, tenant_id = (
        guid if re.fullmatch("[0-9a-fA-F-]{36}", guid) else "" for guid in guids
    )
    kind = "User" if claims.get("idtyp") == "user" or "upn" in claims else "ServicePrincipal"
    return Identity(object_id, tenant_id, kind)


def judge(error: ArmError) -> Verdict:
    """Which hurdle a call met."""
    text = str(error)
    if _WRONG_TENANT.search(text):
        return Verdict.WRONG_TENANT
    signing_in = error.kind is ErrorKind.UNAUTHORIZED and text.startswith(_NO_TOKEN)
    # A chain of credentials tries hosts that need not be there.
    if signing_in and way_of(text) and NO_IDENTITY not in text:
        return Verdict.NETWORK
    if error.kind is ErrorKind.FORBIDDEN and not _ROLE_CODES.fullmatch(code_of(text)):
        return Verdict.REFUSED
    if _UNREGISTERED.search(text):
        return Verdict.NOT_FOUND
    return _KINDS.get(error.kind, Verdict.AZURE)


def way_of(text: str) -> str:
    """What is wrong on the way: ``DNS``, ``refused``, ``TLS``, ``proxy`` or ``timeout``."""
    return next((way for way, pattern in _WAYS.items() if pattern.search(text)), "")


def code_of(text: str) -> str:
    """Azure's own code for what is wrong, e.g. ``AADSTS7000215``; never a word of a message."""
    if found := _SIGN_IN_CODE.search(text):
        return found[0]
    named = re.match(r"Azure answered ([0-9]{3})(?: ([A-Z][A-Za-z]{2,60})(?=:|$))?", text)
    return " ".join(filter(None, named.groups())) if named else ""


def fix(verdict: Verdict, text: str, *, scope: str, action: str, who: Identity) -> str:
    """What to do.

    Args:
        verdict: Of the call.
        text: Of its error.
        scope: ARM path that it was about.
        action: The right it needs.
        who: Whose token it carried.
    """
    match verdict:
        case Verdict.MISSING_ROLE:
            # With a linked scope the first action is the one that is granted.
            needs = named[-1] if (named := _ACTION.findall(text)) else action
            advice = f"{needs} is missing; {READER} has it:\n{assignment(scope, text, who)}"
        case Verdict.NOTHING_FOUND:
            advice = (
                "there is no vault, or this identity may see none; then assign a role:\n"
                + assignment(scope, text, who)
            )
        case Verdict.WRONG_TENANT:
            advice = _tenant_fix(text)
        case Verdict.NO_TOKEN:
            advice = "check azure.credential: " + _sign_in_fix(text)
        case Verdict.NETWORK:
            advice = _WAY_FIXES[way_of(text)]
        case Verdict.NOT_FOUND:
            advice = _missing_fix(text, scope)
        case _:
            advice = _OTHER_FIXES.get(verdict, "")
    return advice


def assignment(scope: str, text: str, who: Identity) -> str:
    """The command that assigns the role."""
    named = _OBJECT_ID.search(text)
    object_id = named[1] if named else who.object_id or "OBJECT_ID_OF_THE_IDENTITY"
    return (
        f'az role assignment create --role "{READER}" --assignee-object-id {object_id}'
        f" --assignee-principal-type {who.kind} --scope {shlex.quote(scope)}"
    )


def _tenant_fix(text: str) -> str:
    tenants = _TENANTS.findall(text)
    if len(tenants) > 1:
        return (
            f"the token is of tenant {tenants[0]}, the subscription of {tenants[1]}:"
            " set azure.credential.tenant_id, with an identity of that tenant"
        )
    return "the identity is unknown in that tenant: check azure.credential.tenant_id and client_id"


def _sign_in_fix(text: str) -> str:
    if re.search("AADSTS7000(215|222)", text):
        return "the client secret is wrong or has expired"
    if "AADSTS70002" in text or "AADSTS700027" in text:
        return "the certificate or secret does not fit the application"
    return "nobody could sign in with it here, or Azure refuses its token"


def registration(text: str, scope: str) -> str:
    """The command that registers the namespace that an error says is missing; else empty.

    A subscription has none of a service's resources before that (FACTS 9).
    """
    found = _UNREGISTERED.search(text)
    if found is None:
        return ""
    parts = scope.split("/")
    subscription = parts[2] if parts[1:2] == ["subscriptions"] else "SUBSCRIPTION_ID"
    namespace = found[1] or "Microsoft.RecoveryServices"
    return f"az provider register --namespace {namespace} --subscription {subscription}"


def _missing_fix(text: str, scope: str) -> str:
    if command := registration(text, scope):
        return f"check the subscription id; if it is right, it has yet to be registered:\n{command}"
    if "SubscriptionNotFound" in text:
        return (
            "check the subscription id; Azure says the same of one in which the identity has no"
            " role at all"
        )
    if "ResourceGroupNotFound" in text:
        return "check the resource group in the configuration; it may have been deleted"
    return "check name and resource group in the configuration; it may have been deleted"
