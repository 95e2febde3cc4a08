"""The lineage of one session: its checkpoints from the root to the head, and their video frames.

Ancestors made by other sessions or processes are found by walking `parent_checkpoint_id` in the store, when
asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arc_fabric.base.frames import frame_count, place_in_step, step_of
from arc_fabric.base.present import present
from arc_fabric.errors import CheckpointUnavailable, FrameNotFound
from arc_fabric.manager import StateManager
from arc_fabric.state import WorldStateSnapshot

KEPT_STEPS = 32
"""Steps whose frames stay in memory; older ones are read from the store again."""
KNOWN_STEPS = 4096
"""Steps whose checkpoint is known without the store; older ones are found by walking up from these."""


@dataclass
class _Step:
    """One step of the lineage."""

    checkpoint_id: str | None
    parent_id: str | None
    """The nearest checkpointed step before it."""
    frames: np.ndarray | None
    """None once they are to be read from the store."""


class Trajectory:
    """The steps root..head of one session. Ancestors are looked up only when asked for."""

    def __init__(self, manager: StateManager, head: WorldStateSnapshot) -> None:
        self._manager = manager
        self._steps: dict[int, _Step] = {}
        self.append(head)

    def append(self, snapshot: WorldStateSnapshot) -> None:
        """Note a step that was taken; it is the head now."""
        self._head = snapshot.frame_index
        frames = present(snapshot.frames).numpy()
        self._steps[self._head] = _Step(snapshot.checkpoint_id, snapshot.parent_checkpoint_id, frames)
        old = self._steps.get(self._head - KEPT_STEPS)
        if old is not None and old.checkpoint_id is not None:
            old.frames = None
        oldest = self._steps.get(self._head - KNOWN_STEPS)
        if oldest is not None and oldest.checkpoint_id is not None:
            del self._steps[self._head - KNOWN_STEPS]

    def named(self, checkpoint_id: str) -> None:
        """Note that the head was checkpointed."""
        self._steps[self._head].checkpoint_id = checkpoint_id

    def rewind(self, frame_index: int) -> None:
        """Forget the steps after `frame_index`."""
        for later in [i for i in self._steps if i > frame_index]:
            del self._steps[later]
        self._head = frame_index

    def checkpoint_at(self, frame_index: int) -> str:
        """The checkpoint of the lineage's step `frame_index`. Raises CheckpointUnavailable where none was
        made."""
        checkpoint_id = self._find(frame_index).checkpoint_id
        if checkpoint_id is None:
            raise _not_checkpointed(frame_index)
        return checkpoint_id

    def frame(self, i: int) -> np.ndarray:
        """Video frame `i` counted from the initial frame, uint8 [H, W, 3]. Raises FrameNotFound."""
        per_step = self._manager.model.geometry.frames_per_step
        count = frame_count(self._head, per_step)
        if not 0 <= i < count:
            raise FrameNotFound(f"Frame {i} does not exist; the lineage has {count} frames.", n_frames=count)
        found: np.ndarray = self._frames(step_of(i, per_step))[place_in_step(i, per_step)]
        return found.copy()

    def video(self) -> np.ndarray:
        """All frames, uint8 [F, H, W, 3]."""
        return np.concatenate([self._frames(i) for i in range(self._head + 1)])

    def _frames(self, frame_index: int) -> np.ndarray:
        step = self._find(frame_index)
        if step.frames is not None:
            return step.frames
        return present(self._manager.load_step(present(step.checkpoint_id)).frames).numpy()

    def _find(self, frame_index: int) -> _Step:
        """The step, after walking up to it through the store where needed."""
        known = min(i for i in self._steps if i >= frame_index)
        while known > frame_index:
            parent = self._steps[known].parent_id
            if parent is None:
                raise _not_checkpointed(frame_index)
            meta = self._manager.load_meta(parent)
            known = meta["frame_index"]
            self._steps.setdefault(known, _Step(parent, meta["parent_checkpoint_id"], None))
        if known < frame_index:
            raise _not_checkpointed(frame_index)
        return self._steps[known]


def _not_checkpointed(frame_index: int) -> CheckpointUnavailable:
    return CheckpointUnavailable(
        f"Step {frame_index} of this lineage was taken without a checkpoint.",
        hint="Step with auto_checkpoint=True, or checkpoint() before going on.",
        frame_index=frame_index,
    )
