"""What things look like: learned sprites, laid over the table and the wall from far to near.

Every kind of object, the gripper's hub, its arm (shown twice, mirrored, and moved aside as the fingers open) and every
shadow is one small learned image with opacity, as in MarioNette (Smirnov et al. 2021, arXiv 2104.14553) and DTI-Sprites
(Monnier et al. 2021, arXiv 2104.14575). Together with the foresight they draw a *draft* of the frames to come
(`draft.py`); what is wrong with the draft, the transformer repairs. They also draw what a latent frame's slots say
(`painter.py`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.physics import FINGER_TRAVEL
from arc_fabric.models.tabletop.scene import KINDS, SIZE
from arc_fabric.models.tabletop.slots import Slots
from arc_fabric.models.tabletop.vae import GROUP

TEXELS = 96
"""Texels per side of a sprite."""
SIDE = 24.0
"""Pixels per side of a sprite."""
MIDDLE = (0.0, -4.0)
"""Column and row of a sprite's middle, seen from the place where its thing touches the table."""
IN_FRONT = 1.5
"""The gripper counts as this much nearer than its y, in pixels."""


class Sprites(nn.Module):
    """Places, poses and colours -> frames."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        kinds = len(KINDS)
        self.bodies = nn.Parameter(torch.zeros(kinds, 4, TEXELS, TEXELS))
        self.arm = nn.Parameter(torch.zeros(1, 4, TEXELS, TEXELS))
        self.hub = nn.Parameter(torch.zeros(1, 4, TEXELS, TEXELS))
        self.shadows = nn.Parameter(torch.zeros(kinds + 1, 1, TEXELS, TEXELS))
        self.rows = nn.Parameter(0.5 * torch.ones(2, SIZE))
        self.fingers_in = nn.Linear(1 + 7 * kinds, width)
        self.fingers_inner = nn.Linear(width, width)
        self.fingers_out = nn.Linear(width, 1)
        with torch.no_grad():
            for opacity in (self.bodies[:, 3], self.arm[:, 3], self.hub[:, 3], self.shadows):
                opacity.fill_(-2.0)

    def backdrop(self, look: Tensor) -> Tensor:
        """The table and the wall behind what stands on it: their colours [N, 2, 3] in [-1, 1] -> [N, 3, 64, 1]; how
        much of each a row shows, and how bright, is learned."""
        return torch.einsum("nlc,lh->nch", look + 1, self.rows)[..., None] - 1

    def draw_slots(self, slots: Slots) -> Tensor:
        """What N latent frames show -> their frames, float [N, 4, 3, 64, 64]."""
        behind = self.backdrop(slots.look).repeat_interleave(GROUP, 0)
        return self.draw(behind, slots.things.flatten(0, 1), slots.poses.flatten(0, 1)).unflatten(0, (-1, GROUP))

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
        gripper, there = pose[:, None, :3], F.pad((things[..., 3] > 0.5).float(), (0, 1), value=1.0)
        places = torch.cat([things[..., :3], gripper], 1)
        shadows = self._sample(self.shadows.sigmoid(), *self._offsets(places[..., 0], places[..., 1]))
        frame = (background + 1) * (1 - shadows * there[..., None, None, None]).prod(1) - 1
        places, there = torch.cat([places, gripper], 1), F.pad(there, (0, 1), value=1.0)
        u, v = self._offsets(places[..., 0], places[..., 1] - places[..., 2])
        u[:, -2] = u[:, -2].abs() + FINGER_TRAVEL * (1 + pose[:, 3:]) / 2
        sheets = torch.cat([self.bodies, self.arm, self.hub])
        alpha = sheets[:, 3:].sigmoid()
        layers = self._sample(torch.cat([sheets[:, :3] * alpha, alpha], 1), u, v) * there[..., None, None, None]
        near = places[..., 1] + 0.01 * places[..., 2]
        near[:, -2:] = pose[:, 1:2] + IN_FRONT + near.new_tensor([0.0, 1e-3])
        order = near.argsort(1)[..., None, None, None].expand(-1, -1, *layers.shape[2:])
        for layer in layers.gather(1, order).unbind(1):
            frame = layer[:, :3] + frame * (1 - layer[:, 3:])
        return frame

    @staticmethod
    def _offsets(columns: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """How far the image's columns and rows are from these [N, L], pixels: two [N, L, 64]."""
        middle = torch.arange(SIZE, device=columns.device) + 0.5
        return middle - columns[..., None], middle - rows[..., None]

    @staticmethod
    def _sample(sheets: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Sheets [L, C, TEXELS, TEXELS] at offsets u, v [N, L, 64] from their places -> [N, L, C, 64, 64], zero
        outside."""
        u, v = (u - MIDDLE[0]) * (2 / SIDE), (v - MIDDLE[1]) * (2 / SIDE)
        grid = torch.stack([u[..., None, :].expand(*u.shape, SIZE), v[..., None].expand(*v.shape, SIZE)], -1)
        sheets = sheets.expand(len(u), *sheets.shape).flatten(0, 1)
        moved = F.grid_sample(sheets, grid.flatten(0, 1), mode="bilinear", padding_mode="zeros", align_corners=False)
        return moved.unflatten(0, u.shape[:2])
