"""Run the simulator alone: prints its URL and identity as one line of JSON, then serves."""

from __future__ import annotations

import argparse
import gc
import json
import re
import signal
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from exporter.simulator import RateLimit, Simulator, demo_fleet, sized_fleet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.simulator import Fleet

_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS: Final = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours"}
_STOP_SIGNALS: Final = {signal.SIGINT, signal.SIGTERM}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    options = _parser().parse_args(arguments)
    host, port = options.listen
    # Blocked before any thread starts, so that only sigwait takes them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    fleet = _fleet(options)
    # It stays; looking through it for garbage would only make answers late.
    gc.freeze()
    with Simulator(
        fleet=fleet,
        rate_limit=options.limit,
        latency=options.latency,
        host=host,
        port=port,
    ) as simulator:
        line = {"url": simulator.url, "environ": simulator.identity_environ}
        sys.stdout.write(f"{json.dumps(line)}\n")
        sys.stdout.flush()
        signal.sigwait(_STOP_SIGNALS)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m exporter.simulator", description=__doc__)
    parser.add_argument("--listen", type=_address, default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--fleet", default="demo", metavar="demo|sized:VAULTSxJOBS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=1.0, help="of the demo fleet")
    parser.add_argument(
        "--subscriptions",
        type=int,
        choices=range(1, 1001),
        metavar="COUNT",
        default=1,
        help="of a sized fleet",
    )
    parser.add_argument(
        "--locations",
        type=int,
        choices=range(1, 9),
        metavar="COUNT",
        default=1,
        help="of a sized fleet, at most 8",
    )
    parser.add_argument("--limit", type=_limit, metavar="READS/TIME", help="e.g. 150/1h")
    parser.add_argument("--latency", type=_span, default="0s", metavar="TIME", help="e.g. 50ms")
    return parser


def _fleet(options: argparse.Namespace) -> Fleet:
    if options.fleet == "demo":
        return demo_fleet(seed=options.seed, speed=options.speed)
    match = re.fullmatch(r"sized:(\d+)x(\d+)", options.fleet)
    if match is None:
        raise SystemExit(f"no such fleet: {options.fleet}")
    return sized_fleet(
        int(match[1]),
        int(match[2]),
        subscriptions=options.subscriptions,
        locations=options.locations,
        seed=options.seed,
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"not a time such as 50ms, 30s, 5m or 1h: {text}")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def _limit(text: str) -> RateLimit:
    requests, _, per = text.partition("/")
    if not requests.isdecimal():
        raise argparse.ArgumentTypeError(f"not a limit such as 150/1h: {text}")
    return RateLimit(int(requests), _span(per))


if __name__ == "__main__":
    sys.exit(main())
