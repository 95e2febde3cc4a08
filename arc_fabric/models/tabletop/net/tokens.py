"""A latent frame as tokens, and what goes with them through the layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from arc_fabric.models.tabletop.net.rotary import GRID
from arc_fabric.models.tabletop.net.vae import CHANNELS

SIDE = 8
"""Cells of a latent frame per side."""
PATCH = 2
VIDEO_TOKENS = GRID * GRID
TOKENS = VIDEO_TOKENS + 1
"""Tokens per latent frame: 16 of video, then one of actions."""
ACTIONS = 4
"""Actions per latent frame."""
BLOCK = 2
"""Latent frames per block."""
CLEAN, FIRST, SECOND = 0, 1, 2
"""Roles of a latent frame: of the past, first and second of the block that is being made."""


@dataclass(frozen=True)
class DitShape:
    """Sizes of the transformer."""

    channels: int = CHANNELS
    width: int = 192
    layers: int = 6
    heads: int = 6
    text_width: int = 64

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class Frames(NamedTuple):
    """Latent frames as the layers see them."""

    tokens: Tensor
    """[N, n, d]: n = TOKENS, or 1 where only actions are asked for."""
    condition: Tensor
    """[N, d]: what adaptive layer norm is told."""
    role: Tensor
    """int64 [N]."""
    cos: Tensor
    """Rotary angles of queries and keys [2, N, n, heads, head_dim / 2]."""
    sin: Tensor


def patchify(z: Tensor) -> Tensor:
    """[N, C, 8, 8] -> [N, 16, C * 4]."""
    return F.pixel_unshuffle(z, PATCH).flatten(2).mT


def unpatchify(tokens: Tensor) -> Tensor:
    """[N, 16, C * 4] -> [N, C, 8, 8]."""
    return F.pixel_shuffle(tokens.mT.unflatten(2, (GRID, GRID)), PATCH)
