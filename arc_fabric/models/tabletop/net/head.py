"""All state of a session that survives a call, under DreamZero's attribute names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from arc_fabric.models.tabletop.net.vae import CausalVAE


@dataclass
class ActionHead:
    """Caches, conditioning and counters of the session that is resident now; see `arc_fabric.models.contract`.

    Tensors here are replaced, never written in place."""

    vae: CausalVAE
    kv_cache1: list[Tensor] = field(default_factory=list)
    """Per layer `[2, B, F * 17, heads, head_dim]` float32: keys and values of F latent frames under the prompt."""
    kv_cache_neg: list[Tensor] = field(default_factory=list)
    """The same under the empty prompt (the other guidance branch)."""
    crossattn_cache: list[Tensor] = field(default_factory=list)
    """Per layer `[2, B, L, heads, head_dim]`, all zero: what is read in a prompt is made anew from its words.
    May be restored as empty lists."""
    crossattn_cache_neg: list[Tensor] = field(default_factory=list)
    clip_feas: Tensor | None = None
    """Features of the window's first image: float32 `[B, C, 64]`, its latent, channels first. The call that starts a
    window writes them into the KV; no later call reads them."""
    ys: Tensor | None = None
    """Which latent frames of the window are given, float32 `[B, 1, 9, 1, 1]`: one for the first image, zero behind."""
    language: Tensor | None = None
    """Word ids of the prompt, int64 `[B, L]`."""
    current_start_frame: int = 0
    seed: int | Sequence[int] = 1140
    """One seed, or one per row of a batch."""
    settings: Mapping[str, float] = field(default_factory=dict)
    """Of the sampler's settings those that the next call has otherwise than by default."""

    def drop_caches(self) -> None:
        """What an automatic reset forgets."""
        self.kv_cache1, self.kv_cache_neg = [], []
        self.crossattn_cache, self.crossattn_cache_neg = [], []
        self.clip_feas = self.ys = self.language = None
        self.current_start_frame = 0


def same_prompt(language: Tensor | None, text: Tensor) -> bool:
    """Whether the head's language is this text."""
    return language is not None and language.shape == text.shape and torch.equal(language.to(text.device), text)


def row_of(head: ActionHead, row: int) -> ActionHead:
    """One row of a batched head, as a head of its own."""
    part = slice(row, row + 1)
    return ActionHead(
        head.vae,
        [k[:, part] for k in head.kv_cache1],
        [k[:, part] for k in head.kv_cache_neg],
        clip_feas=None if head.clip_feas is None else head.clip_feas[part],
        current_start_frame=head.current_start_frame,
    )
