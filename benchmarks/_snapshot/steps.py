"""What a checkpoint costs the step: bytes, stall, wall; beside the obvious ways."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.distributed import checkpoint as dcp

from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend
from benchmarks._snapshot.world import Counting, Shape, World, clock
from benchmarks.rows import Report, progress

Save = Callable[[int, World], None]
FRAMES_AT_END = 7


def bytes_per_checkpoint(report: Report, backend: Backend, shape: Shape, device: str) -> None:
    """Bytes written (tensors file and manifest) for each step of a window over the bytes that step added."""
    counting = Counting(backend)
    store = SnapshotStore(counting, policy="full", host_cache_bytes=0)
    world = World.start(shape, device)
    store.put("bytes-0", world.entries(), {})
    store.flush()
    ratios = []
    for i in range(1, 4):
        parent, world = world, world.step()
        before = counting.written
        store.put(f"bytes-{i}", world.entries(), {}, parent_id=f"bytes-{i - 1}")
        store.flush()
        ratios.append((counting.written - before) / world.added_since(parent))
    store.close()
    baselines = {"full_copy_ratio": world.size() / world.added_since(parent), "step_bytes": world.added_since(parent)}
    report.add("bytes written per auto-checkpoint / bytes the step added (worst of 3)", max(ratios), "ratio",
               at_most=1.02, baselines=baselines)  # fmt: skip


def stall(report: Report, backend: Backend, shape: Shape, device: str) -> None:
    """The time put keeps the step path waiting at 7 latent frames, against a deep copy."""
    store = SnapshotStore(backend, policy="full", host_cache_bytes=0)
    before = World.start(shape, device, FRAMES_AT_END - 2)
    store.put("stall", before.entries(), {})
    store.flush()
    waits, copies = [], []
    for i in range(5):
        world = before.step()
        waits.append(clock(lambda w=world, i=i: store.put(f"stall-{i}", w.entries(), {}, parent_id="stall")))
        store.flush()
        copies.append(clock(world.copy))
    store.close()
    wait, copy = statistics.median(waits), statistics.median(copies)
    report.add("stall of the step path, deep copy / ours, at 7 latent frames", copy / wait, "times", at_least=20,
               baselines={"put_ms": 1e3 * wait, "deep_copy_ms": 1e3 * copy, "state_bytes": world.size()})  # fmt: skip


def wall(report: Report, backend: Backend, shape: Shape, device: str, step_s: float) -> None:
    """Four steps of a window, the model's time simulated, with and without an auto-checkpoint per step."""
    folder = Path(tempfile.mkdtemp(prefix="arc-bench-"))
    store = SnapshotStore(backend, policy="full", host_cache_bytes=1 << 30)
    none = _steps(shape, device, step_s, lambda i, world: None)
    ours = _steps(shape, device, step_s, lambda i, w: _put(store, i, w))
    drain = clock(store.flush)
    store.close()
    others, pending = {}, list[Any]()
    for name, save in _others(folder, pending).items():
        progress(f"  wall of {name}")
        others[name] = _steps(shape, device, step_s, save) / none
    for last in pending:
        last.result()
    shutil.rmtree(folder)
    report.add(
        f"wall of a step with auto-checkpoint / without ({step_s:g} s simulated model time)", ours / none, "ratio",
        at_most=1.05, baselines=others | {"step_s": none / 4, "upload_after_last_step_s": drain},
    )  # fmt: skip


def _put(store: SnapshotStore, i: int, world: World) -> None:
    store.put(f"wall-{i}", world.entries(), {}, parent_id=f"wall-{i - 1}" if i else None)


def _steps(shape: Shape, device: str, step_s: float, save: Save) -> float:
    """Seconds of four steps. The state's real allocations are made; the rest of the model's time is slept."""
    world, total = World.start(shape, device), 0.0
    for i in range(4):
        grown = world.step() if i else world
        began = time.perf_counter()
        time.sleep(step_s)
        save(i, grown)
        total += time.perf_counter() - began
        world = grown
    return total


def _others(folder: Path, pending: list[Any]) -> dict[str, Save]:
    """Ways to save that others have; `pending` holds what the last of them has begun and not ended."""

    def deep_copy_torch_save(i: int, world: World) -> None:
        torch.save(world.copy(), folder / f"{i}.pt")

    def safetensors_whole_file(i: int, world: World) -> None:
        save_file({name: tensor.contiguous() for name, tensor in world.tensors.items()}, folder / f"{i}.safetensors")

    def dcp_async_save(i: int, world: World) -> None:
        if pending:
            pending.pop().result()  # it allows one save at a time
        pending.append(dcp.async_save(dict(world.tensors), checkpoint_id=folder / f"dcp-{i}", no_dist=True))

    saves = (deep_copy_torch_save, safetensors_whole_file, dcp_async_save)
    return {f"{save.__name__}_ratio": save for save in saves}
