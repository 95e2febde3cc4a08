"""Action maps: where the actions take the gripper, drawn as the camera would see it and coded by the same VAE.

Showing a world model the commanded end effector as a picture, rather than as numbers alone, follows EnerVerse-AC
(Jiang et al. 2025, arXiv 2505.09723, "action maps"). The map shows the gripper and its shadow on an empty table of
standard colours: it knows nothing of objects, nor of what the gripper will touch or hold.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from arc_fabric.models.tabletop.render import render
from arc_fabric.models.tabletop.scene import Look
from arc_fabric.models.tabletop.vae import GROUP, CausalVAE


def draw_map(poses: np.ndarray) -> np.ndarray:
    """Poses float [T, 4] (see `pose.py`) -> uint8 [T, 64, 64, 3]."""
    gripper = np.concatenate([poses[:, :3], (1 - poses[:, 3:]) / 2], 1)
    return render([], Look(), gripper, np.zeros((len(poses), 0, 3), np.float32))


def encode_maps(vae: CausalVAE, poses: Tensor) -> Tensor:
    """Poses [N, 4 frames, 4] -> latents of their maps, float32 [N, C, 8, 8]."""
    frames = torch.from_numpy(draw_map(poses.detach().cpu().float().flatten(0, 1).numpy()))
    groups = frames.unflatten(0, (-1, GROUP)).permute(0, 1, 4, 2, 3).flatten(1, 2)
    groups = groups.to(poses.device).float() / 127.5 - 1.0
    mean, _ = vae.posterior(groups)
    return (mean.float() - vae.shift[:, None, None]) / vae.scale[:, None, None]
