"""Moves the sessions of dead workers, closes those of vanished clients, sends lost tickets again, and compares what is
counted with the records, a slice at a time. Runs in every worker; one at a time acts."""

from __future__ import annotations

import logging
from collections.abc import Iterator

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
        self._slices: Iterator[int] = iter(())

    def round(self) -> int:
        """One sweep, if the role is ours; returns how many tickets were sent."""
        process = self._process
        if not process.ledger.leases.hold("reaper", process.boot_id, _ROLE_S):
            return 0
        jobs = process.ledger.execution.sweep()
        if jobs:
            log.info("sending %d tickets again", len(jobs))
            process.dispatcher.send_many(jobs)
        for session_id in process.ledger.sessions.lapse():
            log.info("closed %s: its client gave no sign of life", session_id)
        self._audit()
        return len(jobs)

    def _audit(self) -> None:
        audit = self._process.ledger.audit
        mended = audit.whole() if audit.is_due() else next(self._slices, None)
        if mended is None:
            self._slices = audit.slices()
        elif mended:
            log.warning("%d counters were not what the records say, and were put right", mended)
