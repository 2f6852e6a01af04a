"""Jobs as JSON text, which is kept where it stays the same: making it is what costs most."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from exporter.simulator.answers import to_json
from exporter.simulator.arm_json import job_head, list_properties
from exporter.simulator.lifecycle import observe

if TYPE_CHECKING:
    from exporter.simulator.inventory import Vault
    from exporter.simulator.job import Job

# Less than 1 kB each.
_MOST: Final = 120_000


class JobTexts:
    """Writes jobs as lists have them; a finished job stays what it is.

    Args:
        most: How many jobs' texts are kept; the oldest goes first.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, str], tuple[Vault, str]] = OrderedDict()

    def job(self, job: Job, now: int, api_version: str) -> str:
        """The whole job as it is now, in ticks."""
        head = "".join(
            f'"{key}":{to_json(value)},' for key, value in job_head(job, api_version).items()
        )
        return f'{{{head}"properties":{self.properties(job, now, api_version)}}}'

    def properties(self, job: Job, now: int, api_version: str) -> str:
        """Its properties."""
        if now < job.end:
            return _properties(job, now, api_version)
        key = job.name, api_version
        vault, text = self._kept.get(key, (None, ""))
        # A vault that was put anew may have other jobs of the same names.
        if vault is not job.vault:
            text = _properties(job, now, api_version)
            self._kept[key] = job.vault, text
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return text


def _properties(job: Job, now: int, api_version: str) -> str:
    return to_json(list_properties(job, observe(job, now), api_version))
