"""The text encoder: any string becomes a vector and a row of words to attend to."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.language import BUCKETS


class Text(NamedTuple):
    """Encoded prompts."""

    pooled: Tensor
    """[B, d]: enters by adaptive layer norm."""
    words: Tensor
    """[B, 1 + L, d]: what tokens attend to: a learned token that is always there, then the words in their order."""
    there: Tensor
    """bool [B, 1 + L]: false where a prompt has no word."""

    def rows(self, part: slice) -> Text:
        """Some of the prompts."""
        return Text(*(value[part] for value in self))


class PromptEncoder(nn.Module):
    """Hashed words -> one vector: embeddings, a width-3 convolution over word order, mean and max pooling.

    Words never seen in training have near-zero embeddings and change little."""

    def __init__(self, width: int, text_width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(BUCKETS, text_width)
        nn.init.normal_(self.words.weight, std=0.02)
        self.order = nn.Conv1d(text_width, 2 * text_width, 3, padding=1)
        self.out = nn.Sequential(nn.Linear(4 * text_width, width), nn.SiLU(), nn.Linear(width, width))

    def read(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Word ids int64 [B, L], 0 is padding -> the whole [B, width], the words in their order
        [B, L, 2 * text_width]."""
        there = (ids > 0).unsqueeze(-1).float()
        x = self.words(ids) * there * 20.0
        x = F.silu(self.order(x.mT)).mT * there
        mean = x.sum(1) / there.sum(1).clamp(min=1)
        return self.out(torch.cat([mean, x.amax(1)], -1)), x

    def forward(self, ids: Tensor) -> Tensor:
        """Word ids int64 [B, L] -> [B, width]."""
        return self.read(ids)[0]


class TextEncoder(PromptEncoder):
    """Hashed words -> `Text`: the whole, and the words for cross-attention."""

    def __init__(self, width: int, text_width: int) -> None:
        super().__init__(width, text_width)
        self.word_out = nn.Linear(2 * text_width, width)
        self.always = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, ids: Tensor) -> Text:
        """Word ids int64 [B, L], 0 is padding."""
        whole, x = self.read(ids)
        words = torch.cat([self.always.expand(len(ids), -1, -1).to(x.dtype), self.word_out(x).to(x.dtype)], 1)
        present = F.pad(ids > 0, (1, 0), value=True)
        return Text(whole, F.layer_norm(words, words.shape[-1:]), present)
