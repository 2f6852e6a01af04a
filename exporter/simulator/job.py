"""One job as its schedule lays it down: everything about it that does not change with time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from exporter.simulator.inventory import ProtectedItem, Vault
    from exporter.simulator.outcomes import Outcome
    from exporter.simulator.schedule import Schedule


class Job(NamedTuple):
    """One run of a schedule.

    Attributes:
        name: Its GUID, the only stable key (F§1.3).
        start: Clock time in ticks.
        end: Clock time in ticks, fixed beforehand.
        dice: Random bytes of this job; each choice about it reads its own byte.
    """

    vault: Vault
    item: ProtectedItem
    schedule: Schedule
    slot: int
    name: str
    start: int
    end: int
    dice: bytes

    @property
    def outcome(self) -> Outcome:
        """How it will end."""
        outcomes = self.schedule.outcomes
        return outcomes[self.slot % len(outcomes)]

    @property
    def spelling(self) -> str:
        """The item's name as this job has it."""
        spellings = self.item.spellings
        return spellings[self.slot % len(spellings)]

    @property
    def size_mb(self) -> float:
        """What it moves. Sizes of an item swing by a fifth and differ little between nights."""
        swing = math.sin(self.slot / 4 + self.item.size_mb) / 5
        noise = (self.dice[0] - 128) / 128 / 50
        part = {"Differential": 0.2, "Log": 0.01}.get(self.schedule.backup_type, 1.0)
        return self.item.size_mb * part * (1 + swing + noise)

    @property
    def activity_id(self) -> str:
        """A GUID, with a suffix when a person started the job by command line (F§4)."""
        guid = guid_text(self.dice[-16:])
        return guid if self.schedule.operation == "Backup" else f"{guid}-Cli"


def guid_text(data: bytes) -> str:
    """16 bytes as a lower-case GUID."""
    digits = data.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
