"""A draft of the frames to come: sprites where the foresight and the actions put them, coded by the VAE.

Showing a world model the commanded end effector as a picture, rather than as numbers alone, follows EnerVerse-AC
(Jiang et al. 2025, arXiv 2505.09723, "action maps"); this draft shows the objects as well, as foreseen, in front of the
background of the window's first frame. The transformer predicts how the frames differ from it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from arc_fabric.models.tabletop.sprites import Sprites
from arc_fabric.models.tabletop.vae import GROUP, CausalVAE


def backgrounds(vae: CausalVAE, sprites: Sprites, latents: Tensor) -> Tensor:
    """Latent frames [N, C, 8, 8] -> the background of their last moments, [N, 3, 64, 1]."""
    return sprites.background(vae.decode(latents[:, :, None])[:, 0, -1].float())


def draft(vae: CausalVAE, sprites: Sprites, background: Tensor, things: Tensor, poses: Tensor) -> Tensor:
    """Backgrounds [N, 3, 64, 1], things [N, T, kinds, 4] and dead-reckoned poses [N, T, 4] in each frame -> latents
    of the drawn frames, float32 [N, T / 4, C, 8, 8]."""
    count, frames = poses.shape[:2]
    things, poses = things.flatten(0, 1), poses.flatten(0, 1)
    closed = sprites.fingers(poses[:, 3:], things, poses)
    behind = background.repeat_interleave(frames, 0)
    drawn = sprites.draw(behind, things, torch.cat([poses[:, :3], closed], 1)).clamp(-1, 1)
    mean, _ = vae.posterior(drawn.unflatten(0, (-1, GROUP)).flatten(1, 2))
    z = (mean.float() - vae.shift[:, None, None]) / vae.scale[:, None, None]
    return z.unflatten(0, (count, -1))
