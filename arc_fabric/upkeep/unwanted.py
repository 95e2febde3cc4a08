"""Payloads of deleted trees: each gets a tombstone; the collector takes what no other checkpoint refers to."""

from __future__ import annotations

import time
from collections.abc import Sequence

from arc_fabric.ledger import Ledger
from arc_fabric.store.backends import Backend
from arc_fabric.store.format.manifest import MANIFEST, Manifest, key_of
from arc_fabric.store.upkeep.scan import manifests

PASS_S = 20.0
_AT_ONCE = 200


def bury(backend: Backend, ids: Sequence[str]) -> None:
    """Put a tombstone in the place of each manifest, and drop attachments. A damaged manifest goes, too: nothing could
    be restored by it. Raises StoreUnavailable; may be repeated."""
    for checkpoint_id, found in manifests(backend, ids):
        if found is None or (isinstance(found, Manifest) and found.deleted):
            continue
        manifest = found if isinstance(found, Manifest) else Manifest(checkpoint_id, None, time.time(), {}, {})
        backend.put(key_of(checkpoint_id, MANIFEST), manifest.tombstone().encode())
        for name in manifest.attachments:
            backend.delete(key_of(checkpoint_id, name))


def drop_unwanted(ledger: Ledger, backend: Backend, *, seconds: float = PASS_S) -> int:
    """Erase what is left of deleted trees and drop their payloads, for a while; how many payloads."""
    until, dropped = time.monotonic() + seconds, 0
    for tree_id in ledger.erasing.doomed():
        ledger.erasing.erase(tree_id, seconds=max(0.0, until - time.monotonic()))
    while time.monotonic() < until and (ids := ledger.erasing.unwanted(_AT_ONCE)):
        bury(backend, sorted(ids))
        ledger.erasing.dropped(ids)
        dropped += len(ids)
    return dropped
