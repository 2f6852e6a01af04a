"""``healthcheck``: asks the exporter in the same container whether it lives."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

from exporter.cli.exits import FAULT, OK, complain

if TYPE_CHECKING:
    from argparse import Namespace


def run(options: Namespace) -> int:
    """Ask ``/-/healthy`` on the listen address."""
    host, _, port = options.listen_address.rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104
    url = f"http://{host}:{port}/-/healthy"
    # The environment may name a proxy for the way to Azure; to ourselves there is none.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5):
            return OK
    except (OSError, ValueError) as error:
        return complain(f"{url}: {error}", FAULT)
