"""Work in threads of its own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from exporter.threads import begin


def test_work_that_nobody_waits_for_any_more_ends_in_silence() -> None:
    """A stop while files are read; an error in that thread would be a traceback at each stop."""
    release, ended = threading.Event(), threading.Event()

    def work() -> None:
        release.wait(10)
        ended.set()

    async def give_up() -> None:
        future = begin("test", work)
        waiting = asyncio.ensure_future(asyncio.wrap_future(future))
        await asyncio.sleep(0.05)
        waiting.cancel()
        release.set()
        await asyncio.sleep(0.05)
        assert future.done()

    asyncio.run(give_up())
    assert ended.wait(10)


def test_a_fault_of_the_work_is_raised_where_it_is_waited_for() -> None:
    def work() -> None:
        raise OSError("no such file")

    with pytest.raises(OSError, match="no such file"):
        begin("test", work).result(10)
