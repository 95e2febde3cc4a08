"""Where the gripper is in a single latent frame: used at a window's start when no state is given."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MAPS, VALUES = 8, 16


class PoseReader(nn.Module):
    """Convolutions, then attention maps whose centres of mass (spatial soft-argmax, Levine et al. 2016, arXiv
    1504.00702) and mean values tell the pose."""

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        self.see = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1), nn.SiLU()
        )
        self.where = nn.Conv2d(width, MAPS, 1)
        self.what = nn.Conv2d(width, VALUES, 1)
        self.tell = nn.Sequential(nn.Linear(MAPS * (2 + VALUES), 128), nn.SiLU(), nn.Linear(128, 4))

    def forward(self, z: Tensor) -> Tensor:
        """Latents [B, C, 8, 8] -> poses float [B, 4]."""
        seen = self.see(z)
        maps = self.where(seen).flatten(2).float().softmax(-1)
        axis = torch.linspace(-1, 1, z.shape[-1], device=z.device)
        places = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).flatten(0, 1)
        values = torch.cat([places.expand(len(z), -1, -1), self.what(seen).flatten(2).mT.float()], -1)
        raw = self.tell((maps @ values).flatten(1)).float()
        return raw * raw.new_tensor([32.0, 16.0, 10.0, 1.0]) + raw.new_tensor([32.0, 46.0, 10.0, 0.0])
