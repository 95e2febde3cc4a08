"""Bringing back the KV of a snapshot: read it from the store, or rebuild it from latents, whichever is faster.

Both costs are measured as they occur. A rebuild is checked, piece by piece, against what the store recorded of the
original; a difference is an error, never silent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from arc_fabric.errors import CheckpointUnavailable, KVRebuildMismatch
from arc_fabric.models.contract import Conditioning, WorldModel
from arc_fabric.state import KV_FIELDS, LIST_FIELDS, WorldStateSnapshot
from arc_fabric.store import SnapshotStore
from arc_fabric.store.manifest import Manifest, TensorRecord
from arc_fabric.store.pieces import cut, matches

log = logging.getLogger(__name__)
WORTH_TRYING_S = 1.0
"""A rebuild whose cost is not known yet is tried once a read is expected to take longer than this."""


class KvRestorer:
    """Fills `kv_cache` and `kv_cache_neg` of snapshots that came without them."""

    def __init__(self, model: WorldModel, store: SnapshotStore) -> None:
        self._model = model
        self._store = store
        self._read_cost: float | None = None
        """Seconds per byte."""
        self._rebuild_cost: float | None = None
        """Seconds per latent frame."""

    def fill(self, snapshot: WorldStateSnapshot) -> None:
        """Fill the snapshot's KV. The head must hold its `clip_feas` and `ys`; its KV and counters are undefined
        afterwards.

        Raises CheckpointUnavailable when the KV is neither stored nor can be rebuilt, and KVRebuildMismatch.
        """
        manifest = self._manifest(snapshot)
        size = _stored_kv_bytes(manifest)
        if self._model.abilities.rebuilds_kv and self._rebuild_is_faster(snapshot, size):
            self._rebuild(snapshot, manifest)
        elif size:
            self._read(snapshot, size)
        else:
            raise CheckpointUnavailable(
                f"The KV cache of checkpoint {snapshot.checkpoint_id} is not stored and this model cannot rebuild it.",
                hint="Continue from a checkpoint whose KV is kept.",
                checkpoint_id=snapshot.checkpoint_id,
            )

    def _manifest(self, snapshot: WorldStateSnapshot) -> Manifest | None:
        try:
            return self._store.manifest(snapshot.checkpoint_id) if snapshot.checkpoint_id else None
        except CheckpointUnavailable:
            return None

    def _rebuild_is_faster(self, snapshot: WorldStateSnapshot, size: int) -> bool:
        """Whether to rebuild; a read of `size` bytes is the alternative (0: there is none)."""
        if not size:
            return True
        read = size * (self._read_cost or 0.0)
        if self._rebuild_cost is None:
            return read > WORTH_TRYING_S
        return self._rebuild_cost * frames_in_kv(self._model, snapshot) < read

    def _read(self, snapshot: WorldStateSnapshot, size: int) -> None:
        started = time.perf_counter()
        tensors, _ = self._store.get(snapshot.checkpoint_id, self._model.device)
        seconds = time.perf_counter() - started
        self._read_cost = _smooth(self._read_cost, seconds / size)
        for name in KV_FIELDS:
            layers = sorted(key for key in tensors if key.startswith(LIST_FIELDS[name] + "/"))
            setattr(snapshot, name, [tensors[key] for key in layers])
        log.info("restored KV of %s by reading %d bytes in %.3f s", snapshot.checkpoint_id, size, seconds)

    def _rebuild(self, snapshot: WorldStateSnapshot, manifest: Manifest | None) -> None:
        started = time.perf_counter()
        rebuild_kv(self._model, snapshot, [call.prompt for call in snapshot.calls])
        head = self._model.action_head
        lists = {name: list(getattr(head, LIST_FIELDS[name])) for name in KV_FIELDS}
        if manifest is not None:
            _verify(manifest, {f"{LIST_FIELDS[n]}/{i:02d}": t for n in KV_FIELDS for i, t in enumerate(lists[n])})
        seconds = time.perf_counter() - started
        self._rebuild_cost = _smooth(self._rebuild_cost, seconds / frames_in_kv(self._model, snapshot))
        for name, layers in lists.items():
            setattr(snapshot, name, layers)
        log.info("restored KV of %s by rebuilding it in %.3f s", snapshot.checkpoint_id, seconds)


@torch.no_grad()
def rebuild_kv(model: WorldModel, snapshot: WorldStateSnapshot, prompts: Sequence[str]) -> None:
    """Refill the head's KV with the snapshot's window (the pending block excluded), call i under `prompts[i]`.

    The head must hold the snapshot's `clip_feas` and `ys`.
    """
    actions = snapshot.action_history[-len(snapshot.calls) :].numpy()
    blocks = [Conditioning(prompts[0])]
    for prompt, call, action in zip(prompts[1:], snapshot.calls, actions, strict=False):
        state = None if call.state is None else np.asarray(call.state, np.float32)
        blocks.append(Conditioning(prompt, action, state))
    latents = snapshot.latent_video[:, : frames_in_kv(model, snapshot)].transpose(1, 2)
    model.rebuild_kv(latents.contiguous().to(model.device), blocks)


def frames_in_kv(model: WorldModel, snapshot: WorldStateSnapshot) -> int:
    """Latent frames that the snapshot's KV holds: all of the window but the pending block."""
    return snapshot.latent_video.shape[1] - model.geometry.latents_per_block


def _stored_kv_bytes(manifest: Manifest | None) -> int:
    """Bytes of the stored KV; 0 when it is not stored whole."""
    records = _kv_records(manifest)
    return sum(r.nbytes for r in records.values()) if all(r.loadable for r in records.values()) else 0


def _kv_records(manifest: Manifest | None) -> dict[str, TensorRecord]:
    tensors = {} if manifest is None else manifest.tensors
    names = tuple(f"{LIST_FIELDS[name]}/" for name in KV_FIELDS)
    return {name: record for name, record in tensors.items() if name.startswith(names)}


def _verify(manifest: Manifest, tensors: dict[str, Tensor]) -> None:
    for name, record in _kv_records(manifest).items():
        tensor, at = tensors.get(name), 0
        good = tensor is not None and tuple(tensor.shape) == record.shape
        for piece in record.pieces:
            good = good and matches(cut(tensor, record.axis, at, piece.extent), piece)
            at += piece.extent
        if not good:
            raise KVRebuildMismatch(
                f"{name} of checkpoint {manifest.checkpoint_id}, rebuilt from latents, differs from the original.",
                hint="The model, its settings or the software changed since; restore under the original ones.",
                checkpoint_id=manifest.checkpoint_id,
                tensor=name,
            )


def _smooth(old: float | None, new: float) -> float:
    return new if old is None else 0.7 * old + 0.3 * new
