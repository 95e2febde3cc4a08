"""What a latent frame shows: where the gripper and every kind of object are in each of its four frames, and the
colours of table and wall.

A small convolutional reader with a spatial soft-argmax (Levine et al. 2016, arXiv 1504.00702), trained before the
transformer on true positions. What it sees in real frames becomes the slots of their latent frames (`slots.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.scene import KINDS
from arc_fabric.models.tabletop.slots import MIDDLE, SCALE, Slots
from arc_fabric.models.tabletop.vae import GROUP

MAPS, VALUES = 3, 24
"""Attention maps per thing; values read at each map's place."""
LIGHT = 0.5
"""Colours of table and wall are predicted as LIGHT + output, in [-1, 1]."""
DOUBT = 0.0
"""Taken from the logits of presence."""


class Sight(NamedTuple):
    """What the eyes say of N latent frames."""

    poses: Tensor
    """The gripper's pose in each of the four frames, float [N, 4, 4], see `pose.py`."""
    places: Tensor
    """Base centres x, y, z in pixels, float [N, 4, kinds, 3]; meaningless where a kind is absent."""
    there: Tensor
    """Logits of presence, float [N, kinds]."""
    look: Tensor
    """Colours of table and wall, float [N, 2, 3] in [-1, 1]."""

    def slots(self) -> Slots:
        """What is believed of it."""
        there = (self.there - DOUBT).sigmoid()[:, None, :, None]
        return Slots(torch.cat([self.places, there.expand(-1, GROUP, -1, -1)], -1), self.poses, self.look)


class Eyes(nn.Module):
    """Latent frames -> `Sight`."""

    def __init__(self, channels: int, width: int = 96, inner: int = 384) -> None:
        super().__init__()
        things = 1 + len(KINDS)
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.third = nn.Conv2d(width, width, 3, padding=1)
        self.where = nn.Conv2d(width, MAPS * things, 1)
        self.what = nn.Conv2d(width, VALUES, 1)
        self.inner = nn.Linear(MAPS * things * (2 + VALUES), inner)
        self.outer = nn.Linear(inner, GROUP * 4 * things)
        self.light_in = nn.Linear(channels * 64, 64)
        self.light_out = nn.Linear(64, 6)

    def forward(self, z: Tensor) -> Sight:
        """Latents [N, C, 8, 8]."""
        h = F.silu(self.first(z))
        h = h + F.silu(self.second(h))
        h = h + F.silu(self.third(h))
        maps = self.where(h).flatten(2).softmax(-1)
        axis = torch.linspace(-1, 1, z.shape[-1], device=z.device)
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).flatten(0, 1)
        values = torch.cat([grid.expand(len(z), -1, -1), self.what(h).flatten(2).mT], -1)
        read = F.silu(self.inner((maps @ values).flatten(1)))
        out = self.outer(read).unflatten(1, (GROUP, -1, 4))
        light = LIGHT + self.light_out(F.silu(self.light_in(z.flatten(1))))
        places = out[..., :3] * out.new_tensor(SCALE) + out.new_tensor(MIDDLE)
        poses = torch.cat([places[:, :, 0], out[:, :, 0, 3:].clamp(-1, 1)], -1)
        return Sight(poses, places[:, :, 1:], out[:, -1, 1:, 3], light.unflatten(1, (2, 3)))
