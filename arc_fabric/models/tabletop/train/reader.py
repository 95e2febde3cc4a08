"""What is read from tokens while training: where the gripper and the things are. Nothing of this is in the model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.net.dit import ACTIONS

BINS = 32
"""Bins of two pixels in which positions are read."""


class Reader(nn.Module):
    """What is read from action tokens while training: bins of the gripper's column, row and depth in four frames, its
    opening; bins of each thing's in the last frame; what is held."""

    def __init__(self, width: int, kinds: int = 4) -> None:
        super().__init__()
        self.kinds = kinds
        self.gripper = nn.Linear(width, ACTIONS * 3 * BINS)
        self.opening = nn.Linear(width, ACTIONS)
        self.things = nn.Linear(width, kinds * 3 * BINS)
        self.held = nn.Linear(width, kinds + 1)

    def forward(self, x: Tensor, gripper: Tensor, things: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [N, d]; truth: gripper [N, 4 frames, 4], things [N, kinds, 4], held [N] -> two losses."""
        x = F.layer_norm(x.float(), x.shape[-1:])
        seen = self.gripper(x).unflatten(-1, (ACTIONS, 3, BINS)).log_softmax(-1)
        hand = -(seen * bins(gripper)).sum(-1).mean() + 4 * F.mse_loss(self.opening(x), gripper[..., 3])
        seen = self.things(x).unflatten(-1, (self.kinds, 3, BINS)).log_softmax(-1)
        there = things[..., 3]
        thing = -(seen * bins(things)).sum(-1).mean(-1)
        thing = (thing * there).sum() / there.sum() + 0.3 * F.cross_entropy(self.held(x), held + 1)
        return hand, thing


class AimReader(nn.Module):
    """What is read from the policy's tokens while training: where the gripper is, and the thing that is asked for."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.places = nn.Linear(width, 2 * 3 * BINS)

    def forward(self, x: Tensor, gripper: Tensor, target: Tensor, there: Tensor) -> Tensor:
        """Tokens [N, d]; truth: places [N, 3 or more] of gripper and target, and whether there is one [N] -> a loss."""
        seen = self.places(F.layer_norm(x.float(), x.shape[-1:])).unflatten(-1, (2, 3, BINS)).log_softmax(-1)
        hand, thing = (
            -(part * bins(truth)).sum(-1).mean(-1)
            for part, truth in zip(seen.unbind(1), (gripper, target), strict=True)
        )
        return hand.mean() + (thing * there).sum() / there.sum().clamp(min=1)


def bins(places: Tensor) -> Tensor:
    """Places [..., (x, y, z, ...)] -> soft bins [..., 3, BINS] of column x, row y - z and depth y."""
    x, y, z = places[..., :3].unbind(-1)
    at = (torch.stack([x, y - z, y], -1) / 2 - 0.5).clamp(0, BINS - 1.001)
    low = at.floor()
    share = (at - low)[..., None]
    first = F.one_hot(low.long(), BINS)
    return first * (1 - share) + F.one_hot(low.long() + 1, BINS) * share
