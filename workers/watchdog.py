"""Ends a process whose model step hangs: threads cannot be stopped, processes can.

The supervisor starts the worker again; the job is tried once more elsewhere, and fails at its second deadline.
"""

from __future__ import annotations

import logging
import os
import threading
import time

from redis.exceptions import RedisError

from workers.process import WorkerProcess

log = logging.getLogger(__name__)
EXIT_DEADLINE = 70


class Watchdog(threading.Thread):
    """Looks at the running step a few times per second."""

    def __init__(self, process: WorkerProcess) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._process = process
        self._limit = process.settings.step_deadline_s
        self._ended = threading.Event()

    def run(self) -> None:
        """Until `end`, or until the process ends here."""
        while not self._ended.wait(min(0.5, self._limit / 4)):
            began = self._process.step_began
            if began is not None and time.monotonic() - began > self._limit:
                self._give_up()

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()

    def _give_up(self) -> None:
        process, job_id = self._process, self._process.current_job
        log.error("a step of job %s takes longer than %g s: ending this process", job_id, self._limit)
        try:
            if job_id is not None:
                process.ledger.note_deadline(job_id)
            process.ledger.release_lease(process.name, process.boot_id)
        except (RedisError, OSError) as error:
            log.warning("could not say goodbye: %s", error)
        os._exit(EXIT_DEADLINE)
