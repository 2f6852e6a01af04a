"""Notices that the web configuration or a file it names has changed."""

from __future__ import annotations

import hashlib
import logging
import ssl
from typing import TYPE_CHECKING

from exporter.errors import ConfigError, Problem
from exporter.web.policy import WebPolicy, load_policy
from exporter.web.settings import HIGHEST_COST, bcrypt_cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
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
        _warn(self.policy)
        self._seen = self._in_force
        self._trouble = ""

    def renew(self) -> None:
        """Take a change over into ``policy``, or say once why not.

        A change counts when it has stayed the same between two calls: a file that is being
        written may look complete while its users are still missing.
        """
        before, self._seen = self._seen, _digest(self.policy.files)
        if self._seen == self._in_force:
            self._trouble = ""
            return
        if self._seen != before:
            return
        try:
            self.policy, self._in_force = _load(self._path, self.policy)
        except ConfigError as error:
            # Tried again at each call: a file that only the new version names may be mended.
            if str(error) != self._trouble:
                log.error("the old web configuration stays in force: %s", error)  # noqa: TRY400 - no trace
            self._trouble = str(error)
        else:
            log.info("the new web configuration is in force")
            _warn(self.policy)


def _warn(policy: WebPolicy) -> None:
    """Tell of users who cannot log in."""
    for name, bcrypt_hash in policy.users.items():
        if (cost := bcrypt_cost(bcrypt_hash)) > HIGHEST_COST:
            log.warning(
                "user %r of the web configuration is not let in: a hash of cost %d takes too long"
                " to check; write one of cost %d or less, as `htpasswd -nBC 10 NAME` prints it",
                name,
                cost,
                HIGHEST_COST,
            )


def _load(path: Path, in_force: WebPolicy | None = None) -> tuple[WebPolicy, bytes]:
    """The policy, and a digest that is older: what changes meanwhile is seen as a change.

    Raises:
        ConfigError: It cannot be used, or not without a restart.
    """
    digest = _digest(load_policy(path).files)
    policy = load_policy(path)
    if in_force and (problems := list(_needs_restart(in_force, policy))):
        raise ConfigError(str(path), problems)
    return policy, digest


def _needs_restart(old: WebPolicy, new: WebPolicy) -> Iterator[Problem]:
    """What no change may do by itself: a full disk leaves an empty file, which opens every door."""
    if (old.tls is None) != (new.tls is None):
        yield Problem("tls_server_config", "a restart is needed to switch TLS on or off")
    elif _requires_certificates(old) and not _requires_certificates(new):
        yield Problem(
            "tls_server_config.client_auth_type",
            "a restart is needed to let clients in without a certificate",
        )
    elif old.allowed_sans is not None and new.allowed_sans is None:
        yield Problem(
            "tls_server_config.client_allowed_sans",
            "a restart is needed to let clients in whatever their certificate names",
        )
    if old.users and not new.users:
        yield Problem("basic_auth_users", "a restart is needed to switch authentication off")


def _requires_certificates(policy: WebPolicy) -> bool:
    return policy.tls is not None and policy.tls.verify_mode is ssl.CERT_REQUIRED


def _digest(files: Iterable[Path]) -> bytes:
    digest = hashlib.sha256()
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as error:
            content = str(error).encode()
        digest.update(hashlib.sha256(content).digest())
    return digest.digest()
