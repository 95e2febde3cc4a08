"""Blocks of latents: filling the KV caches with clean latents, and denoising the next block.

Everything here is a pure function of its arguments; both guidance branches run as one batch, rows [prompt, empty].
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from arc_fabric.models.tabletop.codec import Codec
from arc_fabric.models.tabletop.dit import ACTIONS, CausalDiT, Prompts
from arc_fabric.models.tabletop.draft import draft, foreseen
from arc_fabric.models.tabletop.pose import integrate, shrink
from arc_fabric.models.tabletop.slots import look, pack
from arc_fabric.models.tabletop.vae import CHANNELS

BLOCK = 2
"""Latent frames per block."""
HORIZON = BLOCK * ACTIONS
"""Actions, and new video frames, per block."""


@dataclass(frozen=True)
class SamplerSettings:
    """How a block is denoised: Euler steps of the video and of predicted actions, on levels
    t = s u / (1 + (s - 1) u), and the guidance weight of predicted actions (the video follows the actions). At
    weight 1 the empty prompt is not asked."""

    steps: int = 3
    action_steps: int = 5
    shift: float = 5.0
    guidance: float = 1.0
    temperature: float = 0.5
    """Size of the noise that predicted actions start from: below 1 they stay closer to what the experts mostly do."""

    def levels(self, steps: int) -> list[float]:
        """Noise levels from 1 to 0, `steps + 1` of them."""
        grid = [1 - i / steps for i in range(steps + 1)]
        return [self.shift * u / (1 + (self.shift - 1) * u) for u in grid]


def block_noise(seed: int, start: int, channels: int) -> tuple[Tensor, Tensor]:
    """Noise of one row's block, a function of seed and start frame only: [C, 2, 8, 8] and [8, 4], on the CPU."""
    generator = torch.Generator().manual_seed((int(seed) * 1_000_003 + start) % 2**63)
    video = torch.randn(channels, BLOCK, 8, 8, generator=generator)
    return video, torch.randn(HORIZON, 4, generator=generator)


def write_kv(
    dit: CausalDiT, latents: Tensor, poses: Tensor, prompts: Prompts, caches: list[Tensor], first: int
) -> list[Tensor]:
    """Append clean latent frames to the caches of both branches.

    latents [B, LATENT_CHANNELS, F, 8, 8]; poses [B, F, 4, 4]; 2B prompts; caches per layer
    [2, 2B, seq, heads, head_dim] or empty. Returns new, longer caches.
    """
    batch, frames = latents.shape[0], latents.shape[2]
    # In one layout wherever the latents come from: convolutions round by it.
    known = latents.transpose(1, 2).flatten(0, 1)
    z, (things, _) = known[:, :CHANNELS].contiguous(), look(known)
    none = z.new_zeros(len(z), ACTIONS, 4)
    ahead = things[:, None].expand(-1, ACTIONS, -1, -1)
    shown = dit.show(things, ahead)
    x = dit.tokens(z, z, things, shown, torch.zeros_like(z), none, poses.flatten(0, 1), none)
    x = x.unflatten(0, (batch, frames))
    level = z.new_zeros(2 * batch)
    _, own = dit(x.repeat(2, 1, 1, 1), dit.condition(prompts.pooled, level, level), prompts, caches, first)
    return [torch.cat([old, new], 2) for old, new in zip(caches, own, strict=True)] if caches else own


@dataclass(frozen=True)
class BlockInputs:
    """What a block is denoised from."""

    last: Tensor
    """Features of the last clean latent frame, [B, C, 8, 8]."""
    look: Tensor
    """Colours of table and wall in the window's first frame, [B, 2, 3]: they do not change within a window."""
    things: Tensor
    """Where things are in the last clean frame, [B, kinds, 4]."""
    pose: Tensor
    """Gripper pose at the block's start, [B, 4]."""
    words: Tensor
    """Word ids of the prompts, int64 [B, L]."""
    given: Tensor | None
    """Given unit actions [B, 8, 4], or None: the policy predicts them."""
    noise: tuple[Tensor, Tensor]
    """[B, C, 2, 8, 8] and [B, 8, 4]."""
    first: int
    """Window index of the block's first latent frame."""


