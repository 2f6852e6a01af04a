"""Sign-in: the identity endpoint of App Service, and the tokens it hands out."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

from exporter.simulator.answers import Answer, json_answer
from exporter.simulator.arm_errors import unauthorized

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

PATH: Final = "/msi/token"
API_VERSION: Final = "2019-08-01"


class Identity:
    """Issues tokens and knows them again.

    Tokens live in the machine's time, not the simulator's: credential libraries compare
    ``expires_on`` with that.
    """

    def __init__(self, lifetime: timedelta) -> None:
        self.header = secrets.token_urlsafe()
        self._lifetime = lifetime
        self._expiries: dict[str, float] = {}

    def issue(self, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Answer a request for a token."""
        if not secrets.compare_digest(headers.get("X-IDENTITY-HEADER", ""), self.header):
            return json_answer({"statusCode": 401, "message": "wrong identity header"}, status=401)
        if query.get("api-version") != API_VERSION or not query.get("resource"):
            message = f"api-version={API_VERSION} and a resource are needed"
            return json_answer({"statusCode": 400, "message": message}, status=400)
        now = time.time()
        self._expiries = {token: end for token, end in self._expiries.items() if end > now}
        token = secrets.token_urlsafe()
        self._expiries[token] = now + self._lifetime.total_seconds()
        return json_answer(
            {
                "access_token": token,
                "expires_on": str(int(self._expiries[token])),
                "resource": query["resource"],
                "token_type": "Bearer",
            }
        )

    def refusal(self, headers: Mapping[str, str]) -> Answer | None:
        """A 401 unless the request carries a token of ours that has not expired."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return unauthorized("AuthenticationFailed", "The 'Authorization' header is missing.")
        expiry = self._expiries.get(token)
        if expiry is None:
            return unauthorized("InvalidAuthenticationToken", "The access token is invalid.")
        if time.time() >= expiry:
            return unauthorized("ExpiredAuthenticationToken", "The access token has expired.")
        return None
