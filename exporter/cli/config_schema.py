"""``config-schema``: the JSON Schema of the configuration file."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from exporter.cli.exits import OK, say
from exporter.config import Config
from exporter.config.types import format_duration

if TYPE_CHECKING:
    from argparse import Namespace


class _WithDurations(GenerateJsonSchema):
    """Shows the defaults of durations as the file writes them."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def run(_: Namespace) -> int:
    """Print the schema."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    say(json.dumps(schema | Config.model_json_schema(schema_generator=_WithDurations), indent=2))
    return OK
