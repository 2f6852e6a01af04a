"""Exit codes (SPEC 2), and how a command says why it ends."""

from __future__ import annotations

import sys
from typing import Final

from exporter.masking import masked
from exporter.words import visible

OK: Final = 0
FAULT: Final = 1
BAD_CONFIG: Final = 2


def say(text: str) -> None:
    """Print what was asked for."""
    sys.stdout.write(text + "\n")


def complain(text: object, code: int) -> int:
    """Print why the command ends; returns its exit code."""
    sys.stderr.write(visible(masked(f"azure-backup-exporter: {text}\n"), lines=True))
    return code
