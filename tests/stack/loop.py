"""The whole way of an alert: simulator, exporter, Prometheus, Alertmanager, a receiver.

Rules, routes, inhibitions and templates are the shipped ones; only their times are shortened.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

import requests
import yaml

from deploy.prometheus.generate import SETTINGS, rules
from tests.processes import ROOT, Daemon, daemon, wait_for
from tests.stack.programs import Prometheus, get, installed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

JOB: Final = "azure-backup-exporter"
GRAFANA: Final = "http://grafana.example"
RUNBOOKS: Final = "https://docs.example/runbooks.md"
BRIDGE_SECONDS: Final = 8
LOG_LATE_SECONDS: Final = 12
GONE_SECONDS: Final = 18
GROUP_WAIT: Final = 2
"""Seconds. The critical alert that mutes a warning arrives a moment after it."""

_ALERTMANAGER: Final = ROOT / "deploy/alertmanager/alertmanager.yml"
_TEMPLATES: Final = ROOT / "deploy/alertmanager/azure-backup.tmpl"
# The daemon's last argument asks for any free port. A restarted exporter must be found again.
_ON_OUR_PORT: Final = "import sys; from exporter.cli import main; sys.exit(main(sys.argv[1:-1]))"


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def commented(kind: str) -> str:
    """A receiver that the Alertmanager example shows as a comment, uncommented."""
    block = re.search(rf"^    #{kind}:\n(    #  .*\n)+", _ALERTMANAGER.read_text("utf-8"), re.M)
    assert block, kind
    return block[0].replace("    #", "    ")


def quick_rules() -> str:
    """The generated rules, with times of seconds."""
    settings = yaml.safe_load(SETTINGS.read_text("utf-8"))
    file = yaml.safe_load(
        rules(
            {
                **settings,
                "job": JOB,
                "runbooks": RUNBOOKS,
                "grafana": GRAFANA,
                "bridge": f"{BRIDGE_SECONDS}s",
                "vault_down": "1s",
            }
        )
    )
    for group in file["groups"]:
        for rule in group["rules"]:
            rule["expr"] = rule["expr"].replace("offset 1d", f"offset {GONE_SECONDS}s")
            if "for" in rule:
                rule["for"] = "1s"
    return yaml.safe_dump(file)


@dataclass(frozen=True)
class Delivery:
    """One alert of one message."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


