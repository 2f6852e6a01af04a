"""A sign-in service of our own, and tokens of the simulator's."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import requests
import trustme

from exporter.simulator import Simulator

TENANT = "00000000-0000-4000-8000-00000000000a"


class SignIn:
    """A Microsoft Entra ID of our own: answers token requests over TLS and keeps them."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        certificate = authority.issue_cert("localhost", key_type=trustme.KeyType.RSA)
        self.certificate_file = folder / "client.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(str(self.certificate_file))
        self.asked: list[dict[str, str]] = []
        self.refusal = ""
        self.token = "tls-token"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sign_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                base = f"{sign_in.url}/{TENANT}"
                self.answer(
                    200,
                    {
                        "issuer": f"{base}/v2.0",
                        "token_endpoint": f"{base}/oauth2/v2.0/token",
                        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    },
                )

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                sign_in.asked.append({k: v[0] for k, v in parse_qs(body).items()})
                if sign_in.refusal:
                    error = {"error": "invalid_client", "error_description": sign_in.refusal}
                    self.answer(401, error)
                else:
                    token = {
                        "token_type": "Bearer",
                        "expires_in": 3600,
                        "access_token": sign_in.token,
                    }
                    self.answer(200, token)

            def answer(self, status: int, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def a_token_of(azure: Simulator) -> str:
    """One that the simulator takes, wherever it is handed out."""
    environment = azure.identity_environ
    answer = requests.get(
        environment["IDENTITY_ENDPOINT"],
        params={"api-version": "2019-08-01", "resource": azure.url},
        headers={"X-IDENTITY-HEADER": environment["IDENTITY_HEADER"]},
        timeout=10,
    )
    return str(answer.json()["access_token"])
