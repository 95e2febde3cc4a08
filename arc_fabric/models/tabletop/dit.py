"""The causal video + action diffusion transformer.

A latent frame is 16 video tokens (2x2 patches of the 8x8 latent) and one action token (the register of four
actions). Blocks attend to themselves and to the clean past, which lives in per-layer KV caches. Text, the noise levels
of video and actions enter by adaptive layer norm; the gripper's dead-reckoned pose is shown to every token as numbers
(`pose.py`) and, once the actions are known, the frames to come are shown as a draft (`draft.py`).
The heads predict the clean latents (as a residual on the draft) and the clean actions (as a residual on the intent).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.eyes import Eyes
from arc_fabric.models.tabletop.foresight import Foresight
from arc_fabric.models.tabletop.intent import Intent
from arc_fabric.models.tabletop.pose import (
    GRID,
    POSE_FEATURES,
    REACH_FEATURES,
    THING_FEATURES,
    show_to_action,
    show_to_video,
    things_to_action,
    things_to_video,
)
from arc_fabric.models.tabletop.scene import KINDS
from arc_fabric.models.tabletop.sprites import Sprites
from arc_fabric.models.tabletop.text import Text, TextEncoder
from arc_fabric.models.tabletop.vae import CHANNELS

PATCH = 2
VIDEO_TOKENS = GRID * GRID
TOKENS = VIDEO_TOKENS + 1
"""Tokens per latent frame: 16 of video, then one of actions."""
ACTIONS = 4
"""Actions per latent frame."""


@dataclass(frozen=True)
class DitShape:
    """Sizes of the transformer."""

    channels: int = CHANNELS
    width: int = 128
    layers: int = 6
    heads: int = 4
    text_width: int = 64

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


@cache
def rotary(head_dim: int, first: int, frames: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines [frames * TOKENS, head_dim / 2] of 3D rotary embedding for latent frames `first`...:
    half of the rotated pairs turn with time, a quarter with row and column (action token: the middle)."""
    pairs = head_dim // 2
    t_pairs = pairs - 2 * (pairs // 4)
    middle = (GRID - 1) / 2
    rows = torch.cat([torch.arange(GRID).repeat_interleave(GRID), torch.tensor([middle])])
    columns = torch.cat([torch.arange(GRID).repeat(GRID), torch.tensor([middle])])
    times = torch.arange(first, first + frames, dtype=torch.float32)
    angles = []
    for position, count, base in ((None, t_pairs, 50.0), (rows, pairs // 4, 20.0), (columns, pairs // 4, 20.0)):
        speed = base ** (-torch.arange(count) / count)
        if position is None:
            angles.append((times[:, None, None] * speed).expand(frames, TOKENS, count))
        else:
            angles.append((position[:, None] * speed)[None].expand(frames, TOKENS, count))
    angle = torch.cat(angles, -1).flatten(0, 1)
    return angle.cos(), angle.sin()


class Prompts(NamedTuple):
    """Encoded prompts, ready for every layer: their words' keys and values do not change while a block is denoised."""

    pooled: Tensor
    """[B, d]: enters by adaptive layer norm."""
    words: list[tuple[Tensor, Tensor]]
    """Per layer keys and values, each [B, heads, 1 + L, head_dim]."""
    there: Tensor
    """bool [B, 1, 1, 1 + L]: false where a prompt has no word."""

    def rows(self, part: slice) -> Prompts:
        """Some of the prompts."""
        return Prompts(self.pooled[part], [(k[part], v[part]) for k, v in self.words], self.there[part])


def rms_norm(x: Tensor) -> Tensor:
    """x over its root mean square along the last axis (on a CPU a third of the time of torch's own)."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + torch.finfo(torch.float32).eps)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + head_dim / 2) of x [..., seq, 2, heads, head_dim]; angles [..., seq, 1, head_dim / 2]."""
    a, b = x.float().chunk(2, -1)
    cos, sin = cos.unsqueeze(-2), sin.unsqueeze(-2)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1).to(x.dtype)


class Block(nn.Module):
    """Projections of one transformer layer; attention itself is arranged by the caller."""

    def __init__(self, shape: DitShape) -> None:
        super().__init__()
        d = shape.width
        self.heads = shape.heads
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.proj = nn.Linear(d, d, bias=False)
        self.ask = nn.Linear(d, d, bias=False)
        self.answer = nn.Linear(d, 2 * d, bias=False)
        self.told = nn.Linear(d, d, bias=False)
        self.up = nn.Linear(d, 4 * d)
        self.down = nn.Linear(4 * d, d)
        self.modulation = nn.Linear(d, 6 * d)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.told.weight)
        nn.init.zeros_(self.down.weight)

    def modulate(self, condition: Tensor) -> tuple[Tensor, ...]:
        """condition [N, d] -> six [N, 1, d]: shift, scale, gate of attention, then of the MLP."""
        return self.modulation(condition).unsqueeze(1).chunk(6, -1)

    def queries(self, x: Tensor, shift: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """x [N, n, d] -> normalised queries and keys [N, n, 2, heads, head_dim], values [N, n, heads, head_dim]."""
        h = F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift
        qkv = self.qkv(h).unflatten(-1, (3, self.heads, -1))
        return rms_norm(qkv[..., :2, :, :]), qkv[..., 2, :, :]

    def hear(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Words of B prompts [B, 1 + L, d] -> their keys and values, each [B, heads, 1 + L, head_dim]."""
        k, v = self.answer(words).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return rms_norm(k), v

    def read_text(self, x: Tensor, keys: Tensor, values: Tensor, there: Tensor) -> Tensor:
        """Cross-attention of x [B, n, d] to the words of B prompts as `hear` gives them, of which those are asked that
        are there (bool [B, 1, 1, 1 + L]) -> [B, n, d]."""
        q = rms_norm(self.ask(F.layer_norm(x, x.shape[-1:])).unflatten(-1, (self.heads, -1))).transpose(1, 2)
        found = F.scaled_dot_product_attention(q, keys, values, attn_mask=there)
        return self.told(found.transpose(1, 2).flatten(2))

    def finish(self, x: Tensor, attended: Tensor, told: Callable[[Tensor], Tensor], m: tuple[Tensor, ...]) -> Tensor:
        """Add self-attention output [N, n, d], what `told` finds in the prompt ([N, n, d] of x), the MLP."""
        x = x + (1 + m[2]) * self.proj(attended)
        x = x + told(x)
        h = F.layer_norm(x, x.shape[-1:]) * (1 + m[4]) + m[3]
        return x + (1 + m[5]) * self.down(F.gelu(self.up(h), approximate="tanh"))


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Full attention, q [B, n, heads, hd] over k, v [B, m, heads, hd] -> [B, n, heads * hd]."""
    out = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return out.transpose(1, 2).flatten(2)


class CausalDiT(nn.Module):
    """Embeddings, layers and heads. `forward` runs one chunk of latent frames against KV caches (inference);
    training runs whole windows at once with the same layers (`dit_training.py`)."""

    def __init__(self, shape: DitShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or DitShape()
        d, patch = shape.width, shape.channels * PATCH * PATCH
        self.text = TextEncoder(shape.width, shape.text_width)
        self.noise = nn.Sequential(nn.Linear(128, d), nn.SiLU(), nn.Linear(d, d))
        self.embed_video = nn.Linear(3 * patch + ACTIONS * POSE_FEATURES, d)
        self.embed_action = nn.Linear(4 * ACTIONS + ACTIONS * POSE_FEATURES, d)
        self.place = nn.Parameter(0.02 * torch.randn(TOKENS, d))
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.final = nn.Linear(d, 2 * d)
        self.head_video = nn.Linear(d, patch)
        self.head_action = nn.Linear(d, 4 * ACTIONS)
        self.eyes = Eyes(shape.channels)
        self.intent = Intent()
        self.embed_intent = nn.Linear(4 * ACTIONS, d)
        self.foresight = Foresight()
        self.sprites = Sprites()
        self.show_video = nn.Linear((1 + ACTIONS) * len(KINDS) * THING_FEATURES, d, bias=False)
        self.show_action = nn.Linear(len(KINDS) * REACH_FEATURES, d, bias=False)
        for layer in (self.final, self.head_video, self.head_action):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def condition(self, text: Tensor, t_video: Tensor, t_action: Tensor) -> Tensor:
        """text [N, d], noise levels [N] in [0, 1] -> condition [N, d]."""
        return F.silu(text + self.noise(torch.cat([level_features(t_video), level_features(t_action)], -1)))

    def angles(self, first: int, frames: int) -> tuple[Tensor, Tensor]:
        """Rotary cosines and sines [frames * TOKENS, 1, head_dim / 2] of latent frames `first`... of a window."""
        cos, sin = (part.unsqueeze(1).to(self.place.device) for part in rotary(self.shape.head_dim, first, frames))
        return cos, sin

    def prompts(self, text: Text) -> Prompts:
        """What all layers read of encoded prompts."""
        words = [block.hear(text.words) for block in self.blocks]
        return Prompts(text.pooled, words, text.there[:, None, None])

    def show(self, things: Tensor, ahead: Tensor) -> Tensor:
        """Things [N, kinds, 4] in the last clean frame and things foreseen in each of the four frames
        [N, 4, kinds, 4] (zeros where actions are not known) as video tokens see them, [N, 16, d]."""
        moments = torch.cat([things[:, None], ahead], 1)
        seen = things_to_video(moments.flatten(0, 1)).unflatten(0, (-1, 1 + ACTIONS))
        return self.show_video(seen.transpose(1, 2).flatten(2))

    def tokens(
        self,
        z: Tensor,
        last: Tensor,
        things: Tensor,
        shown: Tensor,
        drafts: Tensor,
        actions: Tensor,
        poses: Tensor,
        intent: Tensor,
    ) -> Tensor:
        """Features z and `last` [N, C, 8, 8] of latent frames, things in `last` [N, kinds, 4] and what `show` says of
        them [N, 16, d], drafts [N, C, 8, 8] (zeros where actions are not known), noisy unit actions [N, 4, 4], poses
        [N, 4, 4], what `Intent` would do [N, 4, 4] (zeros where it is not asked) -> [N, TOKENS, d]."""
        video = torch.cat([patchify(z), patchify(last), patchify(drafts), show_to_video(poses)], -1)
        action = torch.cat([actions.flatten(1), show_to_action(poses)], -1)
        action = self.embed_action(action) + self.show_action(things_to_action(things, poses[:, 0]))
        action = action + self.embed_intent(intent.flatten(1))
        return torch.cat([self.embed_video(video) + shown, action[:, None]], 1) + self.place

    def heads(self, x: Tensor, condition: Tensor, base: Tensor, intent: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [N, TOKENS, d] -> clean latents [N, C, 8, 8], as a residual on `base` (the draft), and clean unit
        actions [N, 4, 4], as a residual on the intent."""
        shift, scale = self.final(condition).unsqueeze(1).chunk(2, -1)
        h = F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift
        video = unpatchify(self.head_video(h[:, :VIDEO_TOKENS]).float()) + base
        return video, intent + self.head_action(h[:, VIDEO_TOKENS]).float().unflatten(-1, (ACTIONS, 4))

    def forward(
        self, x: Tensor, condition: Tensor, prompts: Prompts, angles: tuple[Tensor, Tensor], caches: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Run tokens x [B, F, TOKENS, d] (condition [B, d]) of latent frames with these `angles` over B prompts and the
        caches [2, B, seq, heads, head_dim] per layer (none: no past). Returns tokens [B, F, TOKENS, d] and the
        chunk's own keys and values, [2, B, F * TOKENS, heads, head_dim] per layer."""
        frames = x.shape[1]
        x = x.flatten(1, 2)
        own = []
        for layer, block in enumerate(self.blocks):
            m = block.modulate(condition)
            qk, v = block.queries(x, m[0], m[1])
            q, k = rotate(qk, *angles).unbind(2)
            own.append(torch.stack([k, v]))
            past = [caches[layer]] if caches else []
            k, v = torch.cat([*past, own[-1]], 2).unbind(0)
            keys, values = prompts.words[layer]
            x = block.finish(
                x, attend(q, k, v), partial(block.read_text, keys=keys, values=values, there=prompts.there), m
            )
        return x.unflatten(1, (frames, TOKENS)), own


def level_features(t: Tensor) -> Tensor:
    """Sinusoidal features [N, 64] of noise levels [N] in [0, 1]."""
    speed = 1000.0 ** (torch.arange(32, device=t.device) / 32)
    phase = t[:, None].float() * speed
    return torch.cat([phase.sin(), phase.cos()], -1)


def patchify(z: Tensor) -> Tensor:
    """[N, C, 8, 8] -> [N, 16, C * 4]."""
    return F.pixel_unshuffle(z, PATCH).flatten(2).mT


def unpatchify(tokens: Tensor) -> Tensor:
    """[N, 16, C * 4] -> [N, C, 8, 8]."""
    return F.pixel_shuffle(tokens.mT.unflatten(2, (GRID, GRID)), PATCH)
