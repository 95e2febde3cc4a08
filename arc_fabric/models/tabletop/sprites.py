"""What things look like: learned sprites, laid over the scene's own background from far to near.

Every kind of object, the gripper (a stack of sprites over its opening) and every shadow is one small learned image
with opacity, as in MarioNette (Smirnov et al. 2021, arXiv 2104.14553) and DTI-Sprites (Monnier et al. 2021, arXiv
2104.14575). Together with the foresight they draw a *draft* of the frames to come (`draft.py`); what is wrong with the
draft, the transformer repairs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.scene import KINDS, SIZE

TEXELS = 96
"""Texels per side of a sprite."""
SIDE = 24.0
"""Pixels per side of a sprite."""
MIDDLE = (0.0, -4.0)
"""Column and row of a sprite's middle, seen from the place where its thing touches the table."""
OPENINGS = 17
"""Sprites of the gripper, from open to closed."""
IN_FRONT = 1.5
"""The gripper counts as this much nearer than its y, in pixels."""


class Sprites(nn.Module):
    """Places and background -> frames."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        kinds = len(KINDS)
        self.bodies = nn.Parameter(torch.zeros(kinds, 4, TEXELS, TEXELS))
        self.gripper = nn.Parameter(torch.zeros(OPENINGS, 4, TEXELS, TEXELS))
        self.shadows = nn.Parameter(torch.zeros(kinds + 1, 1, TEXELS, TEXELS))
        self.fingers_in = nn.Linear(1 + 7 * kinds, width)
        self.fingers_inner = nn.Linear(width, width)
        self.fingers_out = nn.Linear(width, 1)
        with torch.no_grad():
            for opacity in (self.bodies[:, 3], self.gripper[:, 3], self.shadows):
                opacity.fill_(-2.0)

    def background(self, frames: Tensor) -> Tensor:
        """The table and the wall behind what stands on it: the median of every row of frames [N, 3, 64, 64] ->
        [N, 3, 64, 1]."""
        return frames.median(-1, keepdim=True).values

    def fingers(self, closed: Tensor, things: Tensor, pose: Tensor) -> Tensor:
        """How far the fingers are closed, [N, 1] in [-1, 1], when they were told to be `closed` [N, 1] and things
        [N, kinds, 4] are about the gripper at `pose` [N, 4]: what is between them stops them."""
        offset = things[..., :3] - pose[:, None, :3]
        near = torch.cat([torch.tanh(offset / 2), torch.tanh(offset / 6), torch.ones_like(offset[..., :1])], -1)
        h = F.silu(self.fingers_in(torch.cat([closed, (near * things[..., 3:]).flatten(1)], -1)))
        h = h + F.silu(self.fingers_inner(h))
        return (closed + self.fingers_out(h)).clamp(-1, 1)

    def draw(self, background: Tensor, things: Tensor, pose: Tensor) -> Tensor:
        """Frames float [N, 3, 64, 64] in [-1, 1]: background [N, 3, 64, 1], things [N, kinds, 4] (x, y, z, presence),
        poses [N, 4] with true fingers."""
        there = (things[..., 3] > 0.5).float()
        places = torch.cat([things[..., :3], pose[:, None, :3]], 1)
        there = torch.cat([there, torch.ones_like(there[:, :1])], 1)
        sheets = self.bodies.expand(len(pose), -1, -1, -1, -1), self._gripper(pose[:, 3])[:, None]
        layers = self._lay(torch.cat(sheets, 1), places[..., 0], places[..., 1] - places[..., 2], there)
        shadows = self._opacity(self.shadows.expand(len(pose), -1, -1, -1, -1), places[..., :2], there)
        frame = (background + 1) * (1 - shadows).prod(1) - 1
        near = places[..., 1] + 0.01 * places[..., 2]
        near[:, -1] = pose[:, 1] + IN_FRONT
        order = near.argsort(1)[..., None, None, None].expand(-1, -1, *layers.shape[2:])
        for layer in layers.gather(1, order).unbind(1):
            frame = layer[:, :3] + frame * (1 - layer[:, 3:])
        return frame

    def _gripper(self, closed: Tensor) -> Tensor:
        """The sprite at this opening: closed [N] -> [N, 4, TEXELS, TEXELS], between the two nearest of the stack."""
        at = (closed.clamp(-1, 1) + 1) / 2 * (OPENINGS - 1)
        share = F.relu(1 - (at[:, None] - torch.arange(OPENINGS, device=at.device)).abs())
        return torch.einsum("no,ochw->nchw", share, self.gripper)

    def _lay(self, sheets: Tensor, columns: Tensor, rows: Tensor, there: Tensor) -> Tensor:
        """Sprites [N, L, 4, TEXELS, TEXELS] at columns and rows [N, L] -> premultiplied RGBA [N, L, 4, 64, 64]."""
        alpha = sheets[:, :, 3:].sigmoid()
        layers = torch.cat([sheets[:, :, :3] * alpha, alpha], 2)
        return self._sample(layers, columns, rows) * there[..., None, None, None]

    def _opacity(self, sheets: Tensor, places: Tensor, there: Tensor) -> Tensor:
        """Shadows [N, L, 1, TEXELS, TEXELS] at places x, y [N, L, 2] -> how dark they are, [N, L, 1, 64, 64]."""
        return self._sample(sheets.sigmoid(), *places.unbind(-1)) * there[..., None, None, None]

    def _sample(self, sheets: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
        """Sheets [N, L, C, TEXELS, TEXELS] moved to columns and rows [N, L] -> [N, L, C, 64, 64], zero outside."""
        middle = torch.arange(SIZE, device=columns.device) + 0.5
        u = (middle - columns[..., None] - MIDDLE[0]) * (2 / SIDE)
        v = (middle - rows[..., None] - MIDDLE[1]) * (2 / SIDE)
        grid = torch.stack([u[..., None, :].expand(*u.shape, SIZE), v[..., None].expand(*v.shape, SIZE)], -1)
        moved = F.grid_sample(
            sheets.flatten(0, 1), grid.flatten(0, 1), mode="bilinear", padding_mode="zeros", align_corners=False
        )
        return moved.unflatten(0, columns.shape)
