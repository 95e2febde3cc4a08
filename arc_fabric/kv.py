"""Bringing back the KV of a snapshot: read it from the store, or rebuild it from latents, whichever is faster.

Both costs are measured as they occur. A rebuild is checked, piece by piece, against what the store recorded of the
original; a difference is an error, never silent. Stored KV that turns out damaged is rebuilt, too, and logged as an
error: the bits are right, the storage is not.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from arc_fabric.base.present import present
from arc_fabric.errors import CheckpointUnavailable, DamagedSnapshot, KVRebuildMismatch
from arc_fabric.held.capture import Keeper
from arc_fabric.models.contract import (
    Conditioning,
    DeclaredModel,
    Model,
    PastStep,
    StepInput,
    WorldModel,
    is_declared,
    state_device,
)
from arc_fabric.models.contract.declared import RebuildsFromWorld
from arc_fabric.state import WorldStateSnapshot
from arc_fabric.store import SnapshotStore
from arc_fabric.store.format.manifest import Manifest, TensorRecord, is_rebuildable
from arc_fabric.store.format.pieces import cut, matches
from arc_fabric.store.snapshots import ReadCost

log = logging.getLogger(__name__)
WORTH_TRYING_S = 1.0
"""A rebuild whose cost is not known yet is tried once a read is expected to take longer than this."""


class KvRestorer:
    """Fills the caches of snapshots that came without them."""

    def __init__(self, model: Model, store: SnapshotStore, capture: Keeper) -> None:
        self._model = model
        self._store = store
        self._capture = capture
        self._rebuild_cost: float | None = None
        """Seconds per latent frame, as measured; None before the first rebuild."""

    @property
    def can_rebuild(self) -> bool:
        """Whether the model makes its caches anew, from a window's latents or from those of the whole world."""
        abilities = self._model.abilities
        return abilities.rebuilds_world if is_declared(self._model) else abilities.rebuilds_kv

    def fill(self, snapshot: WorldStateSnapshot) -> None:
        """Fill the snapshot's KV. The head must hold its `clip_feas` and `ys`; its KV and counters are undefined
        afterwards.

        Raises CheckpointUnavailable when the KV is neither stored nor can be rebuilt, DamagedSnapshot when it is
        damaged and cannot be rebuilt, and KVRebuildMismatch.
        """
        can_rebuild = self.can_rebuild
        cost = self._cost_of_reading(snapshot)
        if cost.available and not (can_rebuild and self._rebuild_is_faster(snapshot, cost.seconds)):
            try:
                self._read(snapshot, cost)
            except DamagedSnapshot as error:
                if not can_rebuild or not self._store.doubt_kv(error):
                    raise
                log.error("KV of %s: %s Rebuilding it from latents.", snapshot.checkpoint_id, error.message)
        if snapshot.has_kv:
            return
        if cost.available and not self._has_caches(snapshot):
            snapshot.kv_layers = 0
            return
        if not can_rebuild:
            raise CheckpointUnavailable(
                f"The KV cache of checkpoint {snapshot.checkpoint_id} is not stored and this model cannot rebuild it.",
                hint="Continue from a checkpoint whose KV is kept.",
                checkpoint_id=snapshot.checkpoint_id,
            )
        self.rebuild(snapshot)

    def _cost_of_reading(self, snapshot: WorldStateSnapshot) -> ReadCost:
        if snapshot.checkpoint_id is None or self._store.durability(snapshot.checkpoint_id) == "absent":
            return ReadCost(False, 0, 0.0)
        return self._store.read_cost(snapshot.checkpoint_id, state_device(self._model))

    def _has_caches(self, snapshot: WorldStateSnapshot) -> bool:
        """Whether its record names a KV at all; a model may have none."""
        return any(map(is_rebuildable, self._store.manifest(present(snapshot.checkpoint_id)).tensors))

    def _rebuild_is_faster(self, snapshot: WorldStateSnapshot, read_s: float) -> bool:
        if is_declared(self._model):
            return False  # from the whole world: its cost grows with every step
        if self._rebuild_cost is None:
            return read_s > WORTH_TRYING_S
        return self._rebuild_cost * frames_in_kv(self._model, snapshot) < read_s

    def _read(self, snapshot: WorldStateSnapshot, cost: ReadCost) -> None:
        """Read the KV; it stays empty when it was dropped from the store meanwhile."""
        started = time.perf_counter()
        tensors, _ = self._store.get(present(snapshot.checkpoint_id), state_device(self._model))
        snapshot.take_caches(tensors)
        seconds = time.perf_counter() - started
        log.info("KV of %s: read %d bytes from storage in %.3f s", snapshot.checkpoint_id, cost.storage_bytes, seconds)

    def rebuild(self, snapshot: WorldStateSnapshot) -> None:
        """Give a snapshot its KV from its latents, whatever is stored. Raises KVRebuildMismatch."""
        started = time.perf_counter()
        if is_declared(self._model):
            rebuild_world(self._model, self._store, self._capture, snapshot)
        else:
            rebuild_kv(self._model, snapshot, [call.prompt for call in snapshot.calls])
        held, _ = self._capture.take()
        named = {name: tensor for name, tensor in held.items() if is_rebuildable(name)}
        if snapshot.checkpoint_id is not None and self._store.durability(snapshot.checkpoint_id) != "absent":
            _verify(self._store.manifest(snapshot.checkpoint_id), named)
        seconds = time.perf_counter() - started
        if not is_declared(self._model):
            per_frame = seconds / frames_in_kv(self._model, snapshot)
            self._rebuild_cost = per_frame if self._rebuild_cost is None else 0.7 * self._rebuild_cost + 0.3 * per_frame
        snapshot.take_caches(named)
        log.info("KV of %s: rebuilt from latents in %.3f s", snapshot.checkpoint_id, seconds)


