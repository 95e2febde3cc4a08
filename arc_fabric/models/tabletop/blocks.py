"""A block: what it is denoised from and what it brings forth, as named tuples of tensors, which graphs can take."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arc_fabric.models.tabletop.dit import ACTIONS
from arc_fabric.models.tabletop.foresight import remembered
from arc_fabric.models.tabletop.slots import look, unpack
from arc_fabric.models.tabletop.vae import CHANNELS

BLOCK = 2
"""Latent frames per block."""
HORIZON = BLOCK * ACTIONS
"""Actions, and new video frames, per block."""


def block_noise(seed: int, start: int, channels: int) -> tuple[Tensor, Tensor]:
    """Noise of one row's block, a function of seed and start frame only: [C, 2, 8, 8] and [8, 4], on the CPU."""
    generator = torch.Generator().manual_seed((int(seed) * 1_000_003 + start) % 2**63)
    video = torch.randn(channels, BLOCK, 8, 8, generator=generator)
    return video, torch.randn(HORIZON, 4, generator=generator)


class BlockInputs(NamedTuple):
    """What a block is denoised from."""

    clean: Tensor
    """Latent frames that are not in the KV yet, [B, LATENT_CHANNELS, F, 8, 8]."""
    track: Tensor
    """The gripper's poses in them, [B, F, 4, 4]."""
    written: tuple[Tensor, Tensor]
    """Their rotary angles."""
    anchor: Tensor
    """The window's first latent frame, [B, LATENT_CHANNELS, 8, 8]: colours of table and wall stay as in it."""
    known: Tensor
    """Where things were foreseen at the last clean frame's end, [B, kinds, 4]."""
    pose: Tensor
    """Gripper pose at the block's start, [B, 4]."""
    told: Tensor
    """Whether the pose is that of a given state, bool []. If so things are as seen in the last clean frame; else they
    are as known, unless seen elsewhere, and the fingers as seen."""
    words: Tensor
    """Word ids of the prompts, int64 [B, L]."""
    noise: tuple[Tensor, Tensor]
    """[B, C, 2, 8, 8] and [B, 8, 4]."""
    angles: tuple[Tensor, Tensor]
    """Rotary angles of the block's latent frames."""

    def situation(self) -> Situation:
        """What the block begins from."""
        seen, pose = look(self.clean[:, :, -1])
        things = torch.where(self.told, seen, remembered(self.known, seen))
        pose = torch.where(self.told, self.pose, torch.cat([self.pose[:, :3], pose[:, 3:]], 1))
        last = self.clean[:, :CHANNELS, -1].contiguous()
        return Situation(last, things, pose, unpack(self.anchor).look)


class Situation(NamedTuple):
    """Where a block begins."""

    last: Tensor
    """Features of the last clean latent frame, [B, C, 8, 8]."""
    things: Tensor
    """Where things are in it, [B, kinds, 4]."""
    pose: Tensor
    """Gripper pose, [B, 4]."""
    look: Tensor
    """Colours of table and wall, [B, 2, 3]."""


class Block(NamedTuple):
    """What a block brings forth."""

    video: Tensor
    """Latents [B, LATENT_CHANNELS, 2, 8, 8]."""
    actions: Tensor
    """Actions in pixels per frame and grip [B, 8, 4], given or predicted."""
    moments: Tensor
    """Its poses and things as `ys` keeps them, [B, 32, 2]."""
    caches: tuple[Tensor, ...]
    """The longer caches, as of `write_kv`."""
