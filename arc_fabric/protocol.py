"""One form for a session, be its world in this process (`arc_fabric.world`) or on a server (`arc_fabric.client`).

`tests/conformance` runs one suite over both. Arrays are numpy in host memory; where a step or a checkpoint is named:

    at        a step of the lineage, counted from the root, or a checkpoint's id
    frames    uint8 [F, H, W, 3]; frame 0 of a session is its initial frame, every step adds `frames_per_step`
    latents   float [B, K, C, h, w], as snapshots and HTTP have them: K latent frames of C channels; bfloat16, which
              numpy lacks, is widened to float32, exactly
    actions   float32 [action_horizon, action_dim] in the model's own units
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from arc_fabric.base.terms import PromptMode, ScoreBetter
from arc_fabric.errors import CheckpointNotFound, InvalidRequest
from arc_fabric.media.frames import encode_png

if TYPE_CHECKING:
    import torch

At = int | str
Actions = Sequence[Sequence[Sequence[float] | Mapping[str, float]] | np.ndarray | None] | np.ndarray
"""One entry per step: [action_horizon, action_dim], or None to let the policy predict; an action can also be numbers by
name."""


@dataclass
class Step:
    """One committed step. Its arrays are read from the session when they are asked for."""

    checkpoint_id: str
    frame_index: int
    """Steps from the root."""
    wall_s: float = 0.0
    bytes_new: int = 0
    """Bytes this checkpoint added to the store."""
    action_source: str | None = None
    """"given" or "predicted"."""
    steered: bool | None = None
    """Whether the given actions steered the world (False: recorded only); None where none were given."""
    _session: ClassVar[SessionProtocol]

    def of_session(self, session: SessionProtocol) -> Self:
        """The step, knowing where its arrays are read."""
        self._session = session  # type: ignore[misc]
        return self

    @property
    def frames(self) -> np.ndarray:
        """The video frames it added, uint8 [F, H, W, 3]."""
        return self._session.strip(self.checkpoint_id)

    @property
    def latents(self) -> np.ndarray:
        """The latents it added, [B, K, C, h, w]."""
        return self._session.latents(self.checkpoint_id)

    @property
    def actions(self) -> np.ndarray:
        """Its actions, given or predicted, float32 [action_horizon, action_dim]."""
        return self._session.actions(self.checkpoint_id)


class SessionProtocol(Protocol):
    """One line of a world. Errors are those of `arc_fabric.errors`: InvalidRequest for arguments of a wrong form,
    CheckpointNotFound for a step or checkpoint that is not there, SessionClosed for work on a closed session."""

    @property
    def id(self) -> str:
        """Session id."""

    @property
    def head(self) -> str | None:
        """The checkpoint of the present state."""

    @property
    def frame_index(self) -> int:
        """Steps from the root."""

    @property
    def prompt(self) -> str:
        """The prompt of the next step, unless it is given another."""

    @property
    def seed(self) -> int | None:
        """The seed of the next step, unless it is given another."""

    @property
    def model_settings(self) -> Mapping[str, float]:
        """Of the settings that its model takes per session those that are not the defaults, for the next step."""

    def step(
        self,
        n: int = 1,
        *,
        actions: Actions | None = None,
        observed: Any = None,
        state: Sequence[float] | np.ndarray | None = None,
        prompt: str | None = None,
        seed: int | None = None,
        model_settings: Mapping[str, float] | None = None,
    ) -> Sequence[Step]:
        """Advance by `n` steps, a checkpoint each. `observed`: per step the real frames seen since the step before,
        uint8 [T, H, W, 3], in place of the imagined ones (closed loop), or None. `state` [state_dim]: the robot's
        proprioceptive state, for each of the steps. `model_settings` take the place of those before. They, and a new
        prompt or seed, stay with the session.

        When a step fails, those before it stay. Raises ModelError and its kinds.
        """

    def fork(
        self,
        at: At | None = None,
        *,
        prompt: str | None = None,
        seed: int | None = None,
        model_settings: Mapping[str, float] | None = None,
        prompt_mode: PromptMode = "keep",
        steps: int = 0,
        actions: Actions | None = None,
        label: str | None = None,
    ) -> Self:
        """A new session that begins at `at` (default: the head); copies no tensor and leaves this one as it is. Prompt,
        seed and settings of the model default to those of the checkpoint; `prompt_mode` says what a new prompt does to
        the window's older KV. `steps` of it run at once (default: one per entry of `actions`, else none), under given
        `actions` as of `step`. Raises InvalidRequest, and then there is no fork, where these do not fit."""

    def rewind(self, n: int = 1, *, to: At | None = None) -> str:
        """Go back by `n` steps, or to `to`, of this lineage; the new head. Nothing is lost: later checkpoints stay, and
        so do prompt, seed and settings. Raises RewindBeyondRoot."""

    def checkpoint(self, label: str | None = None) -> str:
        """Wait until the head is stored, and name it; its id."""

    def mark(
        self, at: At, score: float | None, *, better: ScoreBetter | None = None, failed: bool | None = None
    ) -> None:
        """Note a score at a checkpoint of its tree, which way is good, and whether the branch failed there; None leaves
        the failure as it is. A score that is not finite is none."""

    def lineage_of(self, checkpoint_id: str) -> list[str]:
        """The checkpoints from the root to any checkpoint. Raises CheckpointNotFound."""

    def tree(self) -> Sequence[Any]:
        """The nodes of the tree it grows in, parents before children, each with id, parent, session_id, frame_index,
        prompt, seed, label, action_source and more."""

    def strip(self, at: At) -> np.ndarray:
        """The video frames that one step added, uint8 [F, H, W, 3]."""

    def latents(self, at: At) -> np.ndarray:
        """The latents that one step added, [B, K, C, h, w]. Raises FrameNotFound for the root, which adds none."""

    def latents_torch(self, at: At) -> torch.Tensor:
        """The same as a torch tensor in its own dtype."""

    def actions(self, at: At) -> np.ndarray:
        """The actions of one step, given or predicted. Raises FrameNotFound for the root, which has none."""

    def frame(self, i: int) -> np.ndarray:
        """Video frame `i` of the lineage, uint8 [H, W, 3]; 0 is the initial one. Raises FrameNotFound."""

    def save_video(
        self,
        target: Path | str,
        *,
        fps: float | None = None,
        start: int = 0,
        end: int | None = None,
        format: Any = None,
    ) -> Path:
        """Save video frames `start` to `end` (exclusive) as MP4, GIF or WebP, by the file's name or `format`; `fps`
        defaults to the model's. Raises FrameNotFound where there are none."""

    def close(self) -> object:
        """End it: its place is free, its tree stays."""

    def reopen(self) -> object:
        """Open it again at its head."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe facts: id, state ("open" or "closed"), label, model, prompt, seed, embodiment_id, head, root,
        frame_index, n_frames, parent_checkpoint, ..."""

    def frames(self, at: At | None = None) -> np.ndarray:
        """All video frames from the root to the head (or to `at`), uint8 [F, H, W, 3]."""
        return np.concatenate([self.strip(step) for step in self.lineage_of(self.checkpoint_at(at))])

    def lineage(self) -> list[str]:
        """The checkpoints from the root to the head; that of step n has place n."""
        return self.lineage_of(self.checkpoint_at(None))

    def checkpoint_at(self, at: At | None) -> str:
        """The checkpoint of a step; an id as it is; the head for None. Raises CheckpointNotFound, InvalidRequest."""
        if at is None or isinstance(at, str):
            return str(self.head if at is None else at)
        if isinstance(at, bool) or not isinstance(at, int):
            raise InvalidRequest(f"A step or a checkpoint's id is expected, not {at!r}.")
        path = self.lineage()
        if not 0 <= at < len(path):
            raise CheckpointNotFound(
                f"There is no step {at}: the session is at step {len(path) - 1}.",
                hint=f"Name a step from 0 to {len(path) - 1}, or a checkpoint's id.",
                frame_index=len(path) - 1,
            )
        return path[at]

    def __repr__(self) -> str:
        kind, state = type(self).__name__, self.to_dict()["state"]
        return f"<{kind} {self.id} ({state}), step {self.frame_index}: {self.prompt!r}, seed {self.seed}>"

    def _repr_png_(self) -> bytes:
        """A notebook shows the last frame."""
        return encode_png(self.strip(str(self.head))[-1])


def head_of(branch: SessionProtocol | str) -> str:
    """The checkpoint at the end of a branch: a session's head, or the one that is named."""
    return branch if isinstance(branch, str) else str(branch.head)
