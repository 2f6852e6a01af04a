"""The manifest for shards, against the schemas of Kubernetes."""

from __future__ import annotations

from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it has no types
import pytest
import yaml

from exporter import __version__
from tests.processes import ROOT

OBJECTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((ROOT / "deploy/kubernetes/shards.yaml").read_text("utf-8"))
)
[STATEFUL_SET] = [one for one in OBJECTS if one["kind"] == "StatefulSet"]
[CONTAINER] = STATEFUL_SET["spec"]["template"]["spec"]["containers"]


@pytest.mark.parametrize("version", ["1.31", "1.36"])
@pytest.mark.parametrize("kubernetes_object", OBJECTS, ids=lambda one: one["kind"])
def test_it_fits_the_schemas(kubernetes_object: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(kubernetes_object, version, strict=True)


def test_the_schemas_find_faults() -> None:
    broken = {**STATEFUL_SET, "spec": {**STATEFUL_SET["spec"], "replicaz": 4}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.36", strict=True)


def test_there_are_as_many_pods_as_shards() -> None:
    environment = {one["name"]: one for one in CONTAINER["env"]}

    total = environment["AZURE_BACKUP_EXPORTER_SHARD_TOTAL"]["value"]
    assert int(total) == STATEFUL_SET["spec"]["replicas"]
    index = environment["AZURE_BACKUP_EXPORTER_SHARD_INDEX"]["valueFrom"]
    assert index == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_it_runs_the_image_of_this_version() -> None:
    assert CONTAINER["image"] == f"azure-backup-exporter:{__version__}"
