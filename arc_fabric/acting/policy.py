"""What a policy is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from arc_fabric.errors import InvalidRequest


@dataclass(frozen=True)
class Seen:
    """What a policy sees before a step."""

    frames: np.ndarray
    """What the step before made, uint8 [F, H, W, 3], oldest first."""
    prompt: str
    step: int
    """Steps that were made since the policy began."""
    state: np.ndarray | None = None
    """float32 [state_dim] where the caller follows it; the world has none."""

    @property
    def frame(self) -> np.ndarray:
        """The last frame, uint8 [H, W, 3]."""
        last: np.ndarray = self.frames[-1]
        return last


Policy = Callable[[Seen], np.ndarray | Sequence[Sequence[float]] | None]
"""What is seen -> actions of the next step, [n][action_dim] in the model's own units; None: the model's policy acts."""


def chunk_of(actions: np.ndarray | Sequence[Sequence[float]], horizon: int, dim: int) -> np.ndarray:
    """A policy's actions as a step takes them, float32 [horizon, dim]: the first `horizon`; where there are fewer, the
    last one holds. Raises InvalidRequest for numbers that are none, or of another size."""
    given = np.asarray(actions, np.float32)
    if given.ndim != 2 or given.shape[0] < 1 or given.shape[1] != dim or not np.isfinite(given).all():
        raise InvalidRequest(
            f"The policy gave {list(given.shape)}, or numbers that are not finite; expected [n, {dim}].",
            hint="GET /api/model says which numbers an action has.",
        )
    return given[np.minimum(np.arange(horizon), len(given) - 1)]
