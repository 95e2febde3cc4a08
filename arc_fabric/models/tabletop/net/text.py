"""Prompts as numbers: words are hashed, so that any string has ids and none is refused; id 0 is padding."""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

LENGTH = 24
"""Words of a prompt that are read; the rest is ignored."""
BUCKETS = 2048
"""Hash buckets of the word table."""


def words(prompt: str) -> list[str]:
    """Lower-case words of a prompt."""
    return re.findall(r"\w+", prompt.lower())[:LENGTH]


def token_ids(prompt: str) -> np.ndarray:
    """int64 [LENGTH]: hashed word ids, right-padded with 0."""
    ids = np.zeros(LENGTH, np.int64)
    found = [1 + zlib.crc32(w.encode()) % (BUCKETS - 1) for w in words(prompt)]
    ids[: len(found)] = found
    return ids


class Text(NamedTuple):
    """Encoded prompts."""

    pooled: Tensor
    """[B, d]: enters by adaptive layer norm."""
    words: Tensor
    """[B, L, d]: what action tokens attend to; padding is a learned word."""


class TextEncoder(nn.Module):
    """Word ids -> `Text`: embeddings, a width-3 convolution over word order, mean and max pooling.

    Words never seen in training have near-zero embeddings and change little."""

    def __init__(self, width: int, text_width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(BUCKETS, text_width)
        nn.init.normal_(self.table.weight, std=0.02)
        self.order = nn.Conv1d(text_width, 2 * text_width, 3, padding=1)
        self.pool = nn.Sequential(nn.Linear(4 * text_width, width), nn.SiLU(), nn.Linear(width, width))
        self.each = nn.Linear(2 * text_width, width)
        self.padding = nn.Parameter(torch.randn(width))

    def forward(self, ids: Tensor) -> Text:
        """Word ids int64 [B, L]."""
        there = (ids > 0).unsqueeze(-1).float()
        x = self.table(ids) * there * 20.0
        x = F.silu(self.order(x.mT)).mT * there
        mean = x.sum(1) / there.sum(1).clamp(min=1)
        each = torch.where(there > 0, self.each(x).float(), self.padding)
        return Text(self.pool(torch.cat([mean, x.amax(1)], -1)), F.layer_norm(each, each.shape[-1:]))
