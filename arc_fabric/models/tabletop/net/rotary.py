"""Places of tokens in time and space, by which queries and keys are turned (3D rotary embedding)."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

GRID = 4
"""Video tokens per side of a latent frame."""


@cache
def speeds(head_dim: int) -> Tensor:
    """Radians per step of time, row and column, [3, pairs]: half of the pairs turn with time, a quarter with each of
    row and column."""
    pairs = head_dim // 2
    space = pairs // 4
    time = pairs - 2 * space
    table = torch.zeros(3, pairs)
    table[0, :time] = 2.9 * (0.25 / 2.9) ** (torch.arange(time) / (time - 1))
    table[1, time : time + space] = 2.6 * (0.35 / 2.6) ** (torch.arange(space) / (space - 1))
    table[2, time + space :] = table[1, time : time + space]
    return table


@cache
def grid() -> Tensor:
    """Rows and columns of a latent frame's tokens, [17, 2]; the action token stands in the middle."""
    middle = (GRID - 1) / 2
    rows = torch.arange(GRID).repeat_interleave(GRID).float()
    columns = torch.arange(GRID).repeat(GRID).float()
    return torch.cat([torch.stack([rows, columns], -1), torch.full((1, 2), middle)])


def angles(places: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """Places (time, row, column) [..., 3] -> cosines and sines [..., head_dim / 2]."""
    turned = places @ speeds(head_dim).to(places.device)
    return turned.cos(), turned.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + head_dim / 2) of x [..., head_dim] by angles [..., head_dim / 2]."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
