"""Moves the sessions of dead workers and sends lost tickets again. Runs in every worker; one at a time acts."""

from __future__ import annotations

import logging
import threading

from redis.exceptions import RedisError

from workers.process.process import WorkerProcess

log = logging.getLogger(__name__)
ROUND_S = 0.5
_ROLE_S = 2.0


class Reaper(threading.Thread):
    """A round every half second: with a lease of 3 s a dead worker is replaced within 4 s."""

    def __init__(self, process: WorkerProcess) -> None:
        super().__init__(name="reaper", daemon=True)
        self._process = process
        self._ended = threading.Event()

    def run(self) -> None:
        """Make rounds until `end` is called."""
        while not self._ended.wait(ROUND_S):
            try:
                self.round()
            except (RedisError, OSError) as error:
                log.warning("reaper: %s", error)

    def round(self) -> int:
        """One sweep, if the role is ours; returns how many tickets were sent."""
        process = self._process
        if not process.ledger.leases.hold("reaper", process.boot_id, _ROLE_S):
            return 0
        jobs = process.ledger.execution.sweep()
        if jobs:
            log.info("sending %d tickets again", len(jobs))
            process.dispatcher.send_many(jobs)
        return len(jobs)

    def end(self) -> None:
        """Make no more rounds."""
        self._ended.set()
