"""A session: one line of a world, stepped, rewound and forked.

>>> from arc_fabric import Session, StateManager
>>> from arc_fabric.models.registry import load_model
>>> model = load_model("tabletop", "cpu")
>>> manager = StateManager(model)                         # checkpoints stay in this process
>>> frame = next(iter(model.samples().values()))
>>> trunk = Session("trunk", model, manager, "pick up the red cup", frame)
>>> steps = [trunk.step() for _ in range(3)]              # 3 x 8 frames, 3 checkpoints
>>> steps[0].frames.shape, steps[0].action_source
((8, 64, 64, 3), 'predicted')
>>> fork = trunk.fork(steps[1].checkpoint_id, prompt="push the cup to the left")
>>> fork.step().frame_index, trunk.frame_index            # the trunk is not disturbed
(3, 3)
>>> again = trunk.fork(steps[1].checkpoint_id).step()     # same prompt, same seed: same bits
>>> bool((again.step_latents == steps[2].step_latents).all())
True
>>> trunk.rewind(2) == steps[0].checkpoint_id             # nothing is lost: later checkpoints stay
True
>>> len(manager.list_checkpoints("trunk"))                # the root and three steps
4

Several sessions of one manager may be stepped in any order: the head is swapped when needed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_fabric.advance import advance, root_snapshot
from arc_fabric.base.frames import frame_count
from arc_fabric.base.present import present
from arc_fabric.base.rewind import step_before
from arc_fabric.base.terms import PromptMode
from arc_fabric.errors import InvalidRequest, ModelOutOfMemory
from arc_fabric.ids import new_id
from arc_fabric.manager import Attachments, StateManager
from arc_fabric.models.contract import Model
from arc_fabric.state import WorldStateSnapshot
from arc_fabric.steps.early import OnFrames
from arc_fabric.steps.request import (
    StepRequest,
    actions_of,
    array_of,
    observed_of,
    require_mode,
    require_seed,
    require_text,
    settings_of,
)
from arc_fabric.steps.result import StepResult
from arc_fabric.trajectory import Trajectory


class Session:
    """One line of a world on a model that it shares with others through `state_manager`.

    `prompt`, `seed`, `prompt_mode` and `model_settings` (those of `abilities.settings` that are not as they are by
    default) may be set between steps and apply from the next one. A step that raises leaves the session, and the
    model's head, at the last state.
    """

    def __init__(
        self,
        session_id: str,
        model: Model,
        state_manager: StateManager,
        prompt: str,
        initial_frame: np.ndarray | None = None,
        embodiment_id: int = 0,
        *,
        seed: int | None = None,
        state: Any = None,
        model_settings: Mapping[str, float] | None = None,
    ) -> None:
        """Begin a world from one picture, uint8 [h, w, 3] of any size; its root checkpoint is made here. A model that
        needs no picture begins from the prompt alone: its frame 0 is black.

        `state` is the robot's proprioceptive state at the start, [state_dim], used by the first step.
        """
        self._bind(session_id, model, state_manager)
        self.prompt = require_text(prompt)
        self.seed = state_manager.default_seed if seed is None else require_seed(seed)
        first = array_of(state, (model.geometry.state_dim,), "state")
        self.model_settings = settings_of(model_settings or {}, model.abilities)
        request = StepRequest(session_id, self.prompt, self.seed, state=first, settings=self.model_settings)
        self.snapshot = root_snapshot(model, request, initial_frame, embodiment_id)
        self.trajectory = Trajectory(state_manager, self.snapshot)
        self.checkpoint()

    @classmethod
    def from_checkpoint(
        cls,
        session_id: str,
        model: Model,
        state_manager: StateManager,
        checkpoint_id: str,
        *,
        prompt: str | None = None,
        seed: int | None = None,
        prompt_mode: PromptMode = "keep",
        model_settings: Mapping[str, float] | None = None,
        force: bool = False,
    ) -> Session:
        """A session whose head is an existing checkpoint, of this or another session. Copies no tensor, makes
        no node; a new prompt or seed, and settings in place of the checkpoint's, apply from the next step."""
        snapshot = state_manager.load(checkpoint_id, force)
        self = cls.from_snapshot(session_id, model, state_manager, snapshot)
        self.prompt = self.prompt if prompt is None else require_text(prompt)
        self.seed = self.seed if seed is None else require_seed(seed)
        self.prompt_mode = require_mode(prompt_mode)
        if model_settings is not None:
            self.model_settings = settings_of(model_settings, model.abilities)
        return self

    @classmethod
    def from_snapshot(
        cls, session_id: str, model: Model, state_manager: StateManager, snapshot: WorldStateSnapshot
    ) -> Session:
        """A session that continues a snapshot at hand, for example one loaded from a file."""
        self = cls.__new__(cls)
        self._bind(session_id, model, state_manager)
        self.snapshot = snapshot
        self.trajectory = Trajectory(state_manager, self.snapshot)
        self.prompt, self.seed = snapshot.prompt_text, snapshot.seed
        self.model_settings = dict(snapshot.settings)
        return self

    def _bind(self, session_id: str, model: Model, state_manager: StateManager) -> None:
        if state_manager.model is not model:
            raise InvalidRequest("The state manager belongs to another model.", hint="Pass StateManager(model).")
        self.session_id, self.model, self.manager = session_id, model, state_manager
        self.prompt_mode: PromptMode = "keep"

    @property
    def head(self) -> str | None:
        """The checkpoint id of the present state; None after a step without a checkpoint."""
        return self.snapshot.checkpoint_id

    @property
    def frame_index(self) -> int:
        """Steps from the root."""
        return self.snapshot.frame_index

    def step(
        self,
        action: Any = None,
        state: Any = None,
        auto_checkpoint: bool = True,
        *,
        observed: np.ndarray | Sequence[np.ndarray] | None = None,
        checkpoint_id: str | None = None,
        attachments: Callable[[np.ndarray], Attachments] | None = None,
        metadata: Mapping[str, Any] | None = None,
        on_frames: OnFrames | None = None,
    ) -> StepResult:
        """Advance the world by one block.

        `action` [action_horizon, action_dim] (or one action, held) steers models that can be steered; without
        it the policy predicts. `state` [state_dim]: the robot's proprioceptive state. `observed` uint8 [T, h,
        w, 3]: real frames since the last step, in place of the imagined ones (closed loop). `checkpoint_id`,
        `attachments` (made from the step's frames) and `metadata` go to the checkpoint. `on_frames(frames, at)` is
        given what a model with `abilities.streams` shows of the step before it is done, uint8 [F, H, W, 3] from its
        frame `at` on; where the step raises then, these frames are of no world.

        Raises InvalidRequest, NonFiniteLatents, ModelOutOfMemory, or whatever the model raised.
        """
        started = time.perf_counter()
        request = self.request(action, state, observed)
        before = self.snapshot
        try:
            after = advance(self.manager, before, request, on_frames)
            self.follow(after, auto_checkpoint, checkpoint_id=checkpoint_id, attachments=attachments, metadata=metadata)
        except torch.OutOfMemoryError as error:
            self.manager.recover(before)
            raise ModelOutOfMemory(
                f"The device ran out of memory: {error}", hint="Close or park other sessions on this device."
            ) from error
        except BaseException:
            self.manager.recover(before)
            raise
        return self.result(time.perf_counter() - started)

    def follow(
        self,
        after: WorldStateSnapshot,
        auto_checkpoint: bool = True,
        *,
        checkpoint_id: str | None = None,
        attachments: Callable[[np.ndarray], Attachments] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Go on to a snapshot that was computed from the present one, checkpointed as `step` says. Where that raises
        the session stays where it was."""
        extra = {} if attachments is None else attachments(present(after.frames).numpy())
        if auto_checkpoint:
            self.manager.checkpoint(after, checkpoint_id=checkpoint_id, attachments=extra, metadata=metadata)
        self.snapshot = after
        self.trajectory.append(after)

    def checkpoint(self) -> str:
        """Checkpoint the present state, if it is not yet, and return its id."""
        checkpoint_id = self.manager.checkpoint(self.snapshot)
        self.trajectory.named(checkpoint_id)
        return checkpoint_id

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the present state to one file (`WorldStateSnapshot.save`), KV included: where the session let it go,
        it is read or rebuilt first."""
        if not self.snapshot.is_root:
            self.manager.make_resident(self.snapshot)
        self.snapshot.save(path)

    def rewind(self, n_steps: int = 1) -> str:
        """Go back `n_steps`; returns the new head's checkpoint id. Later checkpoints stay. The prompt and
        seed of the session stay what they are, so a retry can differ.

        Raises RewindBeyondRoot, and CheckpointUnavailable where no checkpoint was made at that step.
        """
        target = step_before(self.frame_index, n_steps)
        checkpoint_id = self.trajectory.checkpoint_at(target)
        self.snapshot = self.manager.load(checkpoint_id)
        self.trajectory.rewind(target)
        return checkpoint_id

    def fork(
        self,
        checkpoint_id: str | None = None,
        *,
        session_id: str | None = None,
        prompt: str | None = None,
        seed: int | None = None,
        prompt_mode: PromptMode = "keep",
        model_settings: Mapping[str, float] | None = None,
    ) -> Session:
        """A new session from one of the checkpoints (default: the present state, checkpointed)."""
        source = checkpoint_id or self.checkpoint()
        new = session_id or new_id("ses")
        return Session.from_checkpoint(
            new, self.model, self.manager, source, prompt=prompt, seed=seed, prompt_mode=prompt_mode,
            model_settings=model_settings,
        )  # fmt: skip

    def get_decoded_frame(self, i: int) -> np.ndarray:
        """Video frame `i` of the lineage, uint8 [H, W, 3]; 0 is the initial frame."""
        return self.trajectory.frame(i)

    def get_trajectory_video(self) -> np.ndarray:
        """All video frames from the root to the present state, uint8 [F, H, W, 3]."""
        return self.trajectory.video()

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe facts."""
        return {
            "id": self.session_id,
            "prompt": self.prompt,
            "seed": self.seed,
            "prompt_mode": self.prompt_mode,
            "model_settings": dict(self.model_settings),
            "embodiment_id": self.snapshot.embodiment_id,
            "head": self.head,
            "frame_index": self.frame_index,
            "n_frames": frame_count(self.frame_index, self.model.geometry.frames_per_step),
            "window_start": self.snapshot.window_start,
            "model": self.manager.identity["name"],
        }

    def request(
        self, action: Any = None, state: Any = None, observed: np.ndarray | Sequence[np.ndarray] | None = None
    ) -> StepRequest:
        """The next step with these arguments (as of `step`), checked. Raises InvalidRequest."""
        given_state = self.snapshot.state if state is None and self.snapshot.is_root else state
        geometry = self.model.geometry
        return StepRequest(
            self.session_id,
            require_text(self.prompt),
            require_seed(self.seed),
            require_mode(self.prompt_mode),
            actions_of(action, geometry),
            array_of(given_state, (geometry.state_dim,), "state"),
            observed_of(self.model, observed, begins=self.snapshot.is_root),
            settings_of(self.model_settings, self.model.abilities),
        )

    def result(self, wall_s: float, rows: int = 1) -> StepResult:
        """What the step that led here gave, which took `wall_s` seconds in a forward pass of so many rows."""
        snapshot = self.snapshot
        info = self.manager.info(snapshot.checkpoint_id) if snapshot.checkpoint_id else None
        return StepResult(
            checkpoint_id=snapshot.checkpoint_id,
            frame_index=snapshot.frame_index,
            frames=present(snapshot.frames).numpy().copy(order="K"),  # C order would cost 0.2 ms
            actions=_or_none(snapshot.action_history, (1, 0, 0))[-1].numpy().copy(),
            action_source=snapshot.action_source,
            steered=snapshot.steered,
            prompt_mode=snapshot.prompt_mode,
            step_latents=_or_none(snapshot.step_latents, (0,)).clone(),
            wall_s=wall_s,
            bytes_new=info.bytes_new if info else 0,
            rows=rows,
        )


def _or_none(tensor: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """An empty one where there is none."""
    return torch.zeros(shape) if tensor is None else tensor
