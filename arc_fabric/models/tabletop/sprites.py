"""What things look like: learned sprites, laid over the table and the wall from far to near.

Every kind of object, the gripper's hub, its arm (shown twice, mirrored, and moved aside as the fingers open) and every
shadow is one small learned image with opacity, as in MarioNette (Smirnov et al. 2021, arXiv 2104.14553) and DTI-Sprites
(Monnier et al. 2021, arXiv 2104.14575). Together with the foresight they draw a *draft* of the frames to come
(`draft.py`); what is wrong with the draft, the transformer repairs. They also draw what a latent frame's slots say
(`painter.py`).
"""

from __future__ import annotations

from typing import NamedTuple

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
BOX = 26
"""Pixels per side of the boxes that are drawn: a sprite's, its blurred edge, and what rounding may take."""
WIDE = SIZE + 2 * BOX
"""Pixels per side of the canvas."""
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

    def look_of(self, frames: Tensor) -> Tensor:
        """The colours of table and wall [N, 2, 3] in [-1, 1] with which `backdrop` is most like frames [N, 3, 64, 64]:
        least squares over the medians of the rows, of which things cover the smaller part."""
        medians = (frames + 1).median(3).values.mT
        return torch.linalg.solve(self.rows @ self.rows.mT, self.rows @ medians).clamp(0, 2) - 1

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
        canvas = _Canvas(background)
        boxes = _Boxes.around(places[..., 0], places[..., 1])
        shadows = boxes.sample(self.shadows.sigmoid()) * there[..., None, None, None]
        for layer, where in zip(shadows.unbind(1), boxes.pixels.unbind(1), strict=True):
            canvas.shade(layer, where)
        places, there = torch.cat([places, gripper], 1), F.pad(there, (0, 1), value=1.0)
        boxes = _Boxes.around(places[..., 0], places[..., 1] - places[..., 2])
        boxes.u[:, -2] = boxes.u[:, -2].abs() + FINGER_TRAVEL * (1 + pose[:, 3:]) / 2
        sheets = torch.cat([self.bodies, self.arm, self.hub])
        alpha = sheets[:, 3:].sigmoid()
        layers = boxes.sample(torch.cat([sheets[:, :3] * alpha, alpha], 1)) * there[..., None, None, None]
        near = places[..., 1] + 0.01 * places[..., 2]
        near[:, -2:] = pose[:, 1:2] + IN_FRONT + near.new_tensor([0.0, 1e-3])
        order, frames = near.argsort(1).unbind(1), torch.arange(len(near), device=near.device)
        for nth in order:
            canvas.lay(layers[frames, nth], boxes.pixels[frames, nth])
        return canvas.image()


class _Boxes(NamedTuple):
    """The BOX x BOX pixels about each of L things in N frames, all that its sprite can cover."""

    u: Tensor
    """How far the boxes' columns are from the things, pixels [N, L, BOX]."""
    v: Tensor
    """The same of the rows."""
    pixels: Tensor
    """Indices of the boxes' pixels on a canvas, int64 [N, L, BOX * BOX]."""

    @classmethod
    def around(cls, columns: Tensor, rows: Tensor) -> _Boxes:
        """Of things at these [N, L]; boxes that would lie outside of the canvas lie at its edge and show nothing."""
        along = torch.arange(BOX, device=columns.device)
        corners = ((at + middle - BOX / 2).floor() for at, middle in zip((columns, rows), MIDDLE, strict=True))
        left, top = (corner.clamp(-BOX, SIZE)[..., None] + along for corner in corners)
        pixels = (top + BOX)[..., None] * WIDE + (left + BOX)[..., None, :]
        return cls(left + 0.5 - columns[..., None], top + 0.5 - rows[..., None], pixels.flatten(2).long())

    def sample(self, sheets: Tensor) -> Tensor:
        """Sheets [L, C, TEXELS, TEXELS] as seen in the boxes [N, L, C, BOX, BOX], zero outside of them."""
        # All frames of a thing lie below one another in its grid: no sheet is copied.
        u, v = ((self.u - MIDDLE[0]) * (2 / SIDE)).transpose(0, 1), ((self.v - MIDDLE[1]) * (2 / SIDE)).transpose(0, 1)
        grid = torch.stack([u[:, :, None].expand(-1, -1, BOX, -1), v[..., None].expand(-1, -1, -1, BOX)], -1)
        seen = F.grid_sample(sheets, grid.flatten(1, 2), mode="bilinear", padding_mode="zeros", align_corners=False)
        return seen.unflatten(2, (len(self.u), BOX)).permute(2, 0, 1, 3, 4)


class _Canvas:
    """N frames with a margin of BOX pixels all around, values from 0 to 2."""

    def __init__(self, background: Tensor) -> None:
        """Of backgrounds [N, 3, 64, 1 or 64] in [-1, 1]."""
        whole = F.pad(background.expand(-1, -1, SIZE, SIZE) + 1, (BOX, BOX, BOX, BOX))
        self._pixels = whole.float().flatten(2)  # mixed precision may have halved the backdrop

    def shade(self, shadow: Tensor, where: Tensor) -> None:
        """Darken by shadows [N, 1, BOX, BOX] at pixels [N, BOX * BOX]."""
        where = where[:, None].expand(-1, 3, -1)
        self._put(where, self._pixels.gather(2, where) * (1 - shadow.flatten(2)))

    def lay(self, layer: Tensor, where: Tensor) -> None:
        """Lay premultiplied RGBA boxes [N, 4, BOX, BOX] of values in [-1, 1] at pixels [N, BOX * BOX]."""
        where = where[:, None].expand(-1, 3, -1)
        colour, alpha = layer[:, :3].flatten(2), layer[:, 3:].flatten(2)
        self._put(where, colour + alpha + self._pixels.gather(2, where) * (1 - alpha))

    def _put(self, where: Tensor, values: Tensor) -> None:
        # In place unless a gradient needs the pixels as they were.
        put = self._pixels.scatter if torch.is_grad_enabled() else self._pixels.scatter_
        self._pixels = put(2, where, values)

    def image(self) -> Tensor:
        """Float [N, 3, 64, 64] in [-1, 1]."""
        inside = self._pixels.unflatten(2, (WIDE, WIDE))[..., BOX:-BOX, BOX:-BOX]
        return inside - 1
