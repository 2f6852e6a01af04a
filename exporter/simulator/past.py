"""What was there some time ago, for copies that lag behind."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from exporter.simulator import ticks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

K = TypeVar("K")
V = TypeVar("V")

# A result is read page by page while things change; nobody takes longer.
_GRACE: Final = 3600 * ticks.PER_SECOND


class Remembering(Generic[K, V]):
    """Values by key, now and as they were at any instant of the last while.

    Args:
        values: Those that have always been there.
        span: How far back it will be asked, in ticks; an hour more is kept.
    """

    def __init__(self, values: Mapping[K, V], span: int) -> None:
        self._values = dict(values)
        self._undo: deque[tuple[int, K, V | None]] = deque()
        self._kept = span + _GRACE

    def __iter__(self) -> Iterator[K]:
        return iter(self._values)

    def values(self) -> Iterator[V]:
        """All values now, in the order of their keys' coming."""
        return iter(self._values.values())

    def get(self, key: K) -> V | None:
        """The value now; None where there is none."""
        return self._values.get(key)

    def put(self, key: K, value: V, now: int) -> None:
        """Set a value."""
        self._remember(key, now)
        self._values[key] = value

    def remove(self, key: K, now: int) -> None:
        """Take a value out.

        Raises:
            KeyError: There is none.
        """
        if key not in self._values:
            raise KeyError(key)
        self._remember(key, now)
        del self._values[key]

    def at(self, instant: int) -> dict[K, V]:
        """All values as they were after the changes of an instant."""
        values = dict(self._values)
        for changed, key, before in reversed(self._undo):
            if changed <= instant:
                break
            if before is None:
                del values[key]
            else:
                values[key] = before
        return values

    def _remember(self, key: K, now: int) -> None:
        while self._undo and self._undo[0][0] < now - self._kept:
            self._undo.popleft()
        self._undo.append((now, key, self._values.get(key)))
