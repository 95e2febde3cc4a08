"""Tiers: what is at hand is not read again; budgets hold; pins keep; damage on the local disk is not believed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import MemoryBackend
from arc_fabric.store.format.manifest import Manifest, Piece, TensorRecord
from arc_fabric.store.read.manifest_cache import ManifestCache
from arc_fabric.store.tiers import DeviceTier, HostTier
from tests.store.faulty import FaultyBackend
from tests.store.states import State, kv_names, same_bits
from tests.support.waiting import eventually

Open = Callable[..., SnapshotStore]


def _stored(open_store: Open, backend: FaultyBackend, steps: int = 3) -> list[State]:
    store = open_store(backend)
    states = [State.root()]
    store.put("c0", states[0].entries(), {})
    for i in range(1, steps + 1):
        states.append(states[-1].step(i))
        store.put(f"c{i}", states[-1].entries(), {}, parent_id=f"c{i - 1}")
    store.flush(10)
    return [state.clone() for state in states]


def _read_bytes(backend: FaultyBackend) -> int:
    return sum(length for key, _, length in backend.reads if key.endswith(".safetensors"))


def test_a_living_tensor_comes_back_itself(open_store: Open) -> None:
    """A restore of a state that is still alive copies nothing."""
    store, state = open_store(FaultyBackend()), State.root()
    store.put("a", state.entries(), {})
    store.flush(10)
    again, _ = store.get("a")
    alive = {id(tensor) for tensor in state.tensors.values()}
    assert same_bits(again, state.tensors) and all(id(tensor) in alive for tensor in again.values())


def test_a_restore_reads_only_what_is_not_alive(open_store: Open) -> None:
    """With the trunk alive, restoring a sibling reads only its own step; swapping moves only the difference."""
    backend = FaultyBackend()
    states = _stored(open_store, backend)
    store = open_store(backend, host_cache_bytes=0)
    trunk, _ = store.get("c2")
    backend.reads.clear()
    tip, _ = store.get("c3")
    assert same_bits(tip, states[3].tensors) and trunk
    grown = sum(states[3].tensors[n].nbytes - states[2].tensors[n].nbytes for n in kv_names())
    assert _read_bytes(backend) == grown + states[3].tensors["step_latents"].nbytes


def test_host_memory_is_asked_before_storage(open_store: Open) -> None:
    """A second cold restore reads nothing from storage."""
    backend = FaultyBackend()
    states = _stored(open_store, backend)
    store = open_store(backend)
    first, _ = store.get("c3")
    size = sum(tensor.nbytes for name, tensor in first.items() if "cross" not in name)
    eventually(lambda: store.usage()["host"]["bytes"] >= size)
    del first
    backend.reads.clear()
    assert same_bits(store.get("c3")[0], states[3].tensors)
    assert _read_bytes(backend) == 0


def test_budgets_hold_and_an_evicted_checkpoint_is_restored_from_below(open_store: Open, tmp_path: Path) -> None:
    """Host memory overflows to the disk tier, that to nothing; every checkpoint still restores."""
    backend = FaultyBackend()
    states = _stored(open_store, backend)
    options = {"host_cache_bytes": 3000, "disk_cache_bytes": 5000, "disk_cache_dir": tmp_path / "cache"}
    store = open_store(backend, **options)
    for _ in range(2):
        for i, state in enumerate(states):
            assert same_bits(store.get(f"c{i}")[0], state.tensors)
            usage = store.usage()
            assert usage["host"]["bytes"] <= 3000 and usage["disk"]["bytes"] <= 5000
    assert store.usage()["host"]["evictions"] > 0


def test_the_disk_tier_serves_and_is_not_believed_when_damaged(open_store: Open, tmp_path: Path) -> None:
    """Pieces evicted to disk are read from there; a flipped bit there sends the read to storage."""
    backend = FaultyBackend()
    options = {"host_cache_bytes": 0, "disk_cache_bytes": 1 << 20, "disk_cache_dir": tmp_path / "cache"}
    store, state = open_store(backend, **options), State.root()
    store.put("a", state.entries(), {})
    store.flush(10)
    store.close()
    store = open_store(backend, **options)
    assert store.usage()["disk"]["pieces"] > 0
    backend.reads.clear()
    assert same_bits(store.get("a")[0], state.tensors)
    assert _read_bytes(backend) == 0
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    store = open_store(backend, **options)
    assert same_bits(store.get("a")[0], state.tensors)
    assert _read_bytes(backend) > 0


def test_a_pinned_checkpoint_stays_in_host_memory(open_store: Open) -> None:
    """Pin brings it up and keeps it over the budget; unpin lets it go."""
    backend = FaultyBackend()
    states = _stored(open_store, backend)
    store = open_store(backend, host_cache_bytes=0)
    store.pin("c3")
    backend.down = True
    assert same_bits(store.get("c3")[0], states[3].tensors)
    assert store.usage()["host"]["pinned_checkpoints"] == 1
    store.unpin("c3")
    assert store.usage()["host"]["bytes"] == 0


def test_evicting_leaves_a_checkpoint_restorable(open_store: Open) -> None:
    """evict drops host copies of what the checkpoint added."""
    backend = FaultyBackend()
    store, state = open_store(backend), State.root()
    store.put("a", state.clone().entries(), {})
    store.flush(10)
    assert store.usage()["host"]["bytes"] > 0
    store.evict("a")
    assert store.usage()["host"]["bytes"] == 0
    assert same_bits(store.get("a")[0], state.tensors)


def test_bytes_are_told_apart_by_who_needs_them(open_store: Open) -> None:
    """Two branches of one trunk: stored bytes count once, each branch's own are unique to it."""
    store, trunk = open_store(FaultyBackend()), State.root()
    store.put("t", trunk.entries(), {})
    for name, seed in (("x", 1), ("y", 2)):
        store.put(name, trunk.step(seed).entries(), {}, parent_id="t")
    store.flush(10)
    found = store.node_bytes(["t", "x", "y"])
    nodes = found["nodes"]
    assert nodes["x"]["unique"] == nodes["x"]["new"]
    assert found["stored"] == sum(node["new"] for node in nodes.values())
    assert found["full"] == sum(node["total"] for node in nodes.values()) > found["stored"]


