"""One server with one page, for ``benchmarks.scraping``.

Prints its port and the seconds of CPU that the page took, serves until stopped.
"""

from __future__ import annotations

import argparse
import signal
import time

from prometheus_client import start_http_server

from benchmarks.estate import an_estate
from benchmarks.stock import stock_registry
from exporter.clock import SystemClock
from exporter.metrics.selfmetrics import SelfMetrics
from exporter.metrics.store import PageStore
from exporter.web.server import WebServer, bind
from exporter.web.site import Site


def main() -> None:
    """Serve a made-up estate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", choices=("ours", "stock"))
    parser.add_argument("vaults", type=int)
    parser.add_argument("items", type=int, help="of each vault")
    options = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    snapshots = an_estate(options.vaults, options.items)
    started = time.process_time()
    if options.server == "stock":
        server, _ = start_http_server(0, addr="127.0.0.1", registry=stock_registry(snapshots))
        port = server.server_port
    else:
        metrics = SelfMetrics()
        store = PageStore(metrics)
        publish = store.show([one.vault for one in snapshots])
        for one in snapshots:
            publish(one)
        # Of many vaults the page is made a little later.
        _ = store.page
        web = WebServer(
            bind("127.0.0.1:0"),
            Site(
                store=store,
                metrics=metrics,
                telemetry_path="/metrics",
                ready=lambda: True,
                reload=None,
                clock=SystemClock(),
            ),
        )
        web.start()
        port = web.port
    print(port, time.process_time() - started, flush=True)
    signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main()
