"""``serve`` as a process of its own, watched from outside."""

from __future__ import annotations

import gzip
import http.client
import re
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.measuring import cpu_of, memory_of, program, python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LONGEST_SECONDS: Final = 300.0
_LISTENING: Final = re.compile(rb"listening.* address=\S+:(\d+)")


@dataclass(frozen=True)
class Serving:
    """A running exporter.

    Attributes:
        started: Monotonic time.
    """

    process: subprocess.Popen[str]
    log: Path
    started: float

    @property
    def seconds(self) -> float:
        """Since its start."""
        return time.monotonic() - self.started

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        return cpu_of(self.process.pid)

    @property
    def memory(self) -> tuple[float, float]:
        """MiB now, and the most so far."""
        return memory_of(self.process.pid)

    @property
    def port(self) -> int:
        """Where it listens; 0 while it does not."""
        port = _LISTENING.search(self.log.read_bytes())
        return int(port[1]) if port else 0

    def page(self) -> bytes:
        """The page; empty while it does not listen."""
        if not self.port:
            return b""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        body = gzip.decompress(connection.getresponse().read())
        connection.close()
        return body

    def wait(self, condition: Callable[[bytes], bool]) -> bytes:
        """The first page of which a condition holds.

        Raises:
            TimeoutError: None was.
        """
        while not condition(page := self.page()):
            if self.process.poll() is not None or self.seconds > _LONGEST_SECONDS:
                raise TimeoutError(
                    f"no such page after {self.seconds:.0f} s: {self.log.read_text()}"
                )
            time.sleep(0.1)
        return page


@contextmanager
def serving(config: str, environ: Mapping[str, str], *flags: str) -> Iterator[Serving]:
    """Run it with this configuration until the block ends."""
    with tempfile.TemporaryDirectory() as name:
        file, log = Path(name) / "config.yaml", Path(name) / "log"
        file.write_text(config)
        log.touch()
        serve = python("exporter", "serve", f"--config.file={file}", *flags)
        command = ("/bin/sh", "-c", f'exec "$@" 2>{log}', "sh", *serve)
        started = time.monotonic()
        with program((*command, "--web.listen-address=127.0.0.1:0"), environ) as process:
            yield Serving(process, log, started)


def vaults_up(page: bytes) -> int:
    """How many vaults the last refresh could read."""
    return len(re.findall(rb"^azure_backup_vault_up\{.* 1$", page, re.MULTILINE))


def details_wait(page: bytes) -> int:
    """For how many jobs' details budgets are waited for."""
    waiting = re.findall(rb"^azure_backup_vault_details_pending.* (\d+)$", page, re.MULTILINE)
    return sum(map(int, waiting))


def lists_read(page: bytes) -> int:
    """How many pages of job lists Azure has answered."""
    found = re.findall(
        rb'^azure_backup_exporter_api_requests_total\{api="backup_jobs_list",code="200"\} (\S+)$',
        page,
        re.MULTILINE,
    )
    return int(sum(map(float, found)))


def own(page: bytes, name: str) -> int:
    """The sum of a family about the exporter itself."""
    pattern = rb"^azure_backup_exporter_%s(?:\{.*\})? (\S+)$" % name.encode()
    return int(sum(map(float, re.findall(pattern, page, re.MULTILINE))))
