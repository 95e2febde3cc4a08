"""What the last token of a clean latent frame begins with: a look at the whole frame."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.net.tokens import SIDE


class Glance(nn.Module):
    """A latent frame of the past as one token: convolutions over its cells, and questions that look for one each.

    What a question finds is what stands in the cells that it looks at, and where they are."""

    def __init__(self, channels: int, width: int, inner: int = 64, questions: int = 16) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, inner, 3, padding=1)
        self.inner = nn.ModuleList(nn.Conv2d(inner, inner, 3, padding=1) for _ in range(2))
        self.score = nn.Linear(inner, questions)
        self.place = nn.Parameter(torch.zeros(SIDE * SIDE, questions))
        self.value = nn.Linear(inner, 32)
        self.think = nn.Linear(questions * 36, 3 * width)
        self.leave = nn.Linear(3 * width + 2 * questions, width)
        nn.init.zeros_(self.score.weight)

    def look(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [N, C, 8, 8] -> where questions look, logits [N, 64, questions], and tokens [N, d]."""
        x = self.enter(z)
        for layer in self.inner:
            x = x + layer(F.silu(x))
        x = F.silu(x.flatten(2).mT)
        looks = (4 * self.score(x) + self.place).float()
        where = cells().to(z.device).expand(len(z), -1, -1)
        found = looks.softmax(1).mT @ torch.cat([self.value(x).float(), where, where.square() / 2], -1)
        thought = F.silu(self.think(found.flatten(1))).float()
        return looks, self.leave(torch.cat([thought, found[..., 32:34].flatten(1)], -1))

    def forward(self, z: Tensor) -> Tensor:
        """Latents [N, C, 8, 8] -> tokens [N, d]."""
        return self.look(z)[1]


@cache
def cells() -> Tensor:
    """Rows and columns of a latent frame's cells, from -2 to 2, [64, 2]."""
    line = torch.linspace(-2, 2, SIDE)
    return torch.cartesian_prod(line, line)
