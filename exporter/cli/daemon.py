"""The running exporter: collector and web server, signals and reloads."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from concurrent.futures import wait
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from exporter import __version__
from exporter.backup.shard import UNSHARDED, Shard
from exporter.cli.exits import BAD_CONFIG, FAULT, OK, complain
from exporter.cli.logs import set_up_logging
from exporter.clock import AzureClock
from exporter.errors import ArmError, ConfigError
from exporter.masking import masked
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector
from exporter.threads import begin, start_thread
from exporter.web.server import BindError, WebServer, bind_all
from exporter.web.site import Site
from exporter.web.watch import PolicyFile

if TYPE_CHECKING:
    import socket
    from argparse import Namespace
    from collections.abc import Callable
    from datetime import datetime

    from exporter.config import Config
    from exporter.metrics.snapshot import Overview

log = logging.getLogger(__name__)

T = TypeVar("T")

_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_SIGNALS: Final = _ENDING | {signal.SIGHUP}
_RELOAD_SECONDS: Final = 5.0
_STEP_SECONDS: Final = 0.02

_SWITCH_SECONDS: Final = 0.0005
"""How long a thread that computes may keep a scrape waiting; Python's own choice is 5 ms."""


def hold_signals() -> None:
    """Keep the signals for ``run_daemon``, also in threads that are started later.

    They are waited for in one place: a handler would run between any two lines.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def run_daemon(
    options: Namespace,
    load: Callable[[], Config],
    *,
    source: str,
    shard: Shard = UNSHARDED,
    announce: Callable[[str], None] = lambda url: None,
) -> int:
    """Serve what ``load`` configures until a signal ends it; returns the exit code.

    Both files are read before a port is opened: nobody is answered under a configuration that
    cannot be used. The caller has called ``hold_signals``, before it started any thread.

    Args:
        options: Of the command line.
        load: Reads the configuration.
        source: Where it comes from, for the log.
        shard: Which of the vaults are ours.
        announce: Told the URL of the first address, once it is served.
    """
    set_up_logging(options.log_level, options.log_format)
    if not options.telemetry_path.startswith("/"):
        return complain(f"--web.telemetry-path {options.telemetry_path} must begin with /", FAULT)
    web_file = options.web_config_file

    def set_up() -> tuple[Daemon, list[socket.socket]]:
        daemon = Daemon(load, policy_file=PolicyFile(web_file) if web_file else None, shard=shard)
        return daemon, bind_all(options.listen_addresses)

    try:
        ready = _unless_ended(set_up)
    except ConfigError as error:
        return complain(error, BAD_CONFIG)
    except (ArmError, BindError) as error:
        return complain(error, FAULT)
    if ready is None:
        log.info("stopping before the start has ended")
        return OK
    daemon, sockets = ready
    daemon.listen(sockets, telemetry_path=options.telemetry_path, lifecycle=options.lifecycle)
    return daemon.run(source, announce)


def _unless_ended(work: Callable[[], T]) -> T | None:
    """Do work that may never end; None if a signal that ends the process comes first.

    A SIGHUP waits for who comes after.
    """
    future = begin("start", work)
    while not future.done():
        if signal.sigpending() & _ENDING:
            return None
        wait([future], _STEP_SECONDS)
    return future.result()


class Daemon:
    """Serves the metrics of one configuration until a signal ends it.

    Args:
        load: Reads the configuration; called again at each reload.
        policy_file: TLS, users and headers; None for plain HTTP.
        shard: Which of the vaults are ours.

    Raises:
        ConfigError: The first configuration cannot be used.
        ArmError: The credential cannot be set up.
    """

    def __init__(
        self,
        load: Callable[[], Config],
        *,
        policy_file: PolicyFile | None = None,
        shard: Shard = UNSHARDED,
    ) -> None:
        self._load = load
        self._shard = shard
        self._clock = AzureClock()
        self._metrics = SelfMetrics()
        self._store = PageStore(self._metrics)
        self._reload_asked = threading.Event()
        self._reloading = threading.Lock()
        self._replacing = threading.Lock()
        self._ending = False
        self._exit_code = OK
        self._reload_failure = ""
        self._reload_failed_at: datetime | None = None
        self._policy_file = policy_file
        self._collector = self._new_collector(self._load(), None)

    def listen(self, sockets: list[socket.socket], *, telemetry_path: str, lifecycle: bool) -> None:
        """Say where it will be served.

        Args:
            sockets: From ``bind_all``.
            telemetry_path: Where metrics are.
            lifecycle: Whether ``POST /-/reload`` is allowed.
        """
        self._web = WebServer(
            sockets,
            Site(
                store=self._store,
                metrics=self._metrics,
                telemetry_path=telemetry_path,
                ready=lambda: self._collector.ready,
                reload=self.reload if lifecycle else None,
                clock=self._clock,
                overview=self._overview,
            ),
            self._policy_file,
        )

    def run(self, source: str, announce: Callable[[str], None]) -> int:
        """Serve until SIGTERM or SIGINT; SIGHUP reloads. All three must be held back.

        Args:
            source: Where the configuration comes from.
            announce: Told the URL of the first address.

        Returns:
            The exit code: a fault if refreshing has ended by itself.
        """
        sys.setswitchinterval(_SWITCH_SECONDS)
        config = self._collector.config
        log.info(
            "starting",
            extra={
                "version": __version__,
                "config": source,
                "vaults": len(config.vaults),
                "discovery": len(config.discovery),
            },
        )
        self._web.start()
        self._collector.start(self._broken)
        start_thread("reload", self._reload_when_asked, None)
        for address in self._web.addresses:
            log.info("listening", extra={"address": address, "scheme": self._web.scheme})
        announce(f"{self._web.scheme}://{_for_a_browser(self._web.addresses[0])}/")
        while (received := signal.Signals(signal.sigwait(_SIGNALS))) not in _ENDING:
            log.info("reloading the configuration", extra={"signal": received.name})
            self._reload_asked.set()
        log.info("stopping", extra={"signal": received.name})
        self._ending = True
        # A reload under way would else leave a collector behind that nobody stops.
        replaced = self._replacing.acquire(timeout=_RELOAD_SECONDS)
        self._collector.stop()
        if replaced:
            self._replacing.release()
        self._web.stop()
        return self._exit_code

    def _broken(self) -> None:
        """End the process: without refreshes the page would look well for ever."""
        self._exit_code = FAULT
        os.kill(os.getpid(), signal.SIGTERM)

    def _reload_when_asked(self, _: None) -> None:
        """Reload beside whoever waits for signals; asked twice meanwhile is asked once."""
        while True:
            self._reload_asked.wait()
            self._reload_asked.clear()
            self.reload()

    def reload(self) -> str:
        """Take the new configuration, or go on with the old one.

        Returns:
            What is wrong with the new one; empty when it is in force.
        """
        with self._reloading:
            try:
                # Nobody who ends the process waits for a file that may never be read.
                config = self._load()
                with self._replacing:
                    if self._ending:
                        return "the exporter is stopping"
                    self._collector = self._new_collector(config, self._collector)
                    self._collector.start(self._broken)
            except (ConfigError, ArmError) as error:
                self._reload_failed(error)
                log.error("the old configuration stays in force: %s", error)  # noqa: TRY400 - no trace
                return str(error)
            except Exception as error:
                self._reload_failed(error)
                log.exception("reloading broke")
                if self._collector.stopped:
                    self._broken()
                return str(error)
            log.info("the new configuration is in force")
            return ""

    def _reload_failed(self, error: Exception) -> None:
        self._metrics.config_ok.set(0)
        self._reload_failure, self._reload_failed_at = masked(str(error)), self._clock.now()

    def _overview(self) -> Overview:
        return replace(
            self._collector.overview,
            reload_failure=self._reload_failure,
            reload_failed_at=self._reload_failed_at,
        )

    def _new_collector(self, config: Config, previous: Collector | None) -> Collector:
        collector = Collector(
            config,
            store=self._store,
            metrics=self._metrics,
            clock=self._clock,
            shard=self._shard,
            previous=previous,
        )
        self._metrics.config_ok.set(1)
        self._reload_failure = ""
        self._metrics.config_loaded_at.set(self._clock.now().timestamp())
        return collector


def _for_a_browser(address: str) -> str:
    """An address that one can open: what listens everywhere listens here, too."""
    host, _, port = address.rpartition(":")
    return f"localhost:{port}" if host in ("0.0.0.0", "[::]") else address  # noqa: S104
