"""Trees that rest: nodes and sessions that nobody touches go to object storage and come back when they are needed.

    objects   what a resting tree is in object storage: an index, chunks of nodes and sessions
    rest      from Redis to storage: the trees that are due
    bed       from storage to Redis, when the ledger needs a tree
    check     whether what rests is whole
    leftover  objects of trees that rest no more

What Redis knows meanwhile, and why either way can be cut off anywhere, is in `arc_fabric.ledger.trees.resting`.

    attach(ledger, backend)     # from here on this ledger finds trees that rest
"""

from __future__ import annotations

from arc_fabric.ledger import Ledger
from arc_fabric.resting.bed import StoreBed
from arc_fabric.store.backends import Backend


def attach(ledger: Ledger, backend: Backend) -> Ledger:
    """Tell a ledger where its trees rest."""
    ledger.core.bed = StoreBed(ledger.resting, backend)
    return ledger