def denoise(
    dit: CausalDiT,
    codec: Codec,
    inputs: BlockInputs,
    prompts: Prompts,
    caches: list[Tensor],
    settings: SamplerSettings,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sample one block of B rows, prompts [prompt, empty], first its actions (unless given), then the video they lead
    to: latents [B, LATENT_CHANNELS, 2, 8, 8], unit actions [B, 8, 4], and where things are foreseen after each action
    [B, 8, kinds, 4]."""
    z, a = inputs.noise
    batch = len(z)
    row = Branches(prompts.rows(slice(batch)), [cache[:, :batch] for cache in caches])
    if inputs.given is None:
        both = row if settings.guidance == 1.0 else Branches(prompts, caches)
        a = _sample_actions(dit, z, a, inputs, both, settings)
    else:
        a = inputs.given
    ahead = dit.foresight(inputs.things, inputs.pose, a)
    poses = integrate(inputs.pose, a)
    slots = foreseen(codec.sprites, inputs.look, ahead, poses)
    z = _sample_video(dit, z, a, inputs, Foreseen(draft(codec, slots), ahead, poses), row, settings)
    video = torch.cat([z.transpose(1, 2), pack(slots).unflatten(0, (batch, BLOCK))], 2).transpose(1, 2)
    return video, a, ahead


@dataclass(frozen=True)
class Branches:
    """The guidance branches that are asked: B prompts, or these and the empty one for each."""

    prompts: Prompts
    caches: list[Tensor]


@dataclass(frozen=True)
class Foreseen:
    """What known actions lead to."""

    drafts: Tensor
    """Features of the frames as they are foreseen, [2 B, C, 8, 8]."""
    things: Tensor
    """[B, 8, kinds, 4]"""
    poses: Tensor
    """[B, 8, 4]"""


def _sample_actions(
    dit: CausalDiT, z: Tensor, a: Tensor, inputs: BlockInputs, branches: Branches, settings: SamplerSettings
) -> Tensor:
    """Unit actions [B, 8, 4] from noise, guided where both branches are asked; the video is all noise."""
    batch = len(z)
    times = len(branches.prompts.pooled) // batch
    words = torch.cat([inputs.words, torch.zeros_like(inputs.words)][:times])
    things, pose = inputs.things.repeat(times, 1, 1), inputs.pose.repeat(times, 1)
    intent = dit.intent(words, things, pose).reshape(-1, ACTIONS, 4)
    last = inputs.last.repeat(times, 1, 1, 1).repeat_interleave(BLOCK, 0)
    things = things.repeat_interleave(BLOCK, 0)
    shown = dit.show(things, things.new_zeros(len(things), ACTIONS, *things.shape[1:]))
    frames, drafts = z.transpose(1, 2).flatten(0, 1).repeat(times, 1, 1, 1), torch.zeros_like(last)
    a = settings.temperature * a
    for now, then in pairwise(settings.levels(settings.action_steps)):
        noisy = a.repeat(times, 1, 1)
        poses = integrate(pose, shrink(noisy, torch.tensor(now))).reshape(-1, ACTIONS, 4)
        x = dit.tokens(frames, last, things, shown, drafts, noisy.reshape(-1, ACTIONS, 4), poses, intent)
        x, c = _run(dit, x, (1.0, now), inputs.first, branches)
        _, a0 = dit.heads(x, c, last, intent)
        a0 = a0.reshape(times, batch, HORIZON, 4)
        a0 = a0[0] if times == 1 else a0[1] + settings.guidance * (a0[0] - a0[1])
        a = a0 + (then / now) * (a - a0)
    return a.clamp(-1, 1)


def _sample_video(
    dit: CausalDiT,
    z: Tensor,
    a: Tensor,
    inputs: BlockInputs,
    ahead: Foreseen,
    branches: Branches,
    settings: SamplerSettings,
) -> Tensor:
    """Features [B, C, 2, 8, 8] from noise, under unit actions [B, 8, 4]."""
    last, things = (part.repeat_interleave(BLOCK, 0) for part in (inputs.last, inputs.things))
    shown = dit.show(things, ahead.things.reshape(-1, ACTIONS, *things.shape[1:]))
    actions, poses = a.reshape(-1, ACTIONS, 4), ahead.poses.reshape(-1, ACTIONS, 4)
    none = torch.zeros_like(actions)
    for now, then in pairwise(settings.levels(settings.steps)):
        frames = z.transpose(1, 2).flatten(0, 1)
        x = dit.tokens(frames, last, things, shown, ahead.drafts, actions, poses, none)
        x, c = _run(dit, x, (now, 0.0), inputs.first, branches)
        z0, _ = dit.heads(x, c, ahead.drafts, none)
        z0 = z0.unflatten(0, (-1, BLOCK)).transpose(1, 2)
        z = z0 + (then / now) * (z - z0)
    return z


def _run(
    dit: CausalDiT, x: Tensor, levels: tuple[float, float], first: int, branches: Branches
) -> tuple[Tensor, Tensor]:
    """Tokens [N * 2, TOKENS, d] at noise levels of video and actions through all layers; tokens and the conditions
    [N * 2, d] for the heads."""
    prompts = branches.prompts
    t_video, t_action = (x.new_full((len(prompts.pooled),), level) for level in levels)
    c = dit.condition(prompts.pooled, t_video, t_action)
    x, _ = dit(x.unflatten(0, (-1, BLOCK)), c, prompts, branches.caches, first)
    return x.flatten(0, 1), c.repeat_interleave(BLOCK, 0)
