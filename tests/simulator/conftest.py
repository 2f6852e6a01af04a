from collections.abc import Iterator

import pytest

from exporter.simulator import ManualClock, Simulator, sized_fleet

from .client import ANCHOR, Client


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(ANCHOR)


@pytest.fixture
def simulator(clock: ManualClock) -> Iterator[Simulator]:
    """One vault with 10 finished jobs."""
    with Simulator(fleet=sized_fleet(1, 10, anchor=ANCHOR), clock=clock) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Client]:
    with Client(simulator) as client:
        yield client
