"""Deleting trees: records go at once, payloads are unwanted from then on and dropped by whoever keeps storage.

A tree is doomed by one script; from there on nothing changes it. Its records are erased in slices, by whoever deletes
it or, if that was cut off, by the janitor. Payloads get a tombstone each (arc_fabric/upkeep/unwanted.py), and the
collector takes what no other checkpoint refers to.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from arc_fabric.ledger.core import Core, keys
from arc_fabric.ledger.core.connection import texts

CLOSED_AT_ONCE, ERASED_AT_ONCE = 50, 200


class Erasing:
    """Trees on their way out."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def doom(self, tree_id: str, *, close: bool = False) -> None:
        """Delete a tree for good. It is brought back first where it rests.

        Raises NotFound, and Conflict while a session of it is open or a clip of it is being made, unless `close`: then
        its sessions are closed and their unfinished jobs cancelled.
        """
        more = True
        while more:
            more = self._core.scripts.run("trees/doom", tree_id, "1" if close else "", CLOSED_AT_ONCE)[0] == "more"

    def erase(self, tree_id: str, *, seconds: float) -> bool:
        """Erase what is left of a doomed tree, for at most so long; whether nothing is."""
        until = time.monotonic() + seconds
        while self._core.scripts.run("trees/erase", tree_id, ERASED_AT_ONCE)[0] == "more":
            if time.monotonic() > until:
                return False
        return True

    def doomed(self) -> list[str]:
        """Trees of which something is left to erase."""
        return sorted(texts(self._core.redis.smembers(keys.DOOMED)))

    def unwanted(self, limit: int) -> list[str]:
        """Checkpoints whose payloads are to be dropped, some of them."""
        return texts(self._core.redis.srandmember(keys.UNWANTED, limit) or ())

    def dropped(self, ids: Sequence[str]) -> None:
        """The payloads of these are dropped."""
        if ids:
            self._core.redis.srem(keys.UNWANTED, *ids)
