"""Whether a host answers at all, asked without a token."""

from __future__ import annotations

import time
from typing import NamedTuple

import requests

from exporter.azure.verdicts import way_of


class Reach(NamedTuple):
    """How an attempt ended.

    Attributes:
        status: Of HTTP; None when nothing answered.
        way: What was wrong on the way, as ``way_of`` names it.
        seconds: How long it took.
    """

    status: int | None
    way: str
    seconds: float


def reach(url: str, *, timeout_seconds: float, trust_env: bool) -> Reach:
    """Ask for a URL; any answer of HTTP will do.

    Args:
        url: Of the host.
        timeout_seconds: For connecting, and for the answer.
        trust_env: Whether proxy and certificates come from the environment.
    """
    started = time.monotonic()
    with requests.Session() as session:
        session.trust_env = trust_env
        try:
            with session.get(
                url, timeout=timeout_seconds, allow_redirects=False, stream=True
            ) as answer:
                return Reach(answer.status_code, "", time.monotonic() - started)
        except requests.exceptions.Timeout:
            way = "timeout"
        except requests.exceptions.SSLError:
            way = "TLS"
        except requests.exceptions.RequestException as error:
            way = way_of(str(error)) or "broken off"
    return Reach(None, way, time.monotonic() - started)
