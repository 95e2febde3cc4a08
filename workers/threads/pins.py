"""Keeps the pinned checkpoints of this worker in its host memory, as the ledger says.

The truth about pins is in the ledger; this thread makes the store follow it. Each pinned checkpoint is kept by one
worker: the owner of its session, else the one that made it, else any (see ledger/lua/workers/pins.lua), so that a dead
worker's pins are taken over at the next round.
"""

from __future__ import annotations

import logging
import time

from arc_fabric.base.threads import Rounds
from arc_fabric.errors import ArcFabricError
from workers.process.process import WorkerProcess
from workers.process.retry import OUTAGES

log = logging.getLogger(__name__)
ROUND_S = 1.0
_AGAIN_AFTER_S = 10.0
"""Pause after a checkpoint could not be pinned: it may be on its way from another worker, or storage may be down."""


class PinKeeper(Rounds):
    """Compares what the ledger wants with what the store keeps, once a second."""

    def __init__(self, process: WorkerProcess) -> None:
        super().__init__("pins", self.round, every_s=ROUND_S, outages=OUTAGES)
        self._process = process
        self._retry: dict[str, float] = {}

    def round(self) -> None:
        """Pin what is ours and new, unpin what no longer is."""
        runtime = self._process.runtime
        if runtime is None:
            return
        wanted = self._process.ledger.workers.pins_of(self._process.name)
        for checkpoint_id in runtime.store.pinned() - wanted:
            runtime.store.unpin(checkpoint_id)
        self._retry = {known: at for known, at in self._retry.items() if known in wanted}
        for checkpoint_id in wanted - runtime.store.pinned():
            if self.ending.is_set() or time.monotonic() < self._retry.get(checkpoint_id, 0.0):
                continue
            try:
                runtime.store.pin(checkpoint_id)
            except ArcFabricError as error:
                self._retry[checkpoint_id] = time.monotonic() + _AGAIN_AFTER_S
                log.info("%s cannot be kept at hand yet: %s", checkpoint_id, error)
