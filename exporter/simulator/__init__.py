"""A simulated Azure Resource Manager with Azure Backup: for the demo, tests and benchmarks.

It knows Azure's side only: nothing here imports the product.
"""

from exporter.simulator.clock import ManualClock
from exporter.simulator.demo import demo_fleet
from exporter.simulator.faults import (
    MALFORMED_JOBS,
    Delay,
    EmptyList,
    Fault,
    ForeignNextLink,
    HtmlPage,
    HttpError,
    LoopingNextLink,
    MalformedJobs,
    Reset,
    ReshapedJobs,
    Stall,
    Throttled,
    TruncatedJson,
    WrongContentType,
)
from exporter.simulator.fleet import Fleet
from exporter.simulator.injections import Injection
from exporter.simulator.inventory import ProtectedItem, Redundancy, Vault, Workload
from exporter.simulator.limits import RateLimit
from exporter.simulator.recording import RecordedRequest
from exporter.simulator.schedule import Schedule
from exporter.simulator.simulator import Simulator
from exporter.simulator.sized import sized_fleet

__all__ = [
    "MALFORMED_JOBS",
    "Delay",
    "EmptyList",
    "Fault",
    "Fleet",
    "ForeignNextLink",
    "HtmlPage",
    "HttpError",
    "Injection",
    "LoopingNextLink",
    "MalformedJobs",
    "ManualClock",
    "ProtectedItem",
    "RateLimit",
    "RecordedRequest",
    "Redundancy",
    "Reset",
    "ReshapedJobs",
    "Schedule",
    "Simulator",
    "Stall",
    "Throttled",
    "TruncatedJson",
    "Vault",
    "Workload",
    "WrongContentType",
    "demo_fleet",
    "sized_fleet",
]
