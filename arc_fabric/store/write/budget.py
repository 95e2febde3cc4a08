"""The byte budget of what is on its way to storage, and the wait when it is full."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from arc_fabric.errors import StoreUnavailable


class ByteBudget:
    """Counts bytes in flight. One put is always let in when nothing else is in flight, however large. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._peak = 0
        self._waiting = 0
        self._changed = threading.Condition()

    def acquire(self, size: int, *, timeout: float | None, why: Callable[[], str]) -> float:
        """Take `size` bytes; returns the seconds waited. Raises StoreUnavailable when `timeout` passes first."""
        begin = time.monotonic()
        with self._changed:
            self._waiting += 1
            try:
                if not self._changed.wait_for(lambda: not self._used or self._used + size <= self.limit, timeout):
                    raise StoreUnavailable(
                        f"{self._used} bytes wait for storage, over the budget of {self.limit}: {why()}",
                        waiting_bytes=self._used,
                        budget=self.limit,
                    )
            finally:
                self._waiting -= 1
            self._add(size)
        return time.monotonic() - begin

    def adjust(self, difference: int) -> None:
        """Correct an estimate."""
        with self._changed:
            self._add(difference)
            self._changed.notify_all()

    def release(self, size: int) -> None:
        """Give back bytes that are stored."""
        self.adjust(-size)

    def state(self) -> dict[str, int]:
        """in_flight_bytes, peak_bytes, budget, waiting (puts held up)."""
        with self._changed:
            return {
                "in_flight_bytes": self._used,
                "peak_bytes": self._peak,
                "budget": self.limit,
                "waiting": self._waiting,
            }

    @property
    def pressed(self) -> bool:
        """More than half of the budget is in flight."""
        with self._changed:
            return self._used * 2 > self.limit

    def _add(self, size: int) -> None:
        self._used += size
        self._peak = max(self._peak, self._used)