@dataclass
class Receiver:
    """What came in: alerts by webhook, and messages for people by chat."""

    url: str
    deliveries: list[Delivery] = field(default_factory=list)
    chat: list[dict[str, Any]] = field(default_factory=list)

    def take(self, path: str, body: dict[str, Any]) -> None:
        if path == "/chat":
            self.chat += body["attachments"]
            return
        self.deliveries += [
            Delivery(alert["status"], alert["labels"], alert["annotations"])
            for alert in body["alerts"]
        ]

    def about(self, status: str = "firing", **labels: str) -> list[Delivery]:
        """Alerts of a status that carry all these labels."""
        return [
            delivery
            for delivery in list(self.deliveries)
            if delivery.status == status and labels.items() <= delivery.labels.items()
        ]

    def wait(self, status: str = "firing", **labels: str) -> Delivery:
        """The first such alert, as soon as it is there."""
        wait_for(f"{status} {labels}", lambda: bool(self.about(status, **labels)))
        return self.about(status, **labels)[0]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Listen for messages."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.take(self.path, json.loads(body))
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """The test says what came."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Alertmanager:
    """A running Alertmanager."""

    url: str

    def alerts(self, **labels: str) -> list[dict[str, Any]]:
        """Active alerts that carry all these labels, muted ones too."""
        found: list[dict[str, Any]] = get(f"{self.url}/api/v2/alerts").json()
        return [alert for alert in found if labels.items() <= alert["labels"].items()]

    def seconds_active(self, **labels: str) -> float:
        """For how long the one with these labels is active; 0 before."""
        found = self.alerts(**labels)
        if not found:
            return 0
        return (datetime.now(UTC) - datetime.fromisoformat(found[0]["startsAt"])).total_seconds()

    def muted_by(self, **labels: str) -> set[str]:
        """Names of the alerts that mute the one with these labels."""
        names = {alert["fingerprint"]: alert["labels"]["alertname"] for alert in self.alerts()}
        [muted] = self.alerts(**labels)
        return {names.get(other, other) for other in muted["status"]["inhibitedBy"]}


class Exporter:
    """The daemon on a port of its own, so that it can die and come back."""

    def __init__(self, config: Path, identity: Mapping[str, str]) -> None:
        self.address = free_address()
        self._config = config
        self._identity = identity
        self._running = ExitStack()
        self.daemon: Daemon

    def start(self) -> None:
        """Start it, and wait for its first refresh."""
        self.daemon = self._running.enter_context(
            daemon(
                "serve",
                f"--config.file={self._config}",
                f"--web.listen-address={self.address}",
                log=self._config.with_name("exporter.log"),
                environment=self._identity,
                program=("-c", _ON_OUR_PORT),
            )
        )
        ready = f"http://{self.address}/-/ready"
        wait_for("the first refresh", lambda: get(ready).status_code == HTTPStatus.OK)

    def kill(self) -> None:
        """End it as the kernel does when memory is short; also a second time."""
        self._running.close()


@contextmanager
def _running(program: str, url: str, *arguments: str, log: Path) -> Iterator[Any]:
    """A server of Prometheus' family, ready."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - Debian's
            [installed(program), *arguments], stdout=output, stderr=output
        )

    def ready() -> bool:
        assert process.poll() is None, log.read_text("utf-8")
        try:
            return get(f"{url}/-/ready").status_code == HTTPStatus.OK
        except requests.ConnectionError:
            return False

    try:
        wait_for(program, ready)
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def alertmanager(folder: Path, receiver: Receiver) -> Iterator[Alertmanager]:
    """Alertmanager with the shipped example, sending to the receiver at once."""
    config = yaml.safe_load(_ALERTMANAGER.read_text("utf-8"))
    config["templates"] = [str(_TEMPLATES)]
    top = config["route"]["routes"][0]
    for route in (top, *top["routes"]):
        route |= {"group_interval": "1s"}
        route |= {"group_wait": f"{GROUP_WAIT}s" if route is top else "0s"}
    chat = yaml.safe_load(commented("slack_configs"))["slack_configs"]
    (folder / "chat-url").write_text(f"{receiver.url}/chat")
    chat[0]["api_url_file"] = str(folder / "chat-url")
    for target in config["receivers"][1:]:
        target["webhook_configs"] = [{"url": f"{receiver.url}/webhook"}]
        target["slack_configs"] = chat
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config), "utf-8")
    address = free_address()
    with _running(
        "prometheus-alertmanager",
        f"http://{address}",
        f"--config.file={path}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--web.external-url=http://alertmanager.example",
        "--web.route-prefix=/",
        "--cluster.listen-address=",
        log=folder / "alertmanager.log",
    ):
        yield Alertmanager(f"http://{address}")


@contextmanager
def prometheus(folder: Path, exporter: str, manager: Alertmanager) -> Iterator[Prometheus]:
    """Prometheus with the shipped rules, looking every second."""
    (folder / "rules.yaml").write_text(quick_rules(), "utf-8")
    every_second = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    managers = {"static_configs": [{"targets": [manager.url.removeprefix("http://")]}]}
    config = {
        "global": every_second,
        "rule_files": ["rules.yaml"],
        "alerting": {"alertmanagers": [managers]},
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [exporter]}]}],
    }
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config), "utf-8")
    address = free_address()
    log = folder / "prometheus.log"
    with _running(
        "prometheus",
        f"http://{address}",
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={address}",
        "--web.external-url=http://prometheus.example",
        "--web.route-prefix=/",
        log=log,
    ) as process:
        running = Prometheus(url=f"http://{address}", process=process, log_file=log)
        up = f'up{{job="{JOB}"}} == 1'
        wait_for("a scrape", lambda: bool(running.query(up)))
        yield running
