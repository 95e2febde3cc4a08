"""The store's way between device and host, beside a plain pinned copy and `.cpu().clone()` of the same bytes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from arc_fabric.store import SnapshotStore, TensorEntry
from arc_fabric.store.backends import Backend, MemoryBackend, ObjectInfo
from arc_fabric.store.backends.base import Buffer
from arc_fabric.store.format.manifest import TENSORS
from benchmarks._snapshot.world import Shape, World, clock
from benchmarks.rows import Report

ROUNDS = 3
CHECKPOINT = "whole"


class Sink(Backend):
    """Storage that costs nothing: the tensors' bytes are dropped, everything else is kept."""

    def __init__(self) -> None:
        self._kept = MemoryBackend()

    def put(self, key: str, parts: Buffer | Sequence[Buffer]) -> None:
        self._kept.put(key, b"" if key.endswith(TENSORS) else parts)

    def readinto(self, key: str, offset: int, buffers: Sequence[memoryview]) -> None:
        self._kept.readinto(key, offset, buffers)

    def rest(self, key: str, offset: int) -> bytes:
        return self._kept.rest(key, offset)

    def stat(self, key: str) -> ObjectInfo:
        return self._kept.stat(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._kept.list(prefix)

    def delete(self, key: str) -> None:
        self._kept.delete(key)


def copies(report: Report, shape: Shape, device: str, frames: int, rounds: int = ROUNDS) -> None:
    """A state at `frames` latent frames, whole, to the host and back. The store also finds zeros, computes fingerprints
    and digests, and checks nothing less on the way back."""
    world = World.start(shape, device, frames=frames)
    kv = [world.tensors[name] for name in world.kv_names()]
    size = sum(tensor.nbytes for tensor in kv)
    pinned = [torch.empty(t.shape, dtype=t.dtype, pin_memory=torch.cuda.is_available()) for t in kv]
    plain = {
        "pinned_copy": _median(rounds, lambda: _copy(kv, pinned)),
        "cpu_clone": _median(rounds, lambda: [tensor.cpu().clone() for tensor in kv]),
    }
    back = _median(rounds, lambda: [tensor.to(device, non_blocking=True, copy=True) for tensor in pinned])
    pinned.clear()
    off, on, whole = [], [], world.size()
    for _ in range(rounds):
        off_s, on_s = _through_the_store(world, device)
        off.append(off_s)
        on.append(on_s)
    _row(report, "device to host through the store / a pinned copy", statistics.median(off), whole, plain, size)
    _row(report, "host to device through the store / a pinned copy", statistics.median(on), whole,
         {"pinned_copy": back}, size)  # fmt: skip


def _row(
    report: Report, name: str, seconds: float, store_bytes: int, plain: dict[str, float], plain_bytes: int
) -> None:
    """A ratio of rates (1 = as fast as the plain copy, 2 = half as fast), with all rates in GB/s."""
    rates = {f"{what}_GB_per_s": plain_bytes / s / 1e9 for what, s in plain.items()}
    ours = store_bytes / seconds / 1e9
    report.add(name, rates["pinned_copy_GB_per_s"] / ours, "ratio",
               baselines={"store_GB_per_s": ours, **rates, "bytes": plain_bytes})  # fmt: skip


def _through_the_store(world: World, device: str) -> tuple[float, float]:
    """Seconds to take a checkpoint off the device with storage that costs nothing, and to bring it back while no
    tensor of it is on the device any more."""
    store = SnapshotStore(Sink(), policy="full", host_cache_bytes=1 << 40, upload_budget_bytes=1 << 40)
    try:
        # The store knows tensors by identity: other ones with the same bytes must come from the host.
        entries = [_moved(entry) for entry in world.entries()]
        off = clock(lambda: (store.put(CHECKPOINT, entries, {}), store.flush(600)))
        entries.clear()
        on = clock(lambda: store.get(CHECKPOINT, device))
    finally:
        store.close()
    return off, on


def _moved(entry: TensorEntry) -> TensorEntry:
    return replace(entry, tensor=entry.tensor.clone())


def _copy(sources: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source, non_blocking=True)


def _median(rounds: int, work: Callable[[], object]) -> float:
    work()  # warm up
    return statistics.median(clock(work) for _ in range(rounds))
