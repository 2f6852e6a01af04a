"""The running exporter: collector and web server, signals and reloads."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

from exporter.backup.shard import UNSHARDED, Shard
from exporter.cli.exits import BAD_CONFIG, FAULT, OK, complain
from exporter.cli.logs import set_up_logging
from exporter.clock import AzureClock
from exporter.errors import ArmError, ConfigError
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.refresh.collector import Collector
from exporter.web.server import WebServer, bind
from exporter.web.site import Site
from exporter.web.watch import PolicyFile

if TYPE_CHECKING:
    import socket
    from argparse import Namespace
    from collections.abc import Callable

    from exporter.config import Config

log = logging.getLogger(__name__)

_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_SIGNALS: Final = _ENDING | {signal.SIGHUP}
_RELOAD_SECONDS: Final = 5.0

_SWITCH_SECONDS: Final = 0.0005
"""How long a thread that computes may keep a scrape waiting; Python's own choice is 5 ms."""


def hold_signals() -> None:
    """Keep the signals for ``run_daemon``, also in threads that are started later.

    They are waited for in one place: a handler would run between any two lines.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def run_daemon(options: Namespace, load: Callable[[], Config], *, shard: Shard = UNSHARDED) -> int:
    """Serve what ``load`` configures until a signal ends it; returns the exit code.

    The caller has called ``hold_signals``, before it started any thread.
    """
    set_up_logging(options.log_level, options.log_format)
    if not options.telemetry_path.startswith("/"):
        return complain(f"--web.telemetry-path {options.telemetry_path} must begin with /", FAULT)
    try:
        sockets = bind(options.listen_address)
    except (OSError, ValueError) as error:
        return complain(f"cannot listen on {options.listen_address}: {error}", FAULT)
    try:
        daemon = Daemon(
            load,
            sockets=sockets,
            telemetry_path=options.telemetry_path,
            lifecycle=options.lifecycle,
            policy_file=PolicyFile(options.web_config_file) if options.web_config_file else None,
            shard=shard,
        )
    except ConfigError as error:
        return complain(error, BAD_CONFIG)
    except ArmError as error:
        return complain(error, FAULT)
    return daemon.run()


class Daemon:
    """Serves the metrics of one configuration until a signal ends it.

    Args:
        load: Reads the configuration; called again at each reload.
        sockets: Where to listen.
        telemetry_path: Where metrics are.
        lifecycle: Whether ``POST /-/reload`` is allowed.
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
        sockets: list[socket.socket],
        telemetry_path: str,
        lifecycle: bool,
        policy_file: PolicyFile | None = None,
        shard: Shard = UNSHARDED,
    ) -> None:
        self._load = load
        self._shard = shard
        self._clock = AzureClock()
        self._metrics = SelfMetrics()
        self._store = PageStore(self._metrics)
        self._reloading = threading.Lock()
        self._ending = False
        self._exit_code = OK
        self._collector = self._new_collector(None)
        self._web = WebServer(
            sockets,
            Site(
                store=self._store,
                metrics=self._metrics,
                telemetry_path=telemetry_path,
                ready=lambda: self._collector.ready,
                reload=self.reload if lifecycle else None,
                clock=self._clock,
                overview=lambda: self._collector.overview,
            ),
            policy_file,
        )

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; SIGHUP reloads. All three must be held back.

        Returns:
            The exit code: a fault if refreshing has ended by itself.
        """
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._web.start()
        self._collector.start(self._broken)
        log.info("listening", extra={"port": self._web.port, "scheme": self._web.scheme})
        while (received := signal.Signals(signal.sigwait(_SIGNALS))) not in _ENDING:
            log.info("reloading the configuration", extra={"signal": received.name})
            self.reload()
        log.info("stopping", extra={"signal": received.name})
        self._ending = True
        # A reload under way would else leave a collector behind that nobody stops.
        reload_ended = self._reloading.acquire(timeout=_RELOAD_SECONDS)
        self._collector.stop()
        if reload_ended:
            self._reloading.release()
        self._web.stop()
        return self._exit_code

    def _broken(self) -> None:
        """End the process: without refreshes the page would look well for ever."""
        self._exit_code = FAULT
        os.kill(os.getpid(), signal.SIGTERM)

    def reload(self) -> str:
        """Take the new configuration, or go on with the old one.

        Returns:
            What is wrong with the new one; empty when it is in force.
        """
        with self._reloading:
            if self._ending:
                return "the exporter is stopping"
            try:
                collector = self._new_collector(self._collector)
            except (ConfigError, ArmError) as error:
                self._metrics.config_ok.set(0)
                log.error("the old configuration stays in force: %s", error)  # noqa: TRY400 - no trace
                return str(error)
            except Exception as error:
                self._metrics.config_ok.set(0)
                log.exception("reloading broke")
                if self._collector.stopped:
                    self._broken()
                return str(error)
            self._collector = collector
            collector.start(self._broken)
            log.info("the new configuration is in force")
            return ""

    def _new_collector(self, previous: Collector | None) -> Collector:
        collector = Collector(
            self._load(),
            store=self._store,
            metrics=self._metrics,
            clock=self._clock,
            shard=self._shard,
            previous=previous,
        )
        self._metrics.config_ok.set(1)
        self._metrics.config_loaded_at.set(self._clock.now().timestamp())
        return collector
