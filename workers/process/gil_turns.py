"""When the threads beside the model may work: while it computes, not between its calls.

Python code of other threads (copying the last step off, storing, showing and committing it) and the short Python parts
of a step take the interpreter's lock from each other, and each hand-over costs a wake-up. So between two steps of a job
the others wait for a moment, until the model leaves the interpreter (`on_compute`, see `arc_fabric.models.contract`).
"""

from __future__ import annotations

import threading

LONGEST_WAIT_S = 0.05
"""A thread waits no longer than this; who did opens them for all."""


class GilTurns:
    """Open, but for the time between two steps. All methods are safe to call from any thread."""

    def __init__(self) -> None:
        self.announced = False
        """Whether the model tells when it leaves the interpreter; they are never closed otherwise."""
        self._open = threading.Event()
        self._open.set()

    def close(self) -> None:
        """The task thread is about to run Python, and `open` follows soon."""
        if self.announced:
            self._open.clear()

    def open(self) -> None:
        """The task thread computes, or has nothing to do."""
        self._open.set()

    def wait(self) -> None:
        """Return once it is open, after `LONGEST_WAIT_S` at the latest."""
        if not self._open.wait(LONGEST_WAIT_S):
            self._open.set()
