"""What a step gave."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True, eq=False)
class StepResult:
    """What one step gave."""

    checkpoint_id: str | None
    """None with auto_checkpoint=False."""
    frame_index: int
    frames: np.ndarray
    """uint8 [frames_per_step, H, W, 3]."""
    actions: np.ndarray
    """float32 [action_horizon, action_dim], given or predicted; [0, 0] where the model neither takes nor gives any."""
    action_source: str | None
    """"given", "predicted", or None for a step without actions."""
    steered: bool
    """Whether given actions changed the video; False for models that only record them."""
    prompt_mode: str | None
    """How a prompt change within the window was taken up; None where there was none."""
    step_latents: Tensor
    """[B, K, C, h, w] on the CPU, as in snapshots; [0] for a model without a VAE."""
    wall_s: float
    bytes_new: int
    """Bytes this checkpoint added to the store."""
    rows: int = 1
    """Sessions that stepped in the forward pass that computed it; above 1 its bits may be those of this batch only."""

    @property
    def latents(self) -> Tensor:
        """The latents as version 0.1.0 gave them, [C, K, h, w]. Deprecated: use `step_latents`."""
        warnings.warn("StepResult.latents is [C, K, h, w]; use step_latents, [B, K, C, h, w]", DeprecationWarning, 2)
        return self.step_latents[0].transpose(0, 1)
