"""What the prompt asks the gripper to do next: mean actions from the prompt and where things are.

A small network, trained before the transformer on simulated episodes (behaviour cloning). The words choose a target
and a second object among the things that the eyes see (soft attention over object slots); their offsets from the
gripper, the gripper's pose and the prompt give the mean of the next actions. The transformer's policy starts from it:
it learns how actions differ from this mean, and samples them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.pose import REACH_FEATURES, things_to_action
from arc_fabric.models.tabletop.scene import KINDS
from arc_fabric.models.tabletop.text import PromptEncoder

ROLES = 2
"""Objects that a prompt can name: what is moved, and what it is put on or next to."""
INTENT_ACTIONS = 8


class Intent(nn.Module):
    """Prompt, things and pose -> mean unit actions of a block."""

    def __init__(self, width: int = 256, text_width: int = 64) -> None:
        super().__init__()
        self.text = PromptEncoder(128, text_width)
        self.choose = nn.Linear(128, ROLES * len(KINDS))
        self.enter = nn.Linear((len(KINDS) + ROLES) * REACH_FEATURES + 4 + 128, width)
        self.inner = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.leave = nn.Linear(width, 4 * INTENT_ACTIONS)

    def forward(self, ids: Tensor, things: Tensor, pose: Tensor) -> Tensor:
        """Word ids int64 [N, L], things float [N, kinds, 4] (x, y, z, presence), poses [N, 4] -> actions [N, 8, 4]."""
        words = self.text(ids)
        reach = things_to_action(things, pose).unflatten(1, (len(KINDS), REACH_FEATURES))
        chosen = self.choose(words).unflatten(1, (ROLES, len(KINDS))).softmax(-1) @ reach
        where = (pose - pose.new_tensor([32.0, 48.0, 10.0, 0.0])) / pose.new_tensor([16.0, 8.0, 6.0, 1.0])
        h = F.silu(self.enter(torch.cat([reach.flatten(1), chosen.flatten(1), where, words], -1)))
        for layer in self.inner:
            h = h + F.silu(layer(F.layer_norm(h, h.shape[-1:])))
        return self.leave(h).unflatten(1, (INTENT_ACTIONS, 4))
