"""Notices that the web configuration or a file it names has changed."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from exporter.errors import ConfigError, Problem
from exporter.web.policy import WebPolicy, load_policy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = logging.getLogger(__name__)


class PolicyFile:
    """The file of ``--web.config.file``, read again when its content changes.

    Contents are compared, not times: a file may be replaced within a clock tick, and Kubernetes
    replaces a folder behind a link.

    Args:
        path: The file.

    Attributes:
        policy: What is in force.

    Raises:
        ConfigError: The file cannot be used at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.policy, self._in_force = _load(path)
        self._seen = self._in_force
        self._trouble = ""

    def renew(self) -> bool:
        """Take a change over, or say once why not; returns whether there is a new policy.

        A change counts when it has stayed the same between two calls: a file that is being
        written may look complete while its users are still missing.
        """
        before, self._seen = self._seen, _digest(self.policy.files)
        if self._seen == self._in_force:
            self._trouble = ""
            return False
        if self._seen != before:
            return False
        try:
            self.policy, self._in_force = _load(self._path, tls=self.policy.tls is not None)
        except ConfigError as error:
            # Tried again at each call: a file that only the new version names may be mended.
            if str(error) != self._trouble:
                log.error("the old web configuration stays in force: %s", error)  # noqa: TRY400 - no trace
            self._trouble = str(error)
            return False
        log.info("the new web configuration is in force")
        return True


def _load(path: Path, *, tls: bool | None = None) -> tuple[WebPolicy, bytes]:
    """The policy, and a digest that is older: what changes meanwhile is seen as a change.

    Raises:
        ConfigError: It cannot be used, or it switches TLS.
    """
    digest = _digest(load_policy(path).files)
    policy = load_policy(path)
    if tls not in (None, policy.tls is not None):
        switch = Problem("tls_server_config", "a restart is needed to switch TLS on or off")
        raise ConfigError(str(path), [switch])
    return policy, digest


def _digest(files: Iterable[Path]) -> bytes:
    digest = hashlib.sha256()
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as error:
            content = str(error).encode()
        digest.update(hashlib.sha256(content).digest())
    return digest.digest()
