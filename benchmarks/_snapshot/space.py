"""What a tree takes in storage, and what is left when KV is not kept."""

from __future__ import annotations

from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend, MemoryBackend
from arc_fabric.store.upkeep.accounting import storage_usage
from benchmarks._snapshot.world import World, dreamzero_5b, dreamzero_14b
from benchmarks.rows import Report

BRANCHES = 32
REAL_LAYERS = 40


def tree(report: Report, backend: Backend, device: str) -> None:
    """A trunk of three checkpoints with 32 branches of one step: everything stored over the bytes that are unique."""
    before = storage_usage(backend)["bytes"]
    store = SnapshotStore(backend, policy="full", host_cache_bytes=0)
    trunk = World.start(dreamzero_5b(2), device)
    store.put("tree-0", trunk.entries(), {})
    unique, full = trunk.added_since(None), trunk.size()
    for i in (1, 2):
        parent, trunk = trunk, trunk.step()
        store.put(f"tree-{i}", trunk.entries(), {}, parent_id=f"tree-{i - 1}")
        unique, full = unique + trunk.added_since(parent), full + trunk.size()
    for i in range(BRANCHES):
        branch = trunk.step()
        store.put(f"branch-{i}", branch.entries(), {}, parent_id="tree-2")
        unique, full = unique + branch.added_since(trunk), full + branch.size()
    store.close(600)
    stored = storage_usage(backend)["bytes"] - before
    report.add(f"stored bytes of a {BRANCHES}-branch tree / unique bytes", stored / unique, "ratio", at_most=1.02,
               baselines={"full_copies_ratio": full / stored, "stored": stored, "unique": unique})  # fmt: skip


def light(report: Report, device: str) -> None:
    """Bytes a light checkpoint adds at 7 latent frames over the full state of 40 layers."""
    backend = MemoryBackend()
    store = SnapshotStore(backend, policy="light", host_cache_bytes=0)
    before = World.start(dreamzero_14b(1), device, frames=5)
    after = before.step()
    store.put("light-0", before.entries(), {})
    store.put("light-1", after.entries(), {}, parent_id="light-0")
    store.flush()
    stored = sum(info.size for info in backend.list("checkpoints/light-1/"))
    alone = store.manifest("light-1")
    whole = sum(p.length for p in alone.pieces() if p.checkpoint)
    kv = after.shape.frame_bytes() * 7 * REAL_LAYERS
    store.close()
    report.add("light snapshot / full state at 7 latent frames (14B shapes, 1 layer scaled to 40)",
               stored / kv, "ratio", baselines={"one_in": kv / stored, "light_bytes": stored, "full_bytes": kv,
                          "with_all_conditioning_one_in": kv / whole})  # fmt: skip
