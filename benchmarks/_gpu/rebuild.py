"""Bringing back a KV: rebuilt from latents by the model, or loaded, from host memory and from object storage."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import torch

from arc_fabric.kv import frames_in_kv, rebuild_kv
from arc_fabric.manager import StateManager
from arc_fabric.models.contract import WorldModel
from arc_fabric.session import Session
from arc_fabric.state import KV_FIELDS, WorldStateSnapshot
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend
from benchmarks._snapshot.world import clock
from benchmarks.rows import Report, progress

ROUNDS = 3


def rebuild(report: Report, backend: Backend, model: WorldModel, rounds: int = ROUNDS) -> None:
    """At the last step of a window, where the KV is longest. The rebuilt KV must have the bits of the original."""
    name = model.identity().name
    if not model.abilities.rebuilds_kv:
        progress(f"  {name} does not rebuild its KV: nothing to measure")
        return
    store = SnapshotStore(backend, policy="full", host_cache_bytes=1 << 40, upload_budget_bytes=1 << 40)
    manager = StateManager(model, store=store)
    session = window_of(model, manager)
    snapshot = session.snapshot
    store.flush(600)
    original = [tensor.clone() for field in KV_FIELDS for tensor in getattr(snapshot, field)]
    prompts = [call.prompt for call in snapshot.calls]
    rebuilt = _median(rounds, lambda: rebuild_kv(model, snapshot, prompts))
    head = model.action_head
    same = all(map(torch.equal, original, [*head.kv_cache1, *head.kv_cache_neg]))
    host, cold = _loads(store, backend, model, snapshot, rounds)
    store.close()
    facts: dict[str, Any] = {"rebuild_s": rebuilt, "from_host_memory_s": host, "from_object_storage_s": cold,
                             "latent_frames": frames_in_kv(model, snapshot),
                             "bytes": sum(tensor.nbytes for tensor in original)}  # fmt: skip
    report.add(f"{name}: rebuild of the KV has the original's bits", float(same), "bool", at_least=1)
    report.add(f"{name}: rebuild of the KV / loading it from host memory", rebuilt / host, "ratio", baselines=facts)
    report.add(f"{name}: rebuild of the KV / loading it from object storage", rebuilt / cold, "ratio", baselines=facts)


def window_of(model: WorldModel, manager: StateManager) -> Session:
    """A session at the last step of its first window."""
    session = Session("bench", model, manager, "pick up the red cup", picture_for(model))
    for _ in range(model.geometry.steps_per_window):
        session.step()
    return session


def picture_for(model: WorldModel) -> np.ndarray:
    """A picture to begin with: a sample of the model, else noise of its size."""
    samples = getattr(model, "samples", dict)()
    if samples:
        return next(iter(samples.values()))
    size = (model.geometry.image_height, model.geometry.image_width, 3)
    return np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)


def _loads(
    store: SnapshotStore, backend: Backend, model: WorldModel, snapshot: WorldStateSnapshot, rounds: int
) -> tuple[float, float]:
    """Seconds to read the whole checkpoint onto the device: from host memory, then with nothing at hand."""
    checkpoint_id, device = snapshot.checkpoint_id, model.device
    for field in KV_FIELDS:
        setattr(snapshot, field, [])  # what lives on the device would only be shared
    model.action_head.kv_cache1, model.action_head.kv_cache_neg = [], []
    store.get(checkpoint_id, device)
    host = _median(rounds, lambda: store.get(checkpoint_id, device))

    def read() -> None:
        fresh = SnapshotStore(backend, host_cache_bytes=0)
        fresh.get(checkpoint_id, device)
        fresh.close()

    return host, _median(rounds, read)


def _median(rounds: int, work: Any) -> float:
    work()  # warm up
    return statistics.median(clock(work) for _ in range(rounds))
