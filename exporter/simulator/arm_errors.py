"""Errors of Resource Manager and of the service, with Azure's bodies (F§9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from exporter.simulator.answers import Answer, gateway_error, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable

ErrorKind = Literal[
    "unauthorized",
    "forbidden",
    "vault_not_found",
    "group_not_found",
    "job_not_found",
    "not_registered",
    "internal",
    "internal_old_shape",
    "bad_gateway",
    "unavailable",
    "gateway_timeout",
]

_UNREGISTERED: Final = (
    "The subscription is not registered to use namespace 'Microsoft.RecoveryServices'."
)
_SLOW_SERVICE: Final = (
    "The gateway did not receive a response from 'Microsoft.RecoveryServices' within the"
    " specified time period."
)


def azure_error(kind: ErrorKind, path: str) -> Answer:
    """The error of a kind, for a request of some path."""
    # /subscriptions/{3}/resourceGroups/{4}/providers/{6}/vaults/{8}
    segments = [*path.split("/"), *[""] * 9]
    errors: dict[ErrorKind, Callable[[], Answer]] = {
        "unauthorized": lambda: unauthorized(
            "InvalidAuthenticationToken", "The access token is invalid."
        ),
        "forbidden": lambda: gateway_error(
            403,
            "AuthorizationFailed",
            "The client does not have authorization to perform action"
            f" 'Microsoft.RecoveryServices/vaults/backupJobs/read' over scope '{path}'.",
        ),
        "vault_not_found": lambda: vault_not_found(segments[4], segments[8]),
        "group_not_found": lambda: group_not_found(segments[4]),
        "job_not_found": job_not_found,
        "not_registered": lambda: gateway_error(
            409,
            "MissingSubscriptionRegistration",
            _UNREGISTERED,
            details=[{"code": "MissingSubscriptionRegistration", "message": _UNREGISTERED}],
        ),
        "internal": lambda: service_error(
            500, "RestApiInternalError", "The call failed inside the service.\r\nTry again later."
        ),
        "internal_old_shape": lambda: json_answer(
            {
                "ErrorCode": "CloudInternalError",
                "Message": {
                    "Language": "en-US",
                    "Value": "The service failed.\r\nTry again later.",
                },
            },
            status=500,
        ),
        "bad_gateway": lambda: gateway_error(
            502, "InvalidGatewayHost", "The gateway host is invalid."
        ),
        "unavailable": lambda: gateway_error(503, "ServerTimeout", "The request timed out."),
        "gateway_timeout": lambda: service_error(504, "GatewayTimeout", _SLOW_SERVICE),
    }
    return errors[kind]()


def service_error(status: int, code: str, message: str) -> Answer:
    """An error of the backup service, which Resource Manager hands on."""
    error = {"code": code, "message": message, "target": None, "details": None, "innerError": None}
    return json_answer({"error": error}, status=status).with_headers(
        {"x-ms-failure-cause": "service"}
    )


def unauthorized(code: str, message: str) -> Answer:
    """A 401 with the challenge that goes with it."""
    challenge = f'Bearer error="invalid_token", error_description="{message}"'
    return gateway_error(401, code, message).with_headers({"WWW-Authenticate": challenge})


def vault_not_found(group: str, vault: str) -> Answer:
    """No such vault."""
    return gateway_error(
        404,
        "ResourceNotFound",
        f"The Resource 'Microsoft.RecoveryServices/vaults/{vault}' under resource group '{group}'"
        " was not found.",
    )


def subscription_not_found(subscription: str) -> Answer:
    """No such subscription."""
    message = f"The subscription '{subscription}' could not be found."
    return gateway_error(404, "SubscriptionNotFound", message)


def group_not_found(group: str) -> Answer:
    """No such resource group."""
    return gateway_error(
        404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found."
    )


def job_not_found() -> Answer:
    """No such job; this one comes from the service."""
    return service_error(404, "ResourceNotFound", "The job was not found.")
