"""Where things will be while a block's actions happen: a small recurrent model of contacts, grasps and falls.

Trained before the transformer on simulated tracks. Objects are slots that see the gripper's track and one another
(message passing as in Interaction Networks, Battaglia et al. 2016, arXiv 1612.00222). The transformer is shown the
predicted places; what that looks like, it learns itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.pose import integrate
from arc_fabric.models.tabletop.scene import KINDS

MEMORY = 64
REST = 0.08
"""Pixels per frame up to which a thing is not moved at all, or what nobody touches would creep away in a thousand
frames. What is touched moves by 0.19 or more in 99 of 100 frames."""
SURPRISE = 4.0
"""Pixels between where a thing was foreseen and where it is seen at which the eyes are believed."""


def remembered(foreseen: Tensor, seen: Tensor) -> Tensor:
    """Where things are, [N, kinds, 4], from what the last block foresaw and what the eyes see now: what was foreseen,
    with its fine position and with things that are hidden now, except for what is seen somewhere else."""
    there, found = foreseen[..., 3] > 0.5, seen[..., 3] > 0.5
    far = (foreseen[..., :3] - seen[..., :3]).norm(dim=-1) > SURPRISE
    return torch.where((found & (far | ~there))[..., None], seen, foreseen)


class Foresight(nn.Module):
    """Things, pose and actions -> places after every action."""

    def __init__(self, width: int = 128, message: int = 32) -> None:
        super().__init__()
        kinds = len(KINDS)
        self.message_in = nn.Linear(6 + 1 + 2 * kinds, 64)
        self.message_out = nn.Linear(64, message)
        self.enter = nn.Linear(6 + 3 + 3 + 2 + kinds + message + MEMORY, width)
        self.inner = nn.Linear(width, width)
        self.remember = nn.Linear(width, MEMORY)
        self.leave = nn.Linear(width, 3)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, things: Tensor, pose: Tensor, actions: Tensor) -> Tensor:
        """Things [N, kinds, 4] (x, y, z, presence), poses [N, 4], unit actions [N, T, 4] -> things after each action,
        [N, T, kinds, 4]."""
        track = torch.cat([pose[:, None], integrate(pose, actions)], 1)
        kind = torch.eye(len(KINDS), device=things.device).expand(len(things), -1, -1)
        places, there = things[..., :3], things[..., 3:]
        memory, found = things.new_zeros(*places.shape[:2], MEMORY), []
        for n in range(actions.shape[1]):
            told = self._messages(places, there, kind)
            before, after = track[:, n, None], track[:, n + 1, None]
            offset = places - before[..., :3]
            grip = torch.cat([before[..., 3:], after[..., 3:], actions[:, n, None, 3:]], -1)
            moved = (after - before)[..., :3] / 2
            seen = [offset / 16, torch.tanh(offset / 3), moved.expand_as(places), grip.expand_as(places)]
            h = torch.cat([*seen, places[..., 2:] / 8, there, kind, told, memory], -1)
            h = F.silu(self.enter(h))
            h = h + F.silu(self.inner(h))
            memory = torch.tanh(self.remember(h))
            moved = self.leave(h)
            if not self.training:
                moved = moved * (moved.norm(dim=-1, keepdim=True) > REST)
            places = places + moved
            found.append(torch.cat([places, there], -1))
        return torch.stack(found, 1)

    def _messages(self, places: Tensor, there: Tensor, kind: Tensor) -> Tensor:
        """What each object feels of the others, [N, kinds, message]."""
        slots = places.shape[1]
        offset = places[:, None] - places[:, :, None]
        shape = (*offset.shape[:3], -1)
        who = [there[:, None].expand(shape), kind[:, None].expand(shape), kind[:, :, None].expand(shape)]
        felt = self.message_out(F.silu(self.message_in(torch.cat([offset / 16, torch.tanh(offset / 3), *who], -1))))
        other = 1 - torch.eye(slots, device=places.device)[..., None]
        return (felt * other * there[:, None]).sum(2)
