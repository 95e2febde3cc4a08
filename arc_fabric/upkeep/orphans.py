"""Stored checkpoints that no node names.

A payload without a node is left when a worker died, or lost its session, between storing a step and committing it.
One that was stored before the ledger was first asked may have had a node in a ledger that was lost: it is left alone.
"""

from __future__ import annotations

import logging

from arc_fabric.ledger import Ledger
from arc_fabric.store.backends import Backend
from arc_fabric.store.backends.marks import storage_time
from arc_fabric.store.format.manifest import MANIFEST
from arc_fabric.store.upkeep.scan import Stored
from arc_fabric.upkeep.unwanted import bury

log = logging.getLogger(__name__)
UNCOMMITTED_S = 900.0
"""No step and no import takes that long from storing a checkpoint to naming it in the ledger."""
_CHUNK = 500
MOST = 20_000
"""Orphans that one pass looks for; the next one finds more."""


class Orphans:
    """Checkpoints older than `grace_s` seconds (and than any step under way) that are no node.

    Only such that the ledger would know if they were nodes: an emptied Redis makes no orphans, nor does another ledger
    on the same bucket (all that was stored until `since`, by the storage's clock, may be its). `look` takes in what is
    stored, one by one; `find` says which are orphans. What another checkpoint refers to stays stored, deleted or not.
    """

    def __init__(self, ledger: Ledger, backend: Backend, grace_s: float, *, since: float = 0.0) -> None:
        self._ledger, self._backend = ledger, backend
        self._now = storage_time(backend)
        self._since = ledger.inputs.knows_since(self._now)
        self._after = max(self._since, since)
        self._latest = self._now - max(grace_s, UNCOMMITTED_S)
        self._asking: dict[str, int] = {}
        self._found: dict[str, int] = {}
        self._ledger_lost = False

    def look(self, stored: Stored) -> None:
        """Take in one checkpoint. Raises Redis errors."""
        if len(self._found) < MOST and stored.living and self._after < stored.objects[MANIFEST].modified < self._latest:
            self._asking[stored.id] = stored.size
            if len(self._asking) == _CHUNK:
                self._ask()

    def find(self) -> dict[str, int]:
        """The orphans among what was looked at, and the bytes of their objects. Raises Redis errors."""
        self._ask()
        return self._found

    def delete(self) -> None:
        """Put a tombstone on each: the collector takes what no other checkpoint refers to. Raises StoreUnavailable."""
        bury(self._backend, sorted(self.find()))

    def _ask(self) -> None:
        asking, self._asking = self._asking, {}
        if not asking or self._ledger_lost:
            return
        known = self._ledger.nodes.known([*asking])
        self._ledger_lost = self._ledger.inputs.knows_since(self._now) != self._since
        if self._ledger_lost:
            log.warning("Redis was emptied while orphans were looked for; what it did not know stays")
        else:
            self._found |= {checkpoint_id: size for checkpoint_id, size in asking.items() if checkpoint_id not in known}
