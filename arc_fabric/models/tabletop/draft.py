"""A draft of the frames to come: sprites where the foresight and the actions put them, coded by the VAE.

Showing a world model the commanded end effector as a picture, rather than as numbers alone, follows EnerVerse-AC
(Jiang et al. 2025, arXiv 2505.09723, "action maps"); this draft shows the objects as well, as foreseen, in front of
table and wall as the window's first frame shows them. The transformer predicts how the frames differ from it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from arc_fabric.models.tabletop.codec import Codec
from arc_fabric.models.tabletop.slots import Slots
from arc_fabric.models.tabletop.sprites import Sprites
from arc_fabric.models.tabletop.vae import GROUP


def foreseen(sprites: Sprites, look: Tensor, things: Tensor, poses: Tensor) -> Slots:
    """Colours of table and wall [B, 2, 3], things [B, T, kinds, 4] and dead-reckoned poses [B, T, 4] in each frame ->
    the slots of B * T / 4 latent frames, the fingers stopped by what is between them."""
    things, poses, frames = things.flatten(0, 1), poses.flatten(0, 1), poses.shape[1]
    closed = sprites.fingers(poses[:, 3:], things, poses)
    poses = torch.cat([poses[:, :3], closed], 1)
    groups = (-1, GROUP)
    return Slots(things.unflatten(0, groups), poses.unflatten(0, groups), look.repeat_interleave(frames // GROUP, 0))


def draft(codec: Codec, slots: Slots) -> Tensor:
    """Slots of N latent frames -> the features of their drawing, float32 [N, C, 8, 8]."""
    return codec.vae.encode_groups(codec.sprites.draw_slots(slots).clamp(-1, 1).flatten(1, 2))
