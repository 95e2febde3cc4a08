"""The layers of the transformer, and the pointer after the last of them."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.net.rotary import rotate, speeds
from arc_fabric.models.tabletop.net.tokens import FIRST, PATCH, SECOND, DitShape, Frames, patchify


def rms_norm(x: Tensor) -> Tensor:
    """x over its root mean square along the last axis."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


def squared(x: Tensor) -> Tensor:
    """x times x, in x's own precision under autocast, too."""
    return x * x


class Where(nn.Module):
    """What queries and keys say of places, beside what they say of contents."""

    def __init__(self, heads: int, head_dim: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(2, heads, 1))
        self.query = nn.Parameter(torch.zeros(3, 2, heads, head_dim))
        """Added to queries: [role, video or action token, heads, head_dim]."""
        self.key = nn.Parameter(torch.zeros(2, heads, head_dim))

    def forward(self, f: Frames, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys [N, n, heads, head_dim] of frames, normalised and turned."""
        n = q.shape[1]
        query, key = self.query[f.role], cast("Tensor", self.key)
        if n == 1:
            query, key = query[:, 1:], key[1:]
        else:
            query = torch.cat([query[:, :1].expand(-1, n - 1, -1, -1), query[:, 1:]], 1)
            key = torch.cat([key[:1].expand(n - 1, -1, -1), key[1:]])
        gain, query, key, cos, sin = (part.to(q.dtype) for part in (self.gain, query, key, f.cos, f.sin))
        q, k = rms_norm(q) * gain[0] + query, rms_norm(k) * gain[1] + key
        return rotate(q, cos[0], sin[0]), rotate(k, cos[1], sin[1])

    @torch.no_grad()
    def look_back(self, sharp: float, gain: float, free: list[int]) -> None:
        """Begin with attention to the same place in the last latent frame of the past, but for the `free` heads; all of
        an action token's."""
        turn, pairs = speeds(self.key.shape[-1])[0], self.key.shape[-1] // 2
        self.gain.fill_(gain)
        self.key[:, :, :pairs] = sharp
        for role, back in ((FIRST, 1), (SECOND, 2)):
            self.query[role, :, :, :pairs] = sharp * (turn * back).cos()
            self.query[role, :, :, pairs:] = -sharp * (turn * back).sin()
        self.query[:, :, free] = 0


class Layer(nn.Module):
    """One transformer layer; which tokens attend to which is arranged by the caller."""

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
        self.where = Where(shape.heads, shape.head_dim)
        for layer in (self.modulation, self.proj, self.told, self.down):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.modulation.bias)

    def modulate(self, condition: Tensor) -> tuple[Tensor, ...]:
        """condition [N, d] -> six [N, 1, d]: shift, scale, gate of attention, then of the MLP."""
        return self.modulation(condition).unsqueeze(1).chunk(6, -1)

    def project(self, f: Frames, x: Tensor, m: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens x [N, n, d] -> turned queries and keys, values, each [N, n, heads, head_dim]."""
        h = F.layer_norm(x, x.shape[-1:]) * (1 + m[1]) + m[0]
        q, k, v = self.qkv(h).unflatten(-1, (3, self.heads, -1)).unbind(2)
        return *self.where(f, q, k), v

    def hear(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Words of B prompts [B, L, d] -> their keys and values, each [B, heads, L, head_dim]."""
        k, v = self.answer(words).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return rms_norm(k), v

    def read(self, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """What action tokens x [B, n, d] find in the words of B prompts, [B, n, d]."""
        q = rms_norm(self.ask(F.layer_norm(x, x.shape[-1:])).unflatten(-1, (self.heads, -1))).transpose(1, 2)
        weights = ((q @ keys.mT) * 2.0 * q.shape[-1] ** -0.5).float().softmax(-1).to(values.dtype)
        return self.told((weights @ values).transpose(1, 2).flatten(2))

    def think(self, x: Tensor, m: tuple[Tensor, ...]) -> Tensor:
        """The MLP over tokens [N, n, d]."""
        h = F.layer_norm(x, x.shape[-1:]) * (1 + m[4]) + m[3]
        return x + (1 + m[5]) * self.down(squared(F.relu(self.up(h))))


class Pointer(nn.Module):
    """The last attention: video tokens point at patches of the clean past, whose values are the patches themselves, so
    that what stands still can be repeated without loss. Its keys and values lie in the KV cache like a layer's."""

    def __init__(self, shape: DitShape) -> None:
        super().__init__()
        self.heads, self.patch = shape.heads, shape.channels * PATCH * PATCH
        self.qk = nn.Linear(shape.width, 2 * shape.width, bias=False)
        self.pointers = shape.width // self.patch
        self.trust = nn.Linear(shape.width, PATCH * PATCH * (1 + self.pointers))
        """For each cell of a patch: how far what was made is trusted, and each pointer."""
        self.where = Where(shape.heads, shape.head_dim)
        self.where.look_back(4.0, 0.3, [])
        nn.init.zeros_(self.trust.weight)
        nn.init.zeros_(self.trust.bias)

    def project(self, f: Frames, x: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens x [N, n, d] after the last layer -> turned queries and keys [N, n, heads, head_dim]."""
        q, k = self.qk(F.layer_norm(x, x.shape[-1:])).unflatten(-1, (2, self.heads, -1)).unbind(2)
        return self.where(f, q, k)

    def values(self, z: Tensor) -> Tensor:
        """Clean latents [N, C, 8, 8] -> values [N, TOKENS, heads, head_dim]: every pointer's heads share a patch."""
        patches = F.pad(patchify(z), (0, 0, 0, 1))
        return patches.repeat(1, 1, self.pointers).unflatten(-1, (self.heads, -1))

    def mix(self, x: Tensor, made: Tensor, found: Tensor) -> Tensor:
        """Tokens x [N, n, d], the patches made of them [N, n, C * 4] and what their pointers found [N, n, d] -> patches
        [N, n, C * 4]."""
        cells = PATCH * PATCH
        shares = self.trust(F.layer_norm(x, x.shape[-1:])).float().unflatten(-1, (1 + self.pointers, 1, cells))
        parts = torch.cat([made.float(), found.float()], -1).unflatten(-1, (1 + self.pointers, -1, cells))
        return (shares.softmax(-3) * parts).sum(-3).flatten(-2)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Full attention, q [B, n, heads, hd] over k, v [B, m, heads, hd] -> [B, n, heads * hd]."""
    out = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return out.transpose(1, 2).flatten(2)
