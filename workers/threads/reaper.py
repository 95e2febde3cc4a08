"""Moves the sessions of dead workers and sends lost tickets again. Runs in every worker; one at a time acts."""

from __future__ import annotations

import logging

from arc_fabric.base.threads import Rounds
from workers.process.process import WorkerProcess
from workers.process.retry import OUTAGES

log = logging.getLogger(__name__)
ROUND_S = 0.5
_ROLE_S = 2.0


class Reaper(Rounds):
    """A round every half second: with a lease of 3 s a dead worker is replaced within 4 s."""

    def __init__(self, process: WorkerProcess) -> None:
        super().__init__("reaper", self.round, every_s=ROUND_S, outages=OUTAGES)
        self._process = process

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
