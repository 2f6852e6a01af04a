"""Prints what Alertmanager's webhook sends, a line for each alert: ``messages.py PORT [HOST]``."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def lines(message: dict[str, Any]) -> list[str]:
    """What a person wants to read of a message.

    Source:
        Alertmanager's documentation, "webhook_config".
    """
    return [
        f"{alert['status']:8} {alert['labels'].get('severity', '')}"
        f" {alert['labels'].get('alertname', '')}:"
        f" {alert['annotations'].get('summary', '')}"
        f" ({alert['annotations'].get('runbook_url', '')})"
        for alert in message["alerts"]
    ]


class Messages(BaseHTTPRequestHandler):
    """Answers 200 to everything, so that Alertmanager does not send it again."""

    def do_GET(self) -> None:
        """Health."""
        self._answer(200)

    def do_POST(self) -> None:
        """Print a message; what is none is refused."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            text = "\n".join(lines(json.loads(body)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"not a message of Alertmanager: {error!r}", file=sys.stderr)
            self._answer(400)
            return
        print(text, flush=True)
        self._answer(200)

    def log_message(self, *_: object) -> None:
        """The messages are enough."""

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main() -> int:
    """Serve until ended."""
    host = sys.argv[2] if len(sys.argv) > 2 else "0.0.0.0"  # noqa: PLR2004, S104 - in a container
    with ThreadingHTTPServer((host, int(sys.argv[1])), Messages) as server:
        print(f"waiting for messages on port {server.server_port}", flush=True)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