def test_a_tensor_written_in_place_is_not_believed() -> None:
    """The device tier forgets a tensor whose version moved on."""
    tier, tensor = DeviceTier(0), torch.zeros(4)
    tier.remember(tensor, TensorRecord("x", "F32", (4,), None, 1, (Piece(1, 16, "d"),)))
    assert tier.record_of(tensor) is not None
    tensor.add_(1)
    assert tier.record_of(tensor) is None


def test_the_least_recently_used_piece_goes_first() -> None:
    """Using a piece saves it."""
    tier = HostTier(20)
    for name in ("a", "b"):
        tier.put(name, torch.zeros(10, dtype=torch.uint8))
    tier.get("a")
    tier.put("c", torch.zeros(10, dtype=torch.uint8))
    assert tier.has("a") and not tier.has("b") and tier.has("c")


def test_manifests_are_kept_within_bytes_not_by_number() -> None:
    """Larger ones leave room for fewer, the latest stay."""
    piece = Piece(1, 8, "d", checkpoint="c", key="k")

    def manifests(count: int, pieces: int) -> list[Manifest]:
        record = TensorRecord("t", "F32", (pieces,), 0, 1, (piece,) * pieces)
        return [Manifest(f"c{i}-{pieces}", None, 0.0, {"t": record}, {}) for i in range(count)]

    kept = {}
    for pieces in (1, 100):
        cache, made = ManifestCache(MemoryBackend(), budget=1 << 20), manifests(400, pieces)
        for manifest in made:
            cache.add(manifest)
        kept[pieces] = sum(cache.known(manifest.checkpoint_id) is not None for manifest in made)
        assert cache.known(made[-1].checkpoint_id) is made[-1]
    assert 100 < kept[1] < 400
    assert 5 < kept[100] < 30
