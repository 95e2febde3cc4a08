"""Fork, swap and restore: what moves, and how fast against the medium's own speed."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import torch

from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend, MemoryBackend
from arc_fabric.store.format.manifest import TENSORS, key_of
from arc_fabric.store.read.ranged import Slot, runs
from benchmarks._snapshot.world import Shape, World, clock, dreamzero_5b
from benchmarks.rows import Report

ROUNDS = 5
FORKS = 300


def fork(report: Report, device: str) -> None:
    """Taking up an existing checkpoint whose state lives: bytes copied, and time at two sizes with as many tensors."""
    small, large = dreamzero_5b(4), Shape(4, 50 * 200, 24, (48, 10, 20), (1, 52, 9, 10, 20))
    times, moved, sizes = {}, 0, {}
    stores, worlds = {}, {}
    for name, shape in (("small", small), ("large", large)):
        stores[name] = SnapshotStore(MemoryBackend(), policy="light", host_cache_bytes=0)
        worlds[name] = World.start(shape, device, frames=2)
        stores[name].put("trunk", worlds[name].entries(), {})
        stores[name].flush()
        sizes[name], times[name] = worlds[name].size(), []
    for _ in range(FORKS):
        for name, store in stores.items():
            began = time.perf_counter()
            store.get("trunk", device)
            times[name].append(time.perf_counter() - began)
    for store in stores.values():
        read = store.usage()["read"]
        moved += read.get("moved_bytes", 0) + read.get("alive_bytes", 0)
        store.close()
    fast, slow = (statistics.median(times[name]) for name in ("small", "large"))
    report.add("fork: tensor bytes copied", moved, "bytes", at_most=0, baselines={"forks": 2 * FORKS})
    report.add("fork: time at a 2 GB state / at a 10 MB state", slow / fast, "ratio", at_most=1.1,
               baselines={"fork_us": 1e6 * slow, "bytes": sizes})  # fmt: skip


def swap(report: Report, shape: Shape, device: str) -> None:
    """Two sessions that share a trunk: going from one to the other moves only what they do not share."""
    store = SnapshotStore(MemoryBackend(), policy="full")
    trunk = World.start(shape, device, frames=3)
    store.put("trunk", trunk.entries(), {})
    branches = {name: trunk.step() for name in ("a", "b")}
    own = branches["b"].added_since(trunk)
    for name, world in branches.items():
        store.put(name, world.entries(), {}, parent_id="trunk")
    store.flush()
    whole = branches["b"].size()
    del trunk, world, branches
    held, _ = store.get("a", device)
    before = store.usage()["read"].get("moved_bytes", 0)
    store.get("b", device)
    moved = store.usage()["read"]["moved_bytes"] - before
    assert held
    store.close()
    report.add("swap between sessions with a shared trunk: bytes moved / the difference", moved / own, "ratio",
               at_most=1.02, baselines={"whole_state_ratio": whole / own, "difference_bytes": own})  # fmt: skip


def from_host(report: Report, shape: Shape, device: str) -> None:
    """A restore whose pieces are all in host memory, against one copy of as many bytes."""
    store = SnapshotStore(MemoryBackend(), policy="full", host_cache_bytes=8 << 30)
    size = _put_window(store, "host", shape, device)
    source = torch.empty(size, dtype=torch.uint8, pin_memory=torch.cuda.is_available()).fill_(1)
    ours, plain = [], []
    for _ in range(ROUNDS):
        plain.append(clock(lambda: torch.empty(size, dtype=torch.uint8, device=device).copy_(source)))
        ours.append(clock(lambda: store.get("host-3", device)))
    store.close()
    report.add("restore from host memory / one memcpy of the same bytes", _median(ours) / _median(plain), "ratio",
               at_most=1.25,
               baselines={"restore_s": _median(ours), "memcpy_s": _median(plain), "bytes": size})  # fmt: skip


def cold(report: Report, backend: Backend, shape: Shape, device: str) -> None:
    """A restore with nothing at hand, against parallel GETs of the same ranges by the same client, unchecked."""
    writer = SnapshotStore(backend, policy="full", host_cache_bytes=0)
    _put_window(writer, "cold", shape, device)
    slots = [Slot(piece, torch.empty(0)) for piece in writer.manifest("cold-3").pieces() if not piece.zero]
    size = sum(slot.piece.length for slot in slots)
    writer.close()
    ours, raw = [], []
    for _ in range(ROUNDS):
        raw.append(clock(lambda: _raw_get(backend, slots)))
        store = SnapshotStore(backend, host_cache_bytes=0)
        ours.append(clock(lambda s=store: s.get("cold-3", device)))
        store.close()
    report.add("cold restore from object storage / raw parallel GET", _median(ours) / _median(raw), "ratio",
               at_most=1.25,
               baselines={"restore_s": _median(ours), "raw_get_s": _median(raw), "bytes": size})  # fmt: skip


def _put_window(store: SnapshotStore, name: str, shape: Shape, device: str) -> int:
    """Store `<name>-0` to `<name>-3`, each a step after the one before; the bytes of the last."""
    world = World.start(shape, device)
    store.put(f"{name}-0", world.entries(), {})
    for i in range(1, 4):
        world = world.step()
        store.put(f"{name}-{i}", world.entries(), {}, parent_id=f"{name}-{i - 1}")
        store.flush()
    return world.size()


def _raw_get(backend: Backend, slots: list[Slot]) -> None:
    def read(run: list[Slot]) -> None:
        piece = run[0].piece
        buffer = bytearray(sum(slot.piece.length for slot in run))
        backend.readinto(key_of(piece.checkpoint, TENSORS), piece.offset, [memoryview(buffer)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, runs(slots)))


def _median(values: list[float]) -> float:
    return statistics.median(values)
