"""The Compose stack without an engine: what it mounts exists, and nothing listens to the world."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from http import HTTPStatus
from typing import Any, Final

import compose_spec
import pytest
import requests
import yaml

from tests.processes import ROOT, wait_for

DEPLOY: Final = ROOT / "deploy"
STACK: Final = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
REAL: Final = yaml.safe_load((DEPLOY / "compose/real.yaml").read_text("utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = STACK["services"]
OURS: Final = "azure-backup-exporter:local"

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))


def mounts(service: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Source, target and mode of every volume."""
    split = [volume.split(":") for volume in service.get("volumes", [])]
    return [(source, target, mode[0] if mode else "") for source, target, *mode in split]


def mounted(name: str) -> dict[str, str]:
    """Of one service: source by target."""
    return {target: source for source, target, _ in mounts(SERVICES[name])}


@pytest.mark.parametrize("file", [STACK, REAL], ids=["compose", "real"])
def test_it_fits_the_compose_specification(
    file: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = "${AZURE_BACKUP_CONFIG:?name your configuration file}"
    text = yaml.safe_dump(file).replace(variable, "./config.yaml")

    compose_spec.PyCompose.from_yaml(text).to_spec()


@each_service
def test_images_are_pinned_to_a_whole_version(service: dict[str, Any]) -> None:
    pinned = r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?"

    assert service["image"] == OURS or re.fullmatch(pinned, service["image"])


def test_our_image_is_built_from_the_repository() -> None:
    built = [name for name, service in SERVICES.items() if "build" in service]

    assert built == ["exporter"]
    assert (DEPLOY / SERVICES["exporter"]["build"] / "Dockerfile").is_file()
    assert SERVICES["exporter"]["image"] == OURS


@each_service
def test_what_it_mounts_exists(service: dict[str, Any]) -> None:
    for source, target, mode in mounts(service):
        if not source.startswith("."):
            assert source in STACK["volumes"]
            continue
        assert mode == "ro", source
        assert (DEPLOY / source).exists(), source
        assert (DEPLOY / source).is_file() == ("." in target.rpartition("/")[2]), source


def test_every_volume_is_used() -> None:
    used = {source for service in SERVICES.values() for source, _, _ in mounts(service)}

    assert set(STACK["volumes"]) <= used


@each_service
def test_ports_are_on_loopback_only(service: dict[str, Any]) -> None:
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)
    assert "network_mode" not in service


def test_no_port_is_given_twice() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert len(ports) == len(set(ports)) == 4


@each_service
def test_it_is_locked_down(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")


@each_service
def test_it_tells_its_health(service: dict[str, Any]) -> None:
    check = service["healthcheck"]
    # What each image has: busybox, or in ours Python and the command.
    programs = ("azure-backup-exporter", "python") if service["image"] == OURS else ("wget",)

    assert check["test"][0] == "CMD"
    assert check["test"][1] in programs
    assert {"interval", "timeout", "start_period"} <= check.keys()


@each_service
def test_what_it_depends_on_exists(service: dict[str, Any]) -> None:
    assert set(service.get("depends_on", [])) <= SERVICES.keys()


def test_no_service_waits_for_itself() -> None:
    waiting = {name: set(service.get("depends_on", [])) for name, service in SERVICES.items()}
    while ready := {name for name, others in waiting.items() if not others}:
        waiting = {n: others - ready for n, others in waiting.items() if n not in ready}

    assert waiting == {}


def test_addresses_within_the_stack_name_services_and_their_ports() -> None:
    prometheus = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    groups = [group for job in prometheus["scrape_configs"] for group in job["static_configs"]]
    for manager in prometheus["alerting"]["alertmanagers"]:
        groups += manager["static_configs"]
    targets = {target for group in groups for target in group["targets"]}
    published = {
        f"{name}:{port.rpartition(':')[2]}"
        for name, service in SERVICES.items()
        for port in service.get("ports", [])
    }
    receivers = (DEPLOY / "alertmanager/alertmanager.yml").read_text("utf-8")

    assert targets - {"localhost:9090"} <= published
    assert SERVICES["grafana"]["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"
    assert set(re.findall(r"url: http://([^/]+)/", receivers)) == {
        f"messages:{SERVICES['messages']['command'][0]}"
    }


def test_the_scraped_job_is_the_one_that_the_rules_are_about() -> None:
    prometheus = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    settings = yaml.safe_load((DEPLOY / "prometheus/settings.yaml").read_text("utf-8"))

    assert settings["job"] in [job["job_name"] for job in prometheus["scrape_configs"]]


def test_the_configurations_lie_where_their_programs_look() -> None:
    """A relative path in them is relative to where they are mounted."""
    assert mounted("prometheus") == {
        "/etc/prometheus/prometheus.yml": "./prometheus/prometheus.yml",
        "/etc/prometheus/azure-backup.rules.yaml": "./prometheus/azure-backup.rules.yaml",
        "/prometheus": "prometheus",
    }
    assert mounted("alertmanager") == {
        "/etc/alertmanager/alertmanager.yml": "./alertmanager/alertmanager.yml",
        "/etc/alertmanager/azure-backup.tmpl": "./alertmanager/azure-backup.tmpl",
        "/alertmanager": "alertmanager",
    }
    for name, file in (
        ("prometheus", "prometheus/prometheus.yml"),
        ("alertmanager", "alertmanager/alertmanager.yml"),
    ):
        assert f"--config.file=/etc/{file}" in SERVICES[name]["command"]


def test_the_real_configuration_changes_only_the_exporter() -> None:
    [(name, changes)] = REAL["services"].items()
    [volume] = changes["volumes"]

    assert name == "exporter"
    assert changes.keys() <= {"command", "environment", "volumes"}
    assert volume.endswith(changes["command"][1].removeprefix("--config.file=") + ":ro")


def test_the_receiver_prints_what_alertmanager_sends() -> None:
    alert = {
        "status": "firing",
        "labels": {"alertname": "AzureBackupLate", "severity": "critical"},
        "annotations": {"summary": "No backup", "runbook_url": "docs/runbooks.md#azurebackuplate"},
    }
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-u", str(DEPLOY / "compose/messages.py"), "0", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout
        port = process.stdout.readline().split()[-1]
        url = f"http://127.0.0.1:{port}/"
        with requests.Session() as session:
            session.trust_env = False
            wait_for("health", lambda: session.get(url, timeout=5).status_code == HTTPStatus.OK)
            refused = session.post(url, data=b"[]", timeout=5)
            taken = session.post(url, data=json.dumps({"alerts": [alert]}), timeout=5)
        assert (refused.status_code, taken.status_code) == (400, 200)
    finally:
        process.terminate()
        output = process.communicate(timeout=10)[0]
    assert "not a message of Alertmanager" in output
    assert (
        "firing   critical AzureBackupLate: No backup (docs/runbooks.md#azurebackuplate)" in output
    )
