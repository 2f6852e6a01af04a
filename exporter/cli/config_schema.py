"""``config-schema``: the JSON Schema of the configuration file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from exporter.cli.exits import OK, say
from exporter.config import Config

if TYPE_CHECKING:
    from argparse import Namespace


def run(_: Namespace) -> int:
    """Print the schema."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    say(json.dumps(schema | Config.model_json_schema(), indent=2))
    return OK
