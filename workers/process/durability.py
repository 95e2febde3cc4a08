"""Tells the ledger, from a thread of its own, which payloads are stored.

The store's callbacks come from its upload threads, which must not wait for Redis. An upload may overtake the commit
of its node: such reports are kept and given again until the node is there.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from arc_fabric.errors import ArcFabricError
from arc_fabric.ledger import Ledger
from arc_fabric.store import SnapshotStore
from workers.process.retry import REDIS_OUTAGE

log = logging.getLogger(__name__)
_RETRY_S = 0.05
_KEPT_S = 120.0
"""How long a report waits for its node or for Redis; after that the janitor finds the payload."""


class DurabilityReporter:
    """Give `durable` and `failed` to the SnapshotStore as its callbacks; `forget` drops what was never committed."""

    def __init__(self, ledger: Ledger, on_loss: Callable[[str], None]) -> None:
        """`on_loss` hears why a checkpoint could not be stored from this process."""
        self._ledger = ledger
        self._on_loss = on_loss
        self._stored: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._dropped: queue.SimpleQueue[tuple[SnapshotStore, str]] = queue.SimpleQueue()
        self._early: dict[str, float] = {}
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._report, name="durability", daemon=True),
            threading.Thread(target=self._forget, name="forget", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def durable(self, checkpoint_id: str) -> None:
        """A checkpoint's manifest is stored."""
        self._stored.put(checkpoint_id)

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
        self._ended.set()
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))

    def _report(self) -> None:
        while not self._ended.is_set():
            try:
                checkpoint_id = self._stored.get(timeout=_RETRY_S if self._early else 0.5)
            except queue.Empty:
                self._again()
            else:
                self._tell(checkpoint_id, time.monotonic() + _KEPT_S)

    def _again(self) -> None:
        for checkpoint_id, until in list(self._early.items()):
            if time.monotonic() < until:
                self._tell(checkpoint_id, until)
            else:
                self._early.pop(checkpoint_id, None)

    def _tell(self, checkpoint_id: str, until: float) -> None:
        try:
            known = self._ledger.nodes.set_durability(checkpoint_id, "durable")
        except REDIS_OUTAGE as error:
            log.warning("cannot report %s as durable yet: %s", checkpoint_id, error)
            known = False
        if known:
            self._early.pop(checkpoint_id, None)
        else:
            self._early.setdefault(checkpoint_id, until)

    def _forget(self) -> None:
        while not self._ended.is_set():
            try:
                store, checkpoint_id = self._dropped.get(timeout=0.5)
            except queue.Empty:
                continue
            try:
                store.delete_payload(checkpoint_id)
            except ArcFabricError as error:  # an orphan then: the collector removes it
                log.info("payload of %s stays: %s", checkpoint_id, error)
