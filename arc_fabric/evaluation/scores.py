"""A branch as a scorer sees it, and a score as it answers it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from arc_fabric.base.terms import ScoreBetter


@dataclass(frozen=True)
class Score:
    """What a scorer says of one branch."""

    value: float
    verdict: bool | None = None
    """Whether that is good enough; None where the scorer does not judge."""
    reason: str = ""
    better: ScoreBetter = "higher"

    def to_dict(self) -> dict[str, Any]:
        """The JSON view; a value that is not finite is null."""
        return asdict(self) | {"value": self.value if math.isfinite(self.value) else None}


@dataclass(frozen=True)
class Moment:
    """One step of a branch."""

    checkpoint: str
    frame_index: int
    actions: Sequence[Sequence[float]] | None
    """float [action_horizon][action_dim]."""


@dataclass(frozen=True)
class Branch:
    """What a variant made. Pictures and latents are read when they are asked for."""

    prompt: str
    seed: int | None
    before: Sequence[Moment]
    """The lineage from the root to where it was forked."""
    steps: Sequence[Moment]
    """What the variant added."""
    frames_of: Callable[[str], np.ndarray]
    """Checkpoint id -> the frames its step added, uint8 [F, H, W, 3]."""
    latents_of: Callable[[str], np.ndarray]
    """Checkpoint id -> the latents its step added, float [B, K, C, h, w]."""
    observed_of: Callable[[str], np.ndarray | None] = lambda checkpoint: None
    """Checkpoint id -> the real frames given with its step, uint8 [F, H, W, 3]; None where there were none."""
    path_of: Callable[[str], Sequence[str]] = lambda checkpoint: ()
    """Checkpoint id -> the checkpoints from the root to it."""

    @cached_property
    def actions(self) -> np.ndarray:
        """float32 [steps, action_horizon, action_dim]."""
        return np.asarray([step.actions for step in self.steps if step.actions is not None], np.float32)

    @cached_property
    def actions_before(self) -> np.ndarray:
        """The same of the lineage up to the fork."""
        return np.asarray([step.actions for step in self.before if step.actions is not None], np.float32)

    @cached_property
    def start(self) -> np.ndarray:
        """The last frame before the fork, uint8 [H, W, 3]."""
        last: np.ndarray = self.frames_of(self.before[-1].checkpoint)[-1]
        return last

    @cached_property
    def frames(self) -> np.ndarray:
        """All frames that the variant added, uint8 [F, H, W, 3]."""
        return np.concatenate([self.frames_of(step.checkpoint) for step in self.steps])

    @cached_property
    def latents(self) -> np.ndarray:
        """All latents that the variant added, float [K, C, h, w]."""
        return np.concatenate([self.latents_of(step.checkpoint)[0] for step in self.steps])


Scorer = Callable[..., Score]
"""(branch, **options) -> score. Its attribute `version` (a text) is recorded with every score. With an attribute `over`
= "seeds" it takes a list of branches that differ in nothing but the seed, and judges them as a group."""
