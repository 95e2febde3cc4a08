"""Where things will be while a block's actions happen: a small recurrent model of contacts, grasps and falls.

Trained before the transformer on simulated tracks. Objects are slots that see the gripper's track and one another
(message passing as in Interaction Networks, Battaglia et al. 2016, arXiv 1612.00222), first where they are, then how
they are about to move: what is pushed pushes on. The transformer is shown the predicted places; what that looks like,
it learns itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.contacts import GRASP, TOUCH, Contacts, pairs
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
        self.contacts = Contacts()
        self.message_in = nn.Linear(6 + 1 + 2 * kinds, 64)
        self.message_out = nn.Linear(64, message)
        self.enter = nn.Linear(6 + 3 + 3 + 2 + kinds + message + MEMORY + GRASP, width)
        self.inner = nn.Linear(width, width)
        self.remember = nn.Linear(width, MEMORY)
        self.leave = nn.Linear(width, 3)
        self.touch_in = nn.Linear(TOUCH + 1 + 2 * kinds, 64)
        self.touch_out = nn.Linear(64, message)
        self.give_in = nn.Linear(width + message + 3, width)
        self.give_out = nn.Linear(width, 3)
        for last in (self.leave, self.give_out):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, things: Tensor, pose: Tensor, actions: Tensor) -> Tensor:
        """Things [N, kinds, 4] (x, y, z, presence), poses [N, 4], unit actions [N, T, 4] -> things after each action,
        [N, T, kinds, 4]."""
        return self.ahead(things, pose, actions)[0]

    def ahead(self, things: Tensor, pose: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and the gripper's poses after each action, [N, T, 4]."""
        places, there = things[..., :3], things[..., 3:]
        memory, found, track = things.new_zeros(*places.shape[:2], MEMORY), [], []
        for action in actions.split(1, 1):
            before, pose = pose, self.contacts.above(places, there, pose, integrate(pose, action)[:, 0])
            moved, memory = self._frame(places, there, memory, before[:, None], pose[:, None], action[..., 3:])
            places = self._moved(places, moved, there)
            found.append(torch.cat([places, there], -1))
            track.append(pose)
        return torch.stack(found, 1), torch.stack(track, 1)

    def _moved(self, places: Tensor, moved: Tensor, there: Tensor) -> Tensor:
        """Things after a frame. While it is trained, nothing undoes what it does wrong."""
        new = self.contacts.on_table(places, moved)
        if self.training:
            return new
        moves = (new - places).norm(dim=-1, keepdim=True) > REST
        return self.contacts.apart(places, torch.where(moves, new, places), there)

    def _frame(
        self, places: Tensor, there: Tensor, memory: Tensor, before: Tensor, after: Tensor, grip: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One action, which leads the gripper from pose `before` to `after` [N, 1, 4]: how things at these places
        [N, kinds, 3] move, and the new memory [N, kinds, MEMORY]."""
        kind = torch.eye(len(KINDS), device=places.device)
        offset, moved = places - before[..., :3], (after - before)[..., :3] / 2
        grip = torch.cat([moved, before[..., 3:], after[..., 3:], grip], -1).expand(-1, len(KINDS), -1)
        seen = [offset / 16, torch.tanh(offset / 3), grip, places[..., 2:] / 8, there, kind.expand(len(places), -1, -1)]
        between = pairs(places)
        between = torch.cat([between / 16, torch.tanh(between / 3)], -1)
        told = self._told(self.message_in, self.message_out, between, there)
        near = self.contacts.grasp(places - after[..., :3], before[..., 3], after[..., 3])
        h = F.silu(self.enter(torch.cat([*seen, told, memory, near], -1)))
        h = h + F.silu(self.inner(h))
        moved = self.leave(h)
        felt = self._told(self.touch_in, self.touch_out, self.contacts.touch(places + moved, moved), there)
        moved = moved + self.give_out(F.silu(self.give_in(torch.cat([h, felt, moved / 2], -1))))
        return moved, torch.tanh(self.remember(h))

    def _told(self, enter: nn.Linear, leave: nn.Linear, between: Tensor, there: Tensor) -> Tensor:
        """What each thing is told by the others that are there, given features of all pairs [N, kinds, kinds, F] and
        their kinds, [N, kinds, message]."""
        kinds = between.shape[1]
        own, presence, other, this = enter.weight.split([between.shape[-1], 1, kinds, kinds], 1)
        h = F.silu(F.linear(between, own, enter.bias) + presence[:, 0] + other.T + this.T[:, None])
        weight = self.contacts.others * there.mT
        return F.linear((weight[..., None] * h).sum(2), leave.weight) + leave.bias * weight.sum(-1, keepdim=True)
