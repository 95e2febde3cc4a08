"""Frees what nobody needs in the object store: payloads that no node names, given pictures that neither a job nor a
node names, what the store's collector finds, and old KV beyond the storage budget.

A payload without a node is left when a worker died, or lost its session, between storing a step and committing it.
One that was stored before the ledger was first asked may have had a node in a ledger that was lost: it is left alone.
"""

from __future__ import annotations

import logging

from arc_fabric.ledger import Ledger
from arc_fabric.settings import Settings
from arc_fabric.store.backends import Backend
from arc_fabric.store.backends.marks import storage_time
from arc_fabric.store.format.manifest import MANIFEST, key_of
from arc_fabric.store.upkeep.collector import Collector
from arc_fabric.store.upkeep.scan import scan
from arc_fabric.upkeep.thinning import thin

log = logging.getLogger(__name__)
_CHUNK = 500


def collect(ledger: Ledger, backend: Backend, settings: Settings) -> None:
    """One pass. Raises StoreUnavailable and Redis errors; may be cut off and repeated."""
    grace_s = settings.gc_grace_s
    since = ledger.inputs.knows_since(storage_time(backend))
    orphans = bury_orphans(ledger, backend, grace_s)
    report = Collector(backend, grace_s=grace_s, named_inputs=ledger.inputs.named, inputs_since=since).run()
    thin(ledger, backend, settings)
    if orphans or report.condemned or report.deleted:
        log.info("collected: %d orphans, %d condemned, %d deleted", orphans, report.condemned, report.deleted)


def bury_orphans(ledger: Ledger, backend: Backend, grace_s: float) -> int:
    """Put a tombstone on stored checkpoints older than `grace_s` that are no node; returns how many.

    Only on those that the ledger would know if they were: an emptied Redis buries nothing.
    """
    found = scan(backend)
    now = storage_time(backend)
    since = ledger.inputs.knows_since(now)
    old = [
        checkpoint_id
        for checkpoint_id, manifest in found.manifests.items()
        if not manifest.deleted and since < found.objects[checkpoint_id][MANIFEST].modified < now - grace_s
    ]
    buried = 0
    for start in range(0, len(old), _CHUNK):
        chunk = old[start : start + _CHUNK]
        unknown = set(chunk) - ledger.nodes.known(chunk)
        if ledger.inputs.knows_since(now) != since:
            log.warning("Redis was emptied while orphans were looked for; the rest stays")
            break
        for checkpoint_id in unknown:
            manifest = found.manifests[checkpoint_id]
            backend.put(key_of(checkpoint_id, MANIFEST), manifest.tombstone().encode())
            for name in manifest.attachments:
                backend.delete(key_of(checkpoint_id, name))
            buried += 1
    return buried