@torch.no_grad()
def rebuild_kv(model: WorldModel, snapshot: WorldStateSnapshot, prompts: Sequence[str]) -> None:
    """Refill the head's KV with the snapshot's window (the pending block excluded), call i under `prompts[i]`.

    The head must hold the snapshot's `clip_feas` and `ys`.
    """
    actions = present(snapshot.action_history)[-len(snapshot.calls) :].numpy()
    blocks = [Conditioning(prompts[0])]
    for prompt, call, action in zip(prompts[1:], snapshot.calls, actions, strict=False):
        state = None if call.state is None else np.asarray(call.state, np.float32)
        blocks.append(Conditioning(prompt, action, state))
    latents = present(snapshot.latent_video)[:, : frames_in_kv(model, snapshot)].transpose(1, 2)
    model.rebuild_kv(latents.contiguous().to(model.device), blocks)


def frames_in_kv(model: WorldModel, snapshot: WorldStateSnapshot) -> int:
    """Latent frames that the snapshot's KV holds: all of the window but the pending block."""
    return present(snapshot.latent_video).shape[1] - model.geometry.latents_per_block


def _equals(tensor: Tensor, record: TensorRecord) -> bool:
    """Whether a tensor has the shape and the bytes that were stored."""
    starts = itertools.accumulate((piece.extent for piece in record.pieces), initial=0)
    return tuple(tensor.shape) == record.shape and all(
        matches(cut(tensor, record.axis, start, piece.extent), piece)
        for start, piece in zip(starts, record.pieces, strict=False)
    )


def _verify(manifest: Manifest, tensors: dict[str, Tensor]) -> None:
    for name, record in manifest.tensors.items():
        if not is_rebuildable(name):
            continue
        tensor = tensors.get(name)
        if tensor is None or not _equals(tensor, record):
            raise KVRebuildMismatch(
                f"{name} of checkpoint {manifest.checkpoint_id}, rebuilt from latents, differs from the original.",
                hint="The model, its settings or the software changed since; restore under the original ones.",
                checkpoint_id=manifest.checkpoint_id,
                tensor=name,
            )


@torch.no_grad()
def rebuild_world(model: DeclaredModel, store: SnapshotStore, capture: Keeper, snapshot: WorldStateSnapshot) -> None:
    """Bring the model to where it was after this snapshot's step, by all steps of its world, read one by one from the
    root on. It costs as much as the world is long, so nothing does it where the caches can be read. Raises
    CheckpointUnavailable where a step was taken without a checkpoint, or its payload was deleted."""
    capture.reset()
    cast(RebuildsFromWorld, model).rebuild(_past(store, snapshot))


def _past(store: SnapshotStore, snapshot: WorldStateSnapshot) -> Iterator[PastStep]:
    ids: list[str] = []
    parent = snapshot.parent_checkpoint_id
    while parent is not None:
        ids.append(parent)
        parent = store.manifest(parent).meta["parent_checkpoint_id"]
    if len(ids) != snapshot.frame_index:
        raise CheckpointUnavailable(
            f"The world of step {snapshot.frame_index} has {len(ids)} checkpoints before it: a step was taken without.",
            hint="Step with auto_checkpoint=True where light checkpoints are kept.",
        )
    before: WorldStateSnapshot | None = None
    for checkpoint_id in reversed(ids):
        this = WorldStateSnapshot.from_entries(*store.get(checkpoint_id, "cpu", kv=False))
        if before is not None:
            yield PastStep(given_of(this, before), this.step_latents)
        before = this
    yield PastStep(given_of(snapshot, present(before)), snapshot.step_latents)


def first_picture(before: WorldStateSnapshot) -> np.ndarray | None:
    """What a world begins with after this snapshot, uint8 [H, W, 3]; None where it begins from its prompt alone."""
    return present(before.frames).numpy()[-1] if before.pictured else None


def given_of(snapshot: WorldStateSnapshot, before: WorldStateSnapshot) -> StepInput:
    """What the step to this snapshot was given."""
    action = snapshot.action_history if snapshot.action_source == "given" else None
    begins = before.is_root or snapshot.prompt_mode == "reset"
    return StepInput(
        snapshot.prompt_text,
        snapshot.seed,
        snapshot.frame_index,
        action=None if action is None else action[-1].numpy(),
        state=None if snapshot.state is None else np.asarray(snapshot.state, np.float32),
        picture=first_picture(before) if begins else None,
        observed=None if snapshot.observed is None else snapshot.observed.numpy(),
        embodiment_id=snapshot.embodiment_id,
        prompt_mode=None if snapshot.prompt_mode == "reset" else snapshot.prompt_mode,
        settings=snapshot.settings,
        begins=begins,
    )
