"""The web configuration as Prometheus' own tools read it; a scrape that must show who it is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.processes import ROOT, daemon, run, wait_for
from tests.stack.programs import installed, scraping
from tests.web.running import Certificates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes import Daemon

pytestmark = [pytest.mark.stack, pytest.mark.alone]

MUTUAL = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem"}
HEADERS = {"X-Frame-Options": "deny", "Strict-Transport-Security": "max-age=60"}


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(trustme.CA(), tmp_path)


@pytest.fixture(params=["plain", "tls"])
def demo(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Daemon]:
    config = certificates.config(tls={} if request.param == "tls" else None)
    log = certificates.folder / "demo.log"
    with daemon("demo", f"--web.config.file={config}", log=log) as running:
        yield running


def promtool(path: Path) -> int:
    command = [installed("promtool"), "check", "web-config", str(path)]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode  # noqa: S603


def test_promtool_takes_what_we_take(certificates: Certificates) -> None:
    config = certificates.config(tls=MUTUAL, users={"alice": "right"}, headers=HEADERS)

    assert promtool(config) == 0
    with daemon("demo", f"--web.config.file={config}", log=certificates.folder / "log") as demo:
        assert demo.url.startswith("https:")


def test_promtool_takes_the_example(certificates: Certificates) -> None:
    example = certificates.folder / "web.yaml"
    example.write_bytes((ROOT / "docs" / "web-config.example.yaml").read_bytes())
    (certificates.folder / "clients-ca.pem").write_bytes(Path(certificates.ca).read_bytes())

    assert promtool(example) == 0


@pytest.mark.parametrize(
    "text",
    [
        "basic_auth_users: {alice: clear}",
        "tls_server_config: {cert_file: server.crt}",
        "tls_server_config: {cert_file: server.crt, key_file: missing.key}",
        "http_server_config: {headers: {X-Powered-By: us}}",
        "http_server_config: {headers: {X-Frame-Options: perhaps}}",
        "tls_config: {}",
        "basic_auth_users: {a: b",
    ],
)
def test_what_promtool_refuses_we_refuse_with_2(certificates: Certificates, text: str) -> None:
    config = certificates.folder / "web.yaml"
    config.write_text(text)

    ended = run("demo", f"--web.config.file={config}", "--web.listen-address=127.0.0.1:0")

    assert promtool(config) != 0
    assert ended.returncode == 2
    assert f"{config}: 1 problem(s)" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_prometheus_scrapes_over_tls_with_the_right_password_only(
    certificates: Certificates,
) -> None:
    config = certificates.config(tls={}, users={"prometheus": "right"})
    other = certificates.folder / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))

    def job(password: str | None, ca_file: str = certificates.ca) -> dict[str, Any]:
        auth = {"username": "prometheus", "password": password}
        settings: dict[str, Any] = {"scheme": "https", "tls_config": {"ca_file": ca_file}}
        return settings | ({"basic_auth": auth} if password else {})

    jobs = {
        "right": job("right"),
        "wrong": job("wrong"),
        "nobody": job(None),
        "stranger": job("right", str(other)),
    }
    with daemon("demo", f"--web.config.file={config}", log=certificates.folder / "log") as demo:
        address = demo.url.removeprefix("https://")
        with scraping(certificates.folder, dict.fromkeys(jobs, address), jobs) as prometheus:
            wait_for("samples", lambda: bool(prometheus.query("azure_backup_vault_up")))
            targets = prometheus.api("targets")["activeTargets"]
            errors = {target["labels"]["job"]: target["lastError"] for target in targets}
            assert prometheus.number('count(azure_backup_vault_up{job!="right"})') is None
        assert demo.stopped() == 0

    assert errors["right"] == ""
    assert "401 Unauthorized" in errors["wrong"]
    assert "401 Unauthorized" in errors["nobody"]
    assert "certificate signed by unknown authority" in errors["stranger"]


@pytest.mark.parametrize("attack", [["-H"], ["-B", "-s", "60000"], ["-X", "-k", "5"]])
def test_slowhttptest_does_not_keep_wrk_from_its_answers(demo: Daemon, attack: list[str]) -> None:
    """Slow headers, slow bodies, slow reading; meanwhile every request is answered."""
    url = f"{demo.url}/metrics"
    slow = [installed("slowhttptest"), *attack, "-c", "100", "-i", "1", "-r", "100", "-l", "5"]
    with subprocess.Popen([*slow, "-u", url], stdout=subprocess.DEVNULL) as attacking:  # noqa: S603
        report = subprocess.run(  # noqa: S603 - our own command
            [installed("wrk"), "-t1", "-c4", "-d4s", url],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
        attacking.wait(30)

    requests = re.search(r"(\d+) requests in", report)
    assert requests, report
    assert int(requests[1]) > 20
    assert "Non-2xx" not in report
    assert "Socket errors" not in report
