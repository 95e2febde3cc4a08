"""Keeps the ledger and storage in agreement, and both within bounds. Runs in the media worker.

A node stays `pending` when its worker died between commit and upload, or between upload and report. Where the payload
is stored the node is marked; where it is not, and its worker is dead, another is asked to make it again.
"""

from __future__ import annotations

import logging
import time

from arc_fabric.base.threads import Rounds
from arc_fabric.resting.rest import rest_due
from arc_fabric.store.backends import Backend
from arc_fabric.store.format.manifest import MANIFEST, key_of
from arc_fabric.store.upkeep.index import Index
from arc_fabric.upkeep.collect import collect
from arc_fabric.upkeep.unwanted import drop_unwanted
from workers.process.process import WorkerProcess
from workers.process.retry import OUTAGES

log = logging.getLogger(__name__)
ROUND_S = 5.0
COLLECT_EVERY_S = 600.0
REST_EVERY_S = 60.0
_REMAKE_EVERY_S = 10.0
_PER_ROUND = 100
_LONG_S = 180.0
"""A node that is pending for so long is looked at also where its worker lives: the report may have been lost."""


class Janitor(Rounds):
    """A round every few seconds."""

    def __init__(self, process: WorkerProcess, backend: Backend) -> None:
        super().__init__("janitor", self._all, every_s=ROUND_S, outages=OUTAGES)
        self._process = process
        self._backend = backend
        self._index = Index(backend)

    def _all(self) -> None:
        self.round()
        self._bury()
        self._rest_now_and_then()
        self._collect_now_and_then()
        self._say_what_would_go()

    def round(self) -> None:
        """Look after the pending nodes of dead workers."""
        process = self._process
        if not process.ledger.leases.hold("janitor", process.boot_id, 3 * ROUND_S):
            return
        ledger = process.ledger
        lost = []
        for node in ledger.nodes.many(ledger.nodes.pending(_PER_ROUND)):
            alive = ledger.workers.is_alive(node.worker, node.boot)
            if alive and time.time() - node.created < _LONG_S:
                continue
            if self._backend.exists(key_of(node.id, MANIFEST)):
                ledger.nodes.set_durability(node.id, "durable")
            elif not alive:
                lost.append(node.id)
        # One request at a time: while workers are busy with other things, requests must not pile up.
        if lost and ledger.leases.hold("remake", f"{process.boot_id}-{time.time()}", _REMAKE_EVERY_S):
            process.dispatcher.remake(lost)

    def _bury(self) -> None:
        """What was deleted, and imports that were cut off: any janitor may, none waits for another."""
        self._process.ledger.imports.finish()
        dropped = drop_unwanted(self._process.ledger, self._backend)
        if dropped:
            log.info("dropped the payloads of %d checkpoints of deleted trees", dropped)

    def _rest_now_and_then(self) -> None:
        """Trees that nobody touched for long go to storage; one janitor at a time brings them there."""
        process = self._process
        after_s = process.settings.rest_after_s
        if after_s and process.ledger.leases.hold("rester", f"{process.boot_id}-{time.time()}", REST_EVERY_S):
            rested = rest_due(process.ledger, self._backend, after_s)
            if rested:
                log.info("%d trees rest now", rested)

    def _collect_now_and_then(self) -> None:
        """The collector is safe beside others, but one pass per period for all janitors is enough."""
        process = self._process
        if process.ledger.leases.hold("collector", f"{process.boot_id}-{time.time()}", COLLECT_EVERY_S):
            self._forget_jobs()
            collect(process.ledger, self._backend, process.settings, index=self._index)

    def _say_what_would_go(self) -> None:
        """The collector's dry run, for whoever asked over HTTP."""
        process = self._process
        ledger = process.ledger
        if ledger.freeable.asked() and ledger.leases.hold("freeable", process.boot_id, REST_EVERY_S):
            report = collect(ledger, self._backend, process.settings, dry_run=True, index=self._index)
            ledger.freeable.tell(report.in_short())

    def _forget_jobs(self) -> None:
        settings = self._process.settings
        forgotten = self._process.ledger.jobs.forget(older_than_s=settings.jobs_kept_s, more_than=settings.jobs_kept)
        if forgotten:
            log.info("forgot %d jobs that finished long ago", forgotten)
