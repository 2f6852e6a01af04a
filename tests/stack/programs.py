"""The two programs under test: our daemon, and the Prometheus that scrapes it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import requests
import yaml

from tests.processes import Daemon, daemon, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from exporter.simulator import Simulator

TEXT = "text/plain;version=0.0.4"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def installed(program: str) -> str:
    """Its path; a missing program is a failure, so that CI cannot pass without it."""
    path = shutil.which(program)
    assert path, f"{program} is missing: install Debian's packages as .ci/run does"
    return path


def get(url: str, **headers: str) -> requests.Response:
    """GET on loopback, never through a proxy that the machine may name."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers=headers, timeout=5)


def page(exporter: Daemon, accept: str = TEXT) -> str:
    """The metrics in the format asked for."""
    answer = get(f"{exporter.url}/metrics", Accept=accept)
    answer.raise_for_status()
    assert answer.headers["Content-Type"].startswith(accept.partition(";")[0])
    return answer.text


def write_config(path: Path, simulator: Simulator, vault_ids: Sequence[str]) -> None:
    """A configuration that reads these vaults of the simulator every second."""
    settings = {
        "azure": {
            "cloud": "custom",
            "resource_manager": simulator.url,
            "authority": "https://localhost",
            "scope": f"{simulator.url}/.default",
            "credential": {"type": "managed_identity"},
            # A refresh a second would spend the default budget in minutes.
            "read_budget": {"requests": 1_000_000, "per": "1h"},
        },
        "refresh": {"interval": "1s"},
        "metrics": {"job_series": "all"},
        "vaults": [{"id": vault_id} for vault_id in vault_ids],
    }
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")


@contextmanager
def serving(config: Path, identity: Mapping[str, str]) -> Iterator[Daemon]:
    """Run ``serve``, ready once its first refresh has ended, well or badly."""
    with daemon(
        "serve",
        f"--config.file={config}",
        log=config.with_name("exporter.log"),
        environment=identity,
    ) as exporter:
        ready = f"{exporter.url}/-/ready"
        wait_for("the first refresh", lambda: get(ready).status_code == HTTPStatus.OK)
        yield exporter


@contextmanager
def text_only(exporter: Daemon) -> Iterator[str]:
    """Hand scrapes on as a scraper that knows only the text format; gives the address.

    Prometheus 2.42 always asks for OpenMetrics first, and no setting changes that.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = get(f"{exporter.url}{self.path}", Accept=TEXT)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Prometheus says what went wrong."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def api(self, path: str, **parameters: str) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=5)
        body = answer.json()
        assert body["status"] == "success", body
        return body["data"]

    def query(self, promql: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of every sample of an instant vector."""
        data = self.api("query", query=promql)
        return [(row["metric"], float(row["value"][1])) for row in data["result"]]

    def number(self, promql: str) -> float | None:
        """The value of an expression with one sample; None while it has none."""
        rows = self.query(promql)
        assert len(rows) <= 1, rows
        return rows[0][1] if rows else None

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return get(f"{self.url}/-/ready").status_code == HTTPStatus.OK
        except requests.ConnectionError:
            return False


@contextmanager
def scraping(
    folder: Path,
    targets: Mapping[str, str],
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    rules: str = "groups: []",
) -> Iterator[Prometheus]:
    """Run Prometheus, ready once it has scraped every target (job to address) three times."""
    (folder / "rules.yaml").write_text(rules, "utf-8")
    jobs = [
        {
            "job_name": job,
            "static_configs": [{"targets": [address]}],
            **(settings or {}).get(job, {}),
        }
        for job, address in targets.items()
    ]
    every_second = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = folder / "prometheus.yml"
    whole = {"global": every_second, "rule_files": ["rules.yaml"], "scrape_configs": jobs}
    config.write_text(yaml.safe_dump(whole))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        installed("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=debug",  # refused samples are told at this level
    ]
    log_file = folder / "prometheus.log"
    with log_file.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603 - ours
    try:
        prometheus = Prometheus(url=f"http://{address}", process=process, log_file=log_file)
        wait_for("Prometheus", prometheus.is_ready)
        scraped = "count_over_time(up[1m]) >= 3"
        wait_for("three scrapes", lambda: len(prometheus.query(scraped)) == len(targets))
        yield prometheus
    finally:
        process.kill()
        process.wait()
