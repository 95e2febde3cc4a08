"""All state of a session that survives a call, under DreamZero's attribute names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from arc_fabric.models.tabletop.codec import Codec
from arc_fabric.models.tabletop.scene import KINDS
from arc_fabric.models.tabletop.slots import Memory
from arc_fabric.models.tabletop.vae import GROUP

POSES = 4 * GROUP
"""Channels of `ActionHead.ys` that hold poses."""


@dataclass
class ActionHead:
    """Caches, conditioning and counters of the session that is resident now; see `arc_fabric.models.contract`.

    Tensors here are replaced, never written in place."""

    vae: Codec
    kv_cache1: list[Tensor] = field(default_factory=list)
    """Per layer `[2, B, F * 17, heads, head_dim]` float32: keys and values of F latent frames under the prompt."""
    kv_cache_neg: list[Tensor] = field(default_factory=list)
    """The same under the empty prompt (the other guidance branch)."""
    crossattn_cache: list[Tensor] = field(default_factory=list)
    """Per layer `[2, B, L, heads, head_dim]`, all zero: text enters by adaptive layer norm and needs no cache.
    May be restored as empty lists."""
    crossattn_cache_neg: list[Tensor] = field(default_factory=list)
    clip_feas: Tensor | None = None
    """Features of the window's first image: float32 `[B, C, 64]`, its latent, channels first. Drafts show its
    table and wall."""
    ys: Tensor | None = None
    """What the session knows of the gripper and of things, float32 `[B, 32, 9, 1, 1]`, time as in the window.

    16 channels of dead-reckoned poses (frame in latent, x y z closed), then 16 of things at the latent's last moment
    (kind, x y z presence). Zero where not reached. Blocks in the KV and the pending block read their poses here."""
    memory: Tensor | None = None
    """The `ys` of the last window, put here by who begins the next window of the same world: where things are that its
    first image hides. The call takes it off."""
    language: Tensor | None = None
    """Word ids of the prompt, int64 `[B, L]`."""
    current_start_frame: int = 0
    seed: int | Sequence[int] = 1140
    """One seed, or one per row of a batch."""

    def drop_caches(self) -> None:
        """What an automatic reset forgets."""
        self.kv_cache1, self.kv_cache_neg = [], []
        self.crossattn_cache, self.crossattn_cache_neg = [], []
        self.clip_feas = self.ys = self.memory = self.language = None
        self.current_start_frame = 0


def same_prompt(language: Tensor | None, text: Tensor) -> bool:
    """Whether the head's language is this text."""
    return language is not None and language.shape == text.shape and torch.equal(language.to(text.device), text)


def empty_track(rows: int, frames: int, device: torch.device) -> Tensor:
    """A `ys` for windows of `frames` latent frames in which nothing is known yet."""
    return torch.zeros(rows, POSES + 4 * len(KINDS), frames, 1, 1, device=device)


def poses_of(ys: Tensor, first: int, frames: int) -> Tensor:
    """Poses [B, frames, 4, 4] of latent frames `first`... kept in ys."""
    return ys[:, :POSES, first : first + frames, 0, 0].mT.unflatten(2, (GROUP, 4))


def things_of(ys: Tensor, index: int) -> Tensor:
    """Things [B, kinds, 4] (x, y, z, presence) at the last moment of latent frame `index`, kept in ys."""
    return ys[:, POSES:, index, 0, 0].unflatten(1, (-1, 4))


def memory_of(ys: Tensor | None, rows: int) -> Memory | None:
    """What the track of this many worlds knows at its end; None where there is no such track."""
    reached = 0 if ys is None or len(ys) != rows else int((ys[0, 0, :, 0, 0] != 0).sum())  # no gripper is ever at x = 0
    return Memory(things_of(ys, reached - 1), poses_of(ys, reached - 1, 1)[:, 0, -1]) if reached else None


def moments_of(poses: Tensor, things: Tensor) -> Tensor:
    """Poses [B, F, 4, 4] of F latent frames, and things [B, F, kinds, 4] at their ends, as `ys` keeps them:
    [B, 32, F]."""
    return torch.cat([poses.flatten(2), things.flatten(2)], 2).mT


def with_moments(ys: Tensor, moments: Tensor, first: int) -> Tensor:
    """A copy of ys with these moments from latent frame `first` on, zero behind."""
    ys = ys.clone()
    ys[:, :, first : first + moments.shape[2], 0, 0] = moments
    ys[:, :, first + moments.shape[2] :] = 0
    return ys


def with_track(ys: Tensor, poses: Tensor, things: Tensor, first: int) -> Tensor:
    """The same with poses [B, F, 4, 4] and things [B, F, kinds, 4] of latent frames `first`..."""
    return with_moments(ys, moments_of(poses, things), first)


def row_of(head: ActionHead, row: int) -> ActionHead:
    """One row of a batched head, as a head of its own."""
    part = slice(row, row + 1)
    return ActionHead(
        head.vae,
        [k[:, part] for k in head.kv_cache1],
        [k[:, part] for k in head.kv_cache_neg],
        clip_feas=head.clip_feas[part],
        ys=head.ys[part],
        current_start_frame=head.current_start_frame,
    )
