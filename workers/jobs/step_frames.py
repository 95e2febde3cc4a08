"""The frames and tensors of a step for processes without a model: from Redis while they are new, else from storage."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from arc_fabric.errors import CheckpointUnavailable
from arc_fabric.ledger import Ledger
from arc_fabric.media.frames import STRIP, unpack_strip
from arc_fabric.store.read.reader import SnapshotReader
from workers.process.retry import through_store_outages

T = TypeVar("T")
_PENDING_S = 60.0
"""How long a step that is on its way to storage is waited for."""


class StepFrames:
    """Reads what steps have made."""

    def __init__(self, ledger: Ledger, reader: SnapshotReader) -> None:
        self._ledger, self._reader = ledger, reader

    def frames(self, checkpoint_id: str) -> np.ndarray:
        """The frames a step added, uint8 [F, H, W, 3]."""
        kept = self._ledger.frames.strip(checkpoint_id)
        if kept is not None:
            return unpack_strip(kept)
        return unpack_strip(self.when_stored(checkpoint_id, lambda i: self._reader.attachment(i, STRIP)))

    def when_stored(self, checkpoint_id: str, read: Callable[[str], T]) -> T:
        """Read from storage, waiting a while for a checkpoint that is on its way there."""
        deadline = time.monotonic() + _PENDING_S
        while True:
            try:
                return through_store_outages(lambda: read(checkpoint_id))
            except CheckpointUnavailable:
                pending = self._ledger.nodes.get(checkpoint_id).durability == "pending"
                if not pending or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)
