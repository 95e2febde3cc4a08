"""A declared model's caches from all steps of its world: for models whose memory depends on what it has let go of.

The steps are read one by one from the root on, what each was given and the latents that it gave; only ids are held of
all of them. It costs as much as the world is long, so nothing does it where the caches can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import torch

from arc_fabric.base.present import present
from arc_fabric.capture import Capture
from arc_fabric.errors import CheckpointUnavailable
from arc_fabric.models.contract import DeclaredModel, PastStep, StepInput
from arc_fabric.models.contract.declared import RebuildsFromWorld
from arc_fabric.state import WorldStateSnapshot
from arc_fabric.store import SnapshotStore


@torch.no_grad()
def rebuild_world(model: DeclaredModel, store: SnapshotStore, capture: Capture, snapshot: WorldStateSnapshot) -> None:
    """Bring the model to where it was after this snapshot's step. Raises CheckpointUnavailable where a step of the
    world was taken without a checkpoint, or its payload was deleted."""
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
        picture=present(before.frames).numpy()[-1] if begins else None,
        observed=None if snapshot.observed is None else snapshot.observed.numpy(),
        embodiment_id=snapshot.embodiment_id,
        prompt_mode=None if snapshot.prompt_mode == "reset" else snapshot.prompt_mode,
        begins=begins,
    )
