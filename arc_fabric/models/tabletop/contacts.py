"""The geometry of contact: how far things are from touching, and keeping them apart.

The sizes of things and of the gripper are known; what contact does to them, the foresight learns. What it learned
is not exact, so that things which push each other would come to overlap little by little, and one would hide the other
for good: new overlaps are undone as in Position Based Dynamics (Mueller et al. 2007, doi:10.1016/j.jvcir.2007.01.005).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from arc_fabric.models.tabletop.physics import ASTRIDE, FINGER_CLOSED, FINGER_TRAVEL, REACH
from arc_fabric.models.tabletop.scene import BODY_HIGH, BODY_LOW, KINDS

GRASP, TOUCH = 20, 21
"""Features of a thing beside the gripper, and of two things."""
LEVEL = 2.0
"""Pixels in height within which two things stand in each other's way."""
SHUT = -0.2
"""How far fingers are closed, in [-1, 1], from where on they stand on things: an opening of 0.6 in `physics`."""
PASSES = 2
"""How often overlaps are undone: what was moved aside may meet a third thing."""


class Contacts(nn.Module):
    """Sizes of all kinds, as constants that go to the model's device."""

    def __init__(self) -> None:
        super().__init__()
        radius = torch.tensor([kind.radius for kind in KINDS])
        constants = {
            "radius": radius,
            "reach": radius + radius[:, None],
            "height": torch.tensor([kind.height for kind in KINDS]),
            "support": torch.tensor([kind.support for kind in KINDS]),
            "low": torch.tensor([*BODY_LOW, 0.0]),
            "high": torch.tensor([*BODY_HIGH, torch.inf]),
            "others": 1 - torch.eye(len(KINDS)),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def grasp(self, offset: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """How far each thing is from touching the gripper and from being grasped, sharp near zero: offsets
        [N, kinds, 3] from it in pixels, how far it is closed before and after a frame [N, 1] in [-1, 1] ->
        [N, kinds, GRASP] in [-1, 1]."""
        (x, y), tip = offset[..., :2].abs().unbind(-1), -offset[..., 2]
        opened, was = (FINGER_TRAVEL * (1 - closed) / 2 for closed in (after, before))
        free_x, free_y = x - self.radius - REACH[0], y - REACH[1]
        pushed = torch.stack([free_x - opened, free_x, free_y, free_x - free_y], -1)
        between = self.radius + 1 - FINGER_CLOSED
        held = [free_x - opened - free_y, free_x - 2, x + between - opened, x - ASTRIDE[0]]
        held += [x - 4.5, y - ASTRIDE[1], y - ASTRIDE[1] - 1, opened - between, was - between]
        held += [tip + 1, tip + 2, tip - 0.6 * self.height, tip - self.height + 1.5]
        return torch.tanh(torch.cat([pushed, offset, torch.stack(torch.broadcast_tensors(*held), -1)], -1))

    def touch(self, places: Tensor, moved: Tensor) -> Tensor:
        """How far things at [N, kinds, 3] are from touching and from standing on each other, and how they move:
        features of all pairs [N, kinds, kinds, TOUCH]."""
        offset, moved = pairs(places), moved / 2
        (x, y), up = offset[..., :2].abs().unbind(-1), offset[..., 2]
        free_x, free_y = x - self.reach, y - REACH[1]
        sharp = [free_x, free_y, free_x - free_y, up, up.abs() - LEVEL, x - 4.5, y - 3.5]
        sharp += [up + self.support, up - self.support[:, None]]
        moves = [moved[:, None].expand_as(offset), moved[:, :, None].expand_as(offset)]
        return torch.cat([offset / 16, torch.tanh(offset / 3), torch.tanh(torch.stack(sharp, -1)), *moves], -1)

    def above(self, places: Tensor, there: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """The gripper's pose [N, 4] on its way from `before` to `after`, among things at [N, kinds, 3] of presence
        [N, kinds, 1]: closed fingers do not pass through what lies below them."""
        (x, y), top = (places[..., :2] - after[:, None, :2]).abs().unbind(-1), places[..., 2] + self.height
        below = (x < self.radius) & (y < 2.5) & (before[:, 2:3] >= top - 0.5) & (there[..., 0] > 0.5)
        floor = torch.where(below & (before[:, 3:] >= SHUT), top, torch.zeros_like(top)).amax(1)
        return torch.cat([after[:, :2], torch.maximum(after[:, 2], floor)[:, None], after[:, 3:]], 1)

    def on_table(self, places: Tensor, moved: Tensor) -> Tensor:
        """Places [N, kinds, 3] of things that move so; what is low does not leave the table, and nothing sinks into
        it."""
        new = places + moved
        inside = new.clamp(torch.minimum(places, self.low), torch.maximum(places, self.high))
        return torch.where(new[..., 2:] < 1, inside, new)

    def apart(self, places: Tensor, new: Tensor, there: Tensor) -> Tensor:
        """Where things go that were on their way from `places` to `new` [N, kinds, 3]: they do not overlap more than
        before. Of two that would, each gives way by as much as the other one moves, along the shallow side. There
        [N, kinds, 1]: presence."""
        deep, _ = self._overlaps(places, there)
        for _ in range(PASSES):
            moved = (new - places).norm(dim=-1)
            now, way = self._overlaps(new, there)
            share = moved[:, :, None] / (moved[:, None] + moved[:, :, None] + 1e-6)
            new = self.on_table(new, (way * ((now - deep).clamp(min=0) * share)[..., None]).sum(1))
        return new

    def _overlaps(self, places: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """How deep things stand in each other, [N, kinds, kinds], and the unit vector by which the second leaves the
        first, [N, kinds, kinds, 3]."""
        offset = pairs(places)
        over_x, over_y = self.reach - offset[..., 0].abs(), REACH[1] - offset[..., 1].abs()
        both = there * there.mT * self.others * (offset[..., 2].abs() <= LEVEL)
        along_x, sign = over_x < over_y, offset.sign()
        way = torch.stack([sign[..., 0] * along_x, sign[..., 1] * ~along_x, torch.zeros_like(over_x)], -1)
        return torch.minimum(over_x, over_y).clamp(min=0) * both, way


def pairs(places: Tensor) -> Tensor:
    """Offsets from each thing to each, [N, kinds, kinds, 3]."""
    return places[:, None] - places[:, :, None]
