"""Stored checkpoints that no node names.

A payload without a node is left when a worker died, or lost its session, between storing a step and committing it.
One that was stored before the ledger was first asked may have had a node in a ledger that was lost: it is left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from arc_fabric.ledger import Ledger
from arc_fabric.store.backends import Backend
from arc_fabric.store.backends.marks import storage_time
from arc_fabric.store.format.manifest import MANIFEST, Manifest, key_of
from arc_fabric.store.upkeep.scan import scan

log = logging.getLogger(__name__)
UNCOMMITTED_S = 900.0
"""No step and no import takes that long from storing a checkpoint to naming it in the ledger."""
_CHUNK = 500


@dataclass(frozen=True)
class Orphans:
    """Manifests by checkpoint id, and the bytes of their objects. What another checkpoint refers to stays stored."""

    manifests: Mapping[str, Manifest]
    bytes: int


def find_orphans(ledger: Ledger, backend: Backend, grace_s: float) -> Orphans:
    """Stored checkpoints older than `grace_s` seconds (and than any step under way) that are no node.

    Only such that the ledger would know if they were nodes: an emptied Redis makes no orphans.
    """
    found = scan(backend)
    now = storage_time(backend)
    since = ledger.inputs.knows_since(now)
    latest = now - max(grace_s, UNCOMMITTED_S)
    old = [
        checkpoint_id
        for checkpoint_id, manifest in found.manifests.items()
        if not manifest.deleted and since < found.objects[checkpoint_id][MANIFEST].modified < latest
    ]
    unknown: set[str] = set()
    for start in range(0, len(old), _CHUNK):
        chunk = old[start : start + _CHUNK]
        strangers = set(chunk) - ledger.nodes.known(chunk)
        if ledger.inputs.knows_since(now) != since:
            log.warning("Redis was emptied while orphans were looked for; what it did not know stays")
            break
        unknown |= strangers
    return Orphans(
        {checkpoint_id: found.manifests[checkpoint_id] for checkpoint_id in sorted(unknown)},
        sum(info.size for checkpoint_id in unknown for info in found.objects[checkpoint_id].values()),
    )


def delete_orphans(backend: Backend, orphans: Orphans) -> None:
    """Put a tombstone on each: the collector takes what no other checkpoint refers to."""
    for checkpoint_id, manifest in orphans.manifests.items():
        backend.put(key_of(checkpoint_id, MANIFEST), manifest.tombstone().encode())
        for name in manifest.attachments:
            backend.delete(key_of(checkpoint_id, name))
