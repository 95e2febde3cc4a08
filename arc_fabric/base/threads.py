"""Background threads, every one of them: none of ours is started anywhere else, and none ends silently.

`Rounds` is the form of nearly all: one short call, again and again. An error of a call is logged, and the thread goes
on after a pause; while it fails it is `sick`, which records and /readyz show. One that fails again and again, and not
because a server is away, cannot go on: the process hears of it (`SUPERVISOR.on_stuck`) and ends in order, to be started
again. `once` is for a single call beside the others.

>>> import threading
>>> seen, enough = [], threading.Event()
>>> def look() -> None:
...     seen.append(1)
...     if len(seen) < 3:
...         raise RecursionError("a manifest of 200,000 brackets")
...     enough.set()
>>> looking = Rounds("look", look, every_s=0.001, supervisor=Supervisor()).start()
>>> enough.wait(10), looking.end(10)
(True, True)
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Self

log = logging.getLogger(__name__)
SICK_AFTER, STUCK_AFTER = 2, 8
"""Failures in a row after which a thread counts as sick, and after which it cannot go on."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_OUTAGE_PAUSE_S = 1.0
"""Where a server is away its return shall be noticed soon."""


class Supervisor:
    """Knows the threads of one process and how they are. Thread-safe."""

    def __init__(self) -> None:
        self.on_stuck: Callable[[str], None] = lambda why: None
        """Hears why a thread cannot go on. A worker drains; a program that only uses the SDK has the log."""
        self._sick: dict[Rounds, str] = {}
        self._lock = threading.Lock()

    def sick(self) -> dict[str, str]:
        """What fails now: why, by the name of the thread."""
        with self._lock:
            return {rounds.name: why for rounds, why in self._sick.items()}

    def note(self, rounds: Rounds, why: str | None) -> None:
        """`rounds` fails, or (None) does not any more."""
        with self._lock:
            if why is None:
                self._sick.pop(rounds, None)
            else:
                self._sick[rounds] = why


SUPERVISOR = Supervisor()
"""This process's."""


class Rounds:
    """A daemon thread that makes one round, the call `make`, every `every_s` seconds until it is told to end.

    What a round raises of `outages` (a server is away) is waited out for as long as it takes.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], object],
        *,
        every_s: float = 0.0,
        outages: tuple[type[Exception], ...] = (),
        ending: threading.Event | None = None,
        supervisor: Supervisor = SUPERVISOR,
    ) -> None:
        self.name, self._make, self._every_s, self._outages = name, make, every_s, outages
        self._supervisor = supervisor
        self.ending = ending or threading.Event()
        """Set once the thread has been told to end; a round that waits shall look at it."""
        self._failures = self._defects = 0
        """In a row; defects are those that no server's absence explains."""
        self._thread = threading.Thread(target=self.run, name=name, daemon=True)

    def start(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def run(self) -> None:
        """The thread's own work; in the caller's thread where that has nothing else to do."""
        pause = 0.0
        while not self.ending.wait(pause):
            pause = self._one()
        self._supervisor.note(self, None)

    def well(self) -> None:
        """What failed is over. A round that lasts says so while it works; others have ended well."""
        if self._failures:
            log.info("%s: well again after %d failures", self.name, self._failures)
            self._failures = self._defects = 0
            self._supervisor.note(self, None)

    def end(self, timeout: float | None = None) -> bool:
        """Make no more rounds; True when the one that runs is over within `timeout` seconds (0: does not wait)."""
        self.ending.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _one(self) -> float:
        """One round; the pause after it."""
        try:
            self._make()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the thread outlives it
            return self._failed(error)
        self.well()
        return self._every_s

    def _failed(self, error: BaseException) -> float:
        self._failures += 1
        outage = isinstance(error, self._outages)
        if self._failures == 1 or not outage:
            log.warning("%s: %s: %s", self.name, type(error).__name__, error, exc_info=None if outage else error)
        if self._failures >= SICK_AFTER:
            self._supervisor.note(self, f"{type(error).__name__}: {error}"[:300])
        if outage:
            return max(self._every_s, min(_OUTAGE_PAUSE_S, self._every_s + 0.1 * self._failures))
        self._defects += 1
        if self._defects == STUCK_AFTER:
            self._supervisor.on_stuck(f"thread {self.name} fails again and again: {type(error).__name__}: {error}")
        return max(self._every_s, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._defects - 1, 10)))


class DaemonThread(threading.Thread):
    """One call in a thread that does not hold up the end of the process; what it raises is logged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"daemon": True})

    def run(self) -> None:
        """The call."""
        try:
            super().run()
        except Exception:
            log.exception("thread %s failed", self.name)


def once(name: str, call: Callable[[], object]) -> DaemonThread:
    """One call beside everything else, begun now."""
    thread = DaemonThread(target=call, name=name)
    thread.start()
    return thread


def told(pool: Executor, call: Callable[..., object], *args: Any) -> None:
    """Have a pool's thread do what nobody waits for: what it raises is logged."""
    pool.submit(call, *args).add_done_callback(_log_failure)


def _log_failure(done: Future[object]) -> None:
    error = None if done.cancelled() else done.exception()
    if error is not None:
        log.error("a call beside the others failed", exc_info=error)
