"""Blocks of latents: filling the KV caches with clean latents, and denoising the next block.

Everything here is a pure function of its arguments; both guidance branches run as one batch, rows [prompt, empty].
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from arc_fabric.models.tabletop.codec import Codec
from arc_fabric.models.tabletop.dit import ACTIONS, CausalDiT, Text
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
    dit: CausalDiT, latents: Tensor, poses: Tensor, texts: Text, caches: list[Tensor], first: int
) -> list[Tensor]:
    """Append clean latent frames to the caches of both branches.

    latents [B, LATENT_CHANNELS, F, 8, 8]; poses [B, F, 4, 4]; texts of 2B prompts; caches per layer
    [2, 2B, seq, heads, head_dim] or empty. Returns new, longer caches.
    """
    batch, frames = latents.shape[0], latents.shape[2]
    # In one layout wherever the latents come from: convolutions round by it.
    known = latents.transpose(1, 2).flatten(0, 1)
    z, (things, _) = known[:, :CHANNELS].contiguous(), look(known)
    none = z.new_zeros(len(z), ACTIONS, 4)
    ahead = things[:, None].expand(-1, ACTIONS, -1, -1)
    x = dit.tokens(z, z, things, ahead, torch.zeros_like(z), none, poses.flatten(0, 1), none)
    x = x.unflatten(0, (batch, frames))
    level = z.new_zeros(2 * batch)
    c = dit.condition(texts.pooled, level, level)[:, None].expand(-1, frames, -1)
    _, own = dit(x.repeat(2, 1, 1, 1), c, texts, caches, first)
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
    texts: Text,
    caches: list[Tensor],
    settings: SamplerSettings,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sample one block, first its actions (unless given), then the video they lead to: latents
    [B, LATENT_CHANNELS, 2, 8, 8], unit actions [B, 8, 4], and where things are foreseen after each action
    [B, 8, kinds, 4]."""
    z, a = inputs.noise
    batch = len(z)
    prompts, own = texts.rows(slice(batch)), [cache[:, :batch] for cache in caches]
    if inputs.given is None:
        guided = settings.guidance != 1.0
        words = torch.cat([inputs.words, torch.zeros_like(inputs.words)]) if guided else inputs.words
        branches = len(words) // batch
        intent = dit.intent(words, inputs.things.repeat(branches, 1, 1), inputs.pose.repeat(branches, 1))
        asked = (texts, caches, intent) if guided else (prompts, own, intent)
        a = settings.temperature * a
        for now, then in pairwise(settings.levels(settings.action_steps)):
            _, a0 = _predict(dit, z, a, None, inputs, *asked, (1.0, now), settings.guidance)
            a = a0 + (then / now) * (a - a0)
    a = a.clamp(-1, 1) if inputs.given is None else inputs.given
    ahead = dit.foresight(inputs.things, inputs.pose, a)
    poses = integrate(inputs.pose, a)
    slots = foreseen(codec.sprites, inputs.look, ahead, poses)
    known = draft(codec, slots).unflatten(0, (batch, BLOCK)), ahead
    for now, then in pairwise(settings.levels(settings.steps)):
        z0, _ = _predict(dit, z, a, known, inputs, prompts, own, torch.zeros_like(a), (now, 0.0), 1.0)
        z = z0 + (then / now) * (z - z0)
    video = torch.cat([z.transpose(1, 2), pack(slots).unflatten(0, (batch, BLOCK))], 2).transpose(1, 2)
    return video, a, ahead


def _predict(
    dit: CausalDiT,
    z: Tensor,
    a: Tensor,
    known: tuple[Tensor, Tensor] | None,
    inputs: BlockInputs,
    texts: Text,
    caches: list[Tensor],
    intent: Tensor,
    levels: tuple[float, float],
    guidance: float,
) -> tuple[Tensor, Tensor]:
    """Clean latents and actions as the model sees them from (z, a) and, once actions are known, from the draft
    [B, 2, C, 8, 8] and the things foreseen [B, 8, kinds, 4]; guided where texts hold both branches."""
    batch = len(z)
    branches = len(texts.pooled) // batch
    poses = integrate(inputs.pose, shrink(a, torch.tensor(levels[1])))
    frames = z.transpose(1, 2).flatten(0, 1)
    last, things = (part.repeat_interleave(BLOCK, 0) for part in (inputs.last, inputs.things))
    if known is None:
        drafts, ahead, base = torch.zeros_like(last), things.new_zeros(len(things), ACTIONS, *things.shape[1:]), last
    else:
        drafts, ahead = known[0].flatten(0, 1), known[1].unflatten(1, (BLOCK, ACTIONS)).flatten(0, 1)
        base = drafts
    shown = (frames, last, things, ahead, drafts, a.reshape(-1, ACTIONS, 4), poses.reshape(-1, ACTIONS, 4))
    shown = [part.repeat(branches, *[1] * (part.ndim - 1)) for part in shown]
    intent = intent.reshape(-1, ACTIONS, 4)
    x = dit.tokens(*shown, intent)
    t_video, t_action = (z.new_full((branches * batch,), level) for level in levels)
    c = dit.condition(texts.pooled, t_video, t_action)[:, None].expand(-1, BLOCK, -1)
    x, _ = dit(x.unflatten(0, (branches * batch, BLOCK)), c, texts, caches, inputs.first)
    z0, a0 = dit.heads(x.flatten(0, 1), c.flatten(0, 1), base.repeat(branches, 1, 1, 1), intent)
    z0 = z0.unflatten(0, (branches, batch, BLOCK)).transpose(2, 3)
    a0 = a0.reshape(branches, batch, HORIZON, 4)
    if branches == 1:
        return z0[0], a0[0]
    return z0[1] + guidance * (z0[0] - z0[1]), a0[1] + guidance * (a0[0] - a0[1])
