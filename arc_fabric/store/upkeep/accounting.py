"""Who pays for which bytes. Pure: manifests and object listings, no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from arc_fabric.store.backends.base import Backend
from arc_fabric.store.format.manifest import ROOT, Manifest

Place = tuple[str, int, int]


def node_bytes(manifests: Iterable[Manifest]) -> dict[str, Any]:
    """Bytes per checkpoint and over all of them.

    `nodes[id]`: `total` (what a restore gives), `new` (what its file added), `unique` (stored bytes that only this
    one of the given checkpoints refers to), `shared`. Over all: `stored` (distinct stored bytes), `full` (the sum
    of the totals: what full copies would take).
    """
    places = {m.checkpoint_id: _places(m) for m in manifests}
    users = Counter(place for of_one in places.values() for place in of_one)
    nodes = {
        m.checkpoint_id: {
            "total": m.bytes_total,
            "new": m.bytes_new,
            "unique": sum(place[2] for place in places[m.checkpoint_id] if users[place] == 1),
            "shared": sum(place[2] for place in places[m.checkpoint_id] if users[place] > 1),
        }
        for m in manifests
    }
    full = sum(node["total"] for node in nodes.values())
    return {"nodes": nodes, "stored": sum(place[2] for place in users), "full": full}


def storage_usage(backend: Backend) -> dict[str, Any]:
    """Objects and bytes in storage by kind of object. Lists everything: seconds for many thousand checkpoints."""
    objects: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for info in backend.list(ROOT):
        kind = info.key.rpartition("/")[2]
        objects[kind] += 1
        sizes[kind] += info.size
    kinds = {kind: {"objects": objects[kind], "bytes": sizes[kind]} for kind in sorted(objects)}
    return {"objects": objects.total(), "bytes": sizes.total(), "kinds": kinds}


def _places(manifest: Manifest) -> set[Place]:
    return {(p.checkpoint, p.offset, p.length) for p in manifest.pieces() if p.checkpoint}
