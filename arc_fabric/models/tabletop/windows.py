"""What the transformer is trained on: windows of 1 + 8 latent frames in noisy copies, and what the parts that were
trained before it say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from arc_fabric.models.tabletop.codec import Codec
from arc_fabric.models.tabletop.dit import CausalDiT
from arc_fabric.models.tabletop.draft import draft, foreseen
from arc_fabric.models.tabletop.latent_pool import Windows
from arc_fabric.models.tabletop.pose import integrate
from arc_fabric.models.tabletop.vae import GROUP

BLOCKS, PER_BLOCK, PAST = 4, 2, 7
"""Blocks per window, latent frames per block, latent frames of the clean stream that a later block can see."""
COPIES, POLICY = 2, 1
"""Noisy copies of a window; this one of them trains the policy, the other the video given the actions."""


@dataclass
class Noise:
    """All randomness of one training step."""

    past: Tensor
    """Level of the noise on the clean stream, [B]."""
    past_values: Tensor
    t_video: Tensor
    """Noise levels [B, copies, blocks] in [0, 1]."""
    t_action: Tensor
    video: Tensor
    action: Tensor

    @classmethod
    def draw(cls, count: int, channels: int, shift: float, past_noise: float, device: str) -> Noise:
        """Levels t = s u / (1 + (s - 1) u) and values for a batch; half of the windows have noise, at most
        `past_noise`, on their past."""
        level = (count, COPIES, BLOCKS)
        u = torch.rand(level)
        t_video = shift * u / (1 + (shift - 1) * u)
        t_action = torch.zeros(level)
        t_action[:, POLICY] = t_video[:, POLICY]
        t_video[:, POLICY] = 1
        past = torch.rand(count) * past_noise * (torch.rand(count) < 0.5)
        parts = (
            past,
            torch.randn(count, PAST, channels, 8, 8),
            t_video,
            t_action,
            torch.randn(*level, PER_BLOCK, channels, 8, 8),
            torch.randn(*level, PER_BLOCK * GROUP, 4),
        )
        return cls(*(p.to(device) for p in parts))


class Foreseen(NamedTuple):
    """What the parts trained before say of a batch; no gradients flow into them."""

    past: Tensor
    """The clean stream with history noise, float [B, 7, C, 8, 8]."""
    seen: Tensor
    """What the eyes see in it, [B, 7, kinds, 4]."""
    things: Tensor
    """Where things are at each block's start, as foreseen from the anchor on, [B, 4, kinds, 4]."""
    intent: Tensor
    """Mean actions, [B, copies, 4 blocks, 2 latent frames, 4, 4]; zero but for the policy's copy."""
    ahead: Tensor
    """Things in each frame, [B, copies, 4, 2, 4, kinds, 4]; zero for the policy's copy."""
    drafts: Tensor
    """[B, copies, 4, 2, C, 8, 8]; zero for the policy's copy."""


@torch.no_grad()
def foresee(dit: CausalDiT, codec: Codec, batch: Windows, noise: Noise) -> Foreseen:
    """Ask the eyes, the intent, the foresight and the sprites (in float32, as at inference)."""
    count = len(batch.latents)
    past = batch.latents[:, :PAST] + noise.past[:, None, None, None, None] * noise.past_values
    slots = dit.eyes(past.flatten(0, 1)).slots()
    seen = slots.things[:, -1].unflatten(0, (count, PAST))
    things, ahead = [seen[:, 0]], []
    for n in range(BLOCKS):
        ahead.append(dit.foresight(things[n], batch.base[:, n], batch.actions[:, n]))
        things.append(ahead[n][:, -1])
    starts, ahead = torch.stack(things[:-1], 1), torch.stack(ahead, 1).flatten(0, 1)
    base, actions = batch.base.flatten(0, 1), batch.actions.flatten(0, 1)
    meant = dit.intent(batch.text.repeat_interleave(BLOCKS, 0), starts.flatten(0, 1), base)
    look = slots.look.unflatten(0, (count, PAST))[:, 0].repeat_interleave(BLOCKS, 0)
    drafts = draft(codec, foreseen(codec.sprites, look, ahead, integrate(base, actions)))
    drafts = drafts.unflatten(0, (-1, PER_BLOCK))

    def only(part: Tensor, policy: bool) -> Tensor:
        """[B * 4, ...] -> [B, copies, 4, ...], zero in the other copies."""
        spread = part.new_zeros(count, COPIES, BLOCKS, *part.shape[1:])
        chosen = slice(POLICY, POLICY + 1) if policy else slice(POLICY)
        spread[:, chosen] = part.unflatten(0, (count, 1, BLOCKS))
        return spread

    return Foreseen(
        past,
        seen,
        starts,
        only(meant.unflatten(1, (PER_BLOCK, GROUP)), True),
        only(ahead.unflatten(1, (PER_BLOCK, GROUP)), False),
        only(drafts, False),
    )
