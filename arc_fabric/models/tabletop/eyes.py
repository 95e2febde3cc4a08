"""Where things are in one latent frame: the gripper and every kind of object.

A small convolutional reader with a spatial soft-argmax (Levine et al. 2016, arXiv 1504.00702), trained before the
transformer on true positions. What it sees of the last clean latent frame is shown to every token as offsets, and at
a window's start it tells the gripper's pose when no state is given.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from arc_fabric.models.tabletop.scene import KINDS

MAPS, VALUES = 3, 24
"""Attention maps per thing; values read at each map's place."""
MIDDLE, SCALE = (32.0, 46.0, 8.0), (16.0, 8.0, 8.0)
"""Positions are predicted as (x, y, z) = MIDDLE + SCALE * output."""


class Things(NamedTuple):
    """What is where."""

    pose: Tensor
    """The gripper's pose, float [N, 4], see `pose.py`."""
    places: Tensor
    """Base centres x, y, z in pixels, float [N, kinds, 3]; meaningless where a kind is absent."""
    there: Tensor
    """Logits of presence, float [N, kinds]."""


class Eyes(nn.Module):
    """Latent frames -> `Things`."""

    def __init__(self, channels: int, width: int = 96) -> None:
        super().__init__()
        things = 1 + len(KINDS)
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.third = nn.Conv2d(width, width, 3, padding=1)
        self.where = nn.Conv2d(width, MAPS * things, 1)
        self.what = nn.Conv2d(width, VALUES, 1)
        self.inner = nn.Linear(MAPS * things * (2 + VALUES), 192)
        self.outer = nn.Linear(192, 4 * things)

    def forward(self, z: Tensor) -> Things:
        """Latents [N, C, 8, 8] of the frames whose last moment is read."""
        h = nn.functional.silu(self.first(z))
        h = h + nn.functional.silu(self.second(h))
        h = h + nn.functional.silu(self.third(h))
        maps = self.where(h).flatten(2).float().softmax(-1)
        axis = torch.linspace(-1, 1, z.shape[-1], device=z.device)
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).flatten(0, 1)
        values = torch.cat([grid.expand(len(z), -1, -1), self.what(h).flatten(2).mT.float()], -1)
        out = self.outer(nn.functional.silu(self.inner((maps @ values).flatten(1)))).float().unflatten(1, (-1, 4))
        places = out[..., :3] * out.new_tensor(SCALE) + out.new_tensor(MIDDLE)
        return Things(torch.cat([places[:, 0], out[:, 0, 3:]], -1), places[:, 1:], out[:, 1:, 3])
