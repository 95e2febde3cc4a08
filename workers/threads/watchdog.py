"""Ends a process that does not get on: one whose model step hangs, and one whose end hangs.

Threads cannot be stopped, processes can. The supervisor starts the worker again; the job of a hanging step is tried
once more elsewhere, and fails at its second deadline. A step of several jobs has as much longer; each of them is tried
again by itself.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from arc_fabric.base.threads import Rounds
from workers.process.process import WorkerProcess

log = logging.getLogger(__name__)
EXIT_DEADLINE = 70
STOP_TIMEOUT_S = 8.0
"""How long Celery may take to begin the orderly end, and to be gone after it. Its consumer may hang when it is told to
end while it connects to the broker again."""


class Watchdog(Rounds):
    """Looks at the running step, and for a wish to stop, a few times per second, until the process is gone.

    `stop_asked` says whether the process shall end; `end` does what must be done before.
    """

    def __init__(self, process: WorkerProcess, *, stop_asked: Callable[[], bool], end: Callable[[], None]) -> None:
        self._limit = process.settings.step_deadline_s
        super().__init__("watchdog", self._look, every_s=min(0.5, self._limit / 4))
        self._process = process
        self._stop_asked, self._end_process = stop_asked, end
        self._asked_at: float | None = None

    def _look(self) -> None:
        began = self._process.step_began
        if began is not None and time.monotonic() - began > self._limit * (1 + len(self._process.mates)):
            self._give_up()
        if self._stop_asked():
            self._see_to_the_end()

    def _see_to_the_end(self) -> None:
        """Celery was told to stop: let the running job give way, and end by ourselves if Celery does not."""
        process = self._process
        process.stopping.set()
        if self._asked_at is None or (process.ending.is_set() and not process.ended.is_set()):
            self._asked_at = time.monotonic()  # a long step is finished in peace: its limit is the step deadline
        if time.monotonic() - self._asked_at > STOP_TIMEOUT_S:
            log.warning("Celery does not end: ending in its place")
            try:
                self._end_process()
            finally:
                os._exit(os.EX_TEMPFAIL if process.draining else os.EX_OK)

    def _give_up(self) -> None:
        process, job_id = self._process, self._process.current_job
        log.error("a step of job %s takes longer than %g s: ending this process", job_id, self._limit)
        try:
            for one in (job_id, *process.mates) if job_id is not None else ():
                process.ledger.execution.note_deadline(one)
            process.ledger.leases.release(process.name, process.boot_id)
        except (RedisError, OSError) as error:
            log.warning("could not say goodbye: %s", error)
        os._exit(EXIT_DEADLINE)
