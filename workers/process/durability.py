"""Tells the ledger, from a thread of its own, which payloads are stored.

The store's callbacks come from its upload threads, which must not wait for Redis. An upload may overtake the commit
of its node: such reports are kept and given again until the node is there.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable
from contextlib import suppress

from arc_fabric.base.threads import Rounds
from arc_fabric.errors import ArcFabricError, StoreUnavailable
from arc_fabric.ledger import Ledger
from arc_fabric.store import SnapshotStore
from workers.process.retry import OUTAGES, REDIS_OUTAGE

log = logging.getLogger(__name__)
_RETRY_S = 0.05
_KEPT_S = 120.0
"""How long a report waits for its node; after that the janitor finds the payload."""


class DurabilityReporter:
    """Give `durable` and `failed` to the SnapshotStore as its callbacks; `forget` drops what was never committed."""

    def __init__(self, ledger: Ledger, on_loss: Callable[[str], None]) -> None:
        """`on_loss` hears why a checkpoint could not be stored from this process."""
        self._ledger = ledger
        self._on_loss = on_loss
        self._stored: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        self._dropped: queue.SimpleQueue[tuple[SnapshotStore, str]] = queue.SimpleQueue()
        self._early: dict[str, tuple[int, float]] = {}
        """What the ledger has not taken yet: its bytes, and until when (monotonic) it is told again."""
        self._threads = [
            Rounds("durability", self._report, outages=OUTAGES).start(),
            Rounds("forget", self._forget, outages=OUTAGES).start(),
        ]

    def durable(self, checkpoint_id: str, bytes_stored: int) -> None:
        """A checkpoint's manifest is stored; its objects have so many bytes."""
        self._stored.put((checkpoint_id, bytes_stored))

    def failed(self, checkpoint_id: str, error: Exception) -> None:
        """Storing failed for good, and with it all that shares its pieces. The node stays pending.

        This happens when a worker that was taken for dead stores a checkpoint which we make again at that moment.
        A fresh process sees what is stored, and makes the rest again.
        """
        self._on_loss(f"checkpoint {checkpoint_id} was not stored: {error}")

    def forget(self, store: SnapshotStore, checkpoint_id: str) -> None:
        """Delete the payload of a step that was not committed (cancelled or fenced)."""
        self._early.pop(checkpoint_id, None)
        self._dropped.put((store, checkpoint_id))

    def close(self, timeout: float = 5.0) -> None:
        """Report what is known, then end the threads."""
        deadline = time.monotonic() + timeout
        # What was stored before its node was committed is waiting in _early: it is known, too.
        while (not self._stored.empty() or self._early) and time.monotonic() < deadline:
            time.sleep(_RETRY_S)
        for thread in self._threads:
            thread.end(max(0.1, deadline - time.monotonic()))

    def _report(self) -> None:
        with suppress(queue.Empty):
            checkpoint_id, size = self._stored.get(timeout=_RETRY_S if self._early else 0.5)
            self._early[checkpoint_id] = size, time.monotonic() + _KEPT_S
        for checkpoint_id, (size, until) in list(self._early.items()):
            self._tell(checkpoint_id, size, until)

    def _tell(self, checkpoint_id: str, size: int, until: float) -> None:
        """One report. While Redis is away none is given up: the worker lives, so nobody else looks after its nodes."""
        try:
            known = self._ledger.nodes.set_durability(checkpoint_id, "durable", bytes_new=size)
        except REDIS_OUTAGE:
            self._early[checkpoint_id] = size, time.monotonic() + _KEPT_S
            raise
        if known or time.monotonic() > until:
            self._early.pop(checkpoint_id, None)

    def _forget(self) -> None:
        try:
            store, checkpoint_id = self._dropped.get(timeout=0.5)
        except queue.Empty:
            return
        try:
            store.delete_payload(checkpoint_id)
        except StoreUnavailable:
            self._dropped.put((store, checkpoint_id))
            raise
        except ArcFabricError as error:  # an orphan then: the collector removes it
            log.info("payload of %s stays: %s", checkpoint_id, error)
