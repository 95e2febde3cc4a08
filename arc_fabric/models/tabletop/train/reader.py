"""What is read from tokens while training: where the gripper and the things are. Nothing of this is in the model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.net.tokens import ACTIONS, SIDE

MIDDLE, SPREAD = (32.0, 40.0, 46.0), (16.0, 10.0, 8.0)
"""Of columns, rows and depths, in pixels."""
CELL = 8
"""Pixels per cell of a latent frame."""


class Reader(nn.Module):
    """What is read from action tokens while training: the gripper's column, row and depth in four frames, its opening;
    each thing's in the last frame; what is held."""

    def __init__(self, width: int, kinds: int = 4) -> None:
        super().__init__()
        self.kinds = kinds
        self.gripper = nn.Linear(width, ACTIONS * 4)
        self.things = nn.Linear(width, kinds * 3)
        self.held = nn.Linear(width, kinds + 1)

    def forward(self, x: Tensor, gripper: Tensor, things: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [N, d]; truth: gripper [N, 4 frames, 4], things [N, kinds, 4], held [N] -> two losses."""
        x = x.float()
        seen = self.gripper(x).unflatten(-1, (ACTIONS, 4))
        hand = off(seen[..., :3], gripper).mean() + 0.5 * F.mse_loss(seen[..., 3], gripper[..., 3])
        there = things[..., 3]
        thing = (off(self.things(x).unflatten(-1, (self.kinds, 3)), things) * there).sum() / there.sum()
        return hand, thing + 0.08 * F.cross_entropy(self.held(x), held + 1)


class AimReader(nn.Module):
    """What is read from the policy's tokens while training: where the gripper is, and the thing that is asked for."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.places = nn.Linear(width, 6)

    def forward(self, x: Tensor, gripper: Tensor, target: Tensor, there: Tensor) -> Tensor:
        """Tokens [N, d]; truth: places [N, 3 or more] of gripper and target, and whether there is one [N] -> a loss."""
        hand, thing = self.places(x.float()).unflatten(-1, (2, 3)).unbind(1)
        return off(hand, gripper).mean() + (off(thing, target) * there).sum() / there.sum().clamp(min=1)


def seen_at(places: Tensor) -> Tensor:
    """Places [..., (x, y, z, ...)] -> column x, row y - z and depth y [..., 3], in units of their spread."""
    x, y, z = places[..., :3].unbind(-1)
    at = torch.stack([x, y - z, y], -1)
    return (at - at.new_tensor(MIDDLE)) / at.new_tensor(SPREAD)


def off(read: Tensor, places: Tensor) -> Tensor:
    """How far off columns, rows and depths [..., 3] are that were read of places [..., 3 or more], [...]."""
    return F.smooth_l1_loss(read, seen_at(places), beta=0.1, reduction="none").mean(-1)


def looking(looks: Tensor, gripper: Tensor, things: Tensor) -> Tensor:
    """The loss of where the first questions of a glance look, logits [N, 64, questions]: each kind of thing, then the
    gripper in four frames; truth as of `Reader`."""
    places = torch.cat([things, gripper], 1)
    there = torch.cat([things[..., 3], torch.ones_like(gripper[..., 3])], 1)
    x, y, z = places[..., :3].unbind(-1)
    column, row = ((at / CELL).long().clamp(0, SIDE - 1) for at in (x, y - z - 3))
    found = looks[..., : places.shape[1]].log_softmax(1).gather(1, (row * SIDE + column)[:, None])[:, 0]
    return -(found * there).sum() / there.sum()
