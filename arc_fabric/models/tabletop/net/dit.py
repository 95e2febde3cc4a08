"""The causal video + action diffusion transformer.

A latent frame is 16 video tokens (2x2 patches of the 8x8 latent) and one more. Frames of the past are clean: there the
last token sees the whole frame and reads the prompt; they know nothing of actions. Frames of the block that is being
made are noisy: there the last token is told actions, state and noise level, and reads the prompt. A block attends to
itself and to the keys and values of the clean past, which is all that it ever learns of the past: video tokens to all
of it, last tokens to last tokens alone, so that a policy can be asked, and trained, without any video token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.net.rotary import GRID, angles, grid, rotate, speeds
from arc_fabric.models.tabletop.net.text import Text, TextEncoder
from arc_fabric.models.tabletop.net.vae import CHANNELS

SIDE = 8
"""Cells of a latent frame per side."""
PATCH = 2
VIDEO_TOKENS = GRID * GRID
TOKENS = VIDEO_TOKENS + 1
"""Tokens per latent frame: 16 of video, then one of actions."""
ACTIONS = 4
"""Actions per latent frame."""
BLOCK = 2
"""Latent frames per block."""
STEP = 2.0 / 16
"""Patches that the gripper moves by a unit action."""
CLEAN, FIRST, SECOND = 0, 1, 2
"""Roles of a latent frame: of the past, first and second of the block that is being made."""


@dataclass(frozen=True)
class DitShape:
    """Sizes of the transformer."""

    channels: int = CHANNELS
    width: int = 192
    layers: int = 6
    heads: int = 6
    text_width: int = 64

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class Prompts(NamedTuple):
    """Encoded prompts, ready for every layer: their words' keys and values do not change while a block is denoised."""

    pooled: Tensor
    """[B, d]: enters by adaptive layer norm."""
    words: list[tuple[Tensor, Tensor]]
    """Per layer keys and values, each [B, heads, L, head_dim]."""

    def rows(self, part: slice) -> Prompts:
        """Some of the prompts."""
        return Prompts(self.pooled[part], [(k[part], v[part]) for k, v in self.words])


class Frames(NamedTuple):
    """Latent frames as the layers see them."""

    tokens: Tensor
    """[N, n, d]: n = TOKENS, or 1 where only actions are asked for."""
    condition: Tensor
    """[N, d]: what adaptive layer norm is told."""
    role: Tensor
    """int64 [N]."""
    cos: Tensor
    """Rotary angles of queries and keys [2, N, n, heads, head_dim / 2]."""
    sin: Tensor


def rms_norm(x: Tensor) -> Tensor:
    """x over its root mean square along the last axis."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


def squared(x: Tensor) -> Tensor:
    """x times x, in x's own precision under autocast, too."""
    return x * x


class Glance(nn.Module):
    """A latent frame of the past as one token: convolutions over its cells, and questions that look for one each.

    What a question finds is what stands in the cells that it looks at, and where they are."""

    def __init__(self, channels: int, width: int, inner: int = 64, questions: int = 16) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, inner, 3, padding=1)
        self.inner = nn.ModuleList(nn.Conv2d(inner, inner, 3, padding=1) for _ in range(2))
        self.score = nn.Linear(inner, questions)
        self.place = nn.Parameter(torch.zeros(SIDE * SIDE, questions))
        self.value = nn.Linear(inner, 32)
        self.think = nn.Linear(questions * 36, 3 * width)
        self.leave = nn.Linear(3 * width + 2 * questions, width)
        nn.init.zeros_(self.score.weight)

    def look(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [N, C, 8, 8] -> where questions look, logits [N, 64, questions], and tokens [N, d]."""
        x = self.enter(z)
        for layer in self.inner:
            x = x + layer(F.silu(x))
        x = F.silu(x.flatten(2).mT)
        looks = (4 * self.score(x) + self.place).float()
        where = cells().to(z.device).expand(len(z), -1, -1)
        found = looks.softmax(1).mT @ torch.cat([self.value(x).float(), where, where.square() / 2], -1)
        thought = F.silu(self.think(found.flatten(1))).float()
        return looks, self.leave(torch.cat([thought, found[..., 32:34].flatten(1)], -1))

    def forward(self, z: Tensor) -> Tensor:
        """Latents [N, C, 8, 8] -> tokens [N, d]."""
        return self.look(z)[1]


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


class CausalDiT(nn.Module):
    """Embeddings, layers and heads; `forward` runs latent frames against KV caches (inference), training runs whole
    windows at once with the same layers (`train/`)."""

    def __init__(self, shape: DitShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or DitShape()
        d, patch = shape.width, shape.channels * PATCH * PATCH
        self.text = TextEncoder(d, shape.text_width)
        self.noise = nn.Sequential(nn.Linear(64, d), nn.SiLU(), nn.Linear(d, d))
        self.steer = nn.Sequential(nn.Linear(ACTIONS * (4 + 6), d), nn.SiLU(), nn.Linear(d, d))
        self.feel = nn.Sequential(nn.Linear(4 * 12 + 1, d), nn.SiLU(), nn.Linear(d, d))
        self.glance = Glance(shape.channels, d)
        self.embed_video = nn.Linear(patch, d)
        self.embed_action = nn.Linear(d, d)
        self.place = nn.Parameter(0.3 * torch.randn(3, TOKENS, d))
        """Added to tokens: [role, token, d]."""
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.final = nn.Linear(d, 2 * d)
        self.head_video = nn.Linear(d, patch)
        self.head_action = nn.Linear(d, 4 * ACTIONS)
        self.pointer = Pointer(shape)
        for head in (self.final, self.head_action):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        nn.init.zeros_(self.head_video.bias)
        start_by_copying(self)

    def each_layer(self) -> Iterator[Layer]:
        """The layers, by their type."""
        return (cast("Layer", layer) for layer in self.layers)

    def past(self, z: Tensor, first: Tensor, prompts: Prompts) -> Frames:
        """Clean latents z [B, T, C, 8, 8] that begin at latent frame `first` (int64 []) -> B * T frames."""
        b, t = z.shape[:2]
        role = torch.full((b * t,), CLEAN, device=z.device)
        z = z.flatten(0, 1)
        tokens = torch.cat([self.embed_video(patchify(z)), self.glance(z)[:, None]], 1) + self.place[CLEAN]
        times = (first + torch.arange(t, device=z.device)).repeat(b)
        still = torch.zeros(b * t, 2, device=z.device)
        return Frames(tokens, F.silu(prompts.pooled.repeat_interleave(t, 0)), role, *self._turns(times, still, TOKENS))

    def made(
        self, z: Tensor | None, actions: Tensor, state: Tensor, t: Tensor, first: Tensor, prompts: Prompts
    ) -> Frames:
        """Two latent frames of B blocks: noisy latents z [B, 2, C, 8, 8] (None: only actions are asked for), unit
        actions [B, 8, 4] (noisy then), state [B, 5] as `state_features` takes it, noise levels t [B] of what is being
        made, first latent frames [B] -> B * 2 frames."""
        b = len(actions)
        known = actions if z is not None else actions * (1 - t)[:, None, None]
        path = known[..., :3].cumsum(1)
        steps = torch.cat([known, path / 4, path / 16], -1).unflatten(1, (BLOCK, ACTIONS))
        told = self.steer(steps.flatten(2)) + self.feel(state_features(state))[:, None]
        told = told + self.noise(level_features(t if z is not None else -t))[:, None]
        told = told.flatten(0, 1)
        role = torch.tensor([FIRST, SECOND], device=actions.device).repeat(b)
        action = self.embed_action(F.silu(told))[:, None]
        place = self.place[role]
        if z is None:
            tokens = action + place[:, VIDEO_TOKENS:]
        else:
            tokens = torch.cat([self.embed_video(patchify(z.flatten(0, 1))), action], 1) + place
        condition = F.silu(told + prompts.pooled.repeat_interleave(BLOCK, 0))
        moved = path.unflatten(1, (BLOCK, ACTIONS)).mean(2).flatten(0, 1) * STEP
        shift = torch.stack([moved[:, 1] - moved[:, 2], moved[:, 0]], -1)
        times = (first[:, None] + torch.arange(BLOCK, device=first.device)).flatten()
        return Frames(tokens, condition, role, *self._turns(times, shift, tokens.shape[1]))

    def _turns(self, times: Tensor, shift: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Rotary angles of the last n tokens of latent frames at these times [N]. In the second half of the heads the
        queries look from where a thing that moves with the gripper came from: their places lie `shift` [N, 2] (rows
        and columns) behind."""
        places = grid().to(times.device)[-n:].expand(len(times), n, 2)
        times = times.float()[:, None, None].expand(-1, n, 1)
        heads, hd = self.shape.heads, self.shape.head_dim
        here = angles(torch.cat([times, places], -1), hd)
        from_where = angles(torch.cat([times, places - shift[:, None]], -1), hd)
        half = heads // 2
        both = []
        for a, b in zip(here, from_where, strict=True):
            keys = a[:, :, None].expand(-1, -1, heads, -1)
            queries = torch.cat([keys[:, :, :half], b[:, :, None].expand(-1, -1, heads - half, -1)], 2)
            both.append(torch.stack([queries, keys]))
        return both[0], both[1]

    def prompts(self, text: Text) -> Prompts:
        """What all layers read of encoded prompts."""
        return Prompts(text.pooled, [layer.hear(text.words) for layer in self.each_layer()])

    def write(self, f: Frames, z: Tensor, prompts: Prompts, caches: Sequence[Tensor]) -> list[Tensor]:
        """Run clean latents z [N, C, 8, 8], as the frames f, over the caches [2, B, seq, heads, head_dim] of all layers
        and the pointer (none: no past); their own keys and values [2, B, F * TOKENS, heads, head_dim], in this order.
        """
        x, own = self._layers(f, prompts, caches)
        k, v = (part.reshape(own[0][0].shape) for part in (self.pointer.project(f, x)[1], self.pointer.values(z)))
        return [*own, torch.stack([k, v])]

    def actions(self, f: Frames, prompts: Prompts, caches: Sequence[Tensor]) -> Tensor:
        """Clean unit actions [N, 4, 4] of the frames f [N = B * 2] over the caches."""
        x, _ = self._layers(f, prompts, caches)
        return self.head_action(self.normed(x, f.condition)[:, -1]).float().unflatten(-1, (ACTIONS, 4))

    def video(self, f: Frames, prompts: Prompts, caches: Sequence[Tensor]) -> Tensor:
        """Clean latents [N, C, 8, 8] of the frames f [N = B * 2] over the caches."""
        x, _ = self._layers(f, prompts, caches)
        q = self.pointer.project(f, x)[0].reshape(len(prompts.pooled), -1, *caches[-1].shape[3:])
        found = attend(q, *caches[-1].unbind(0)).reshape(x.shape)
        return unpatchify(self.patches(x, f.condition, found))

    def _layers(self, f: Frames, prompts: Prompts, caches: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run B * F latent frames of B prompts through all layers over their caches. Returns the tokens [B * F, n, d]
        and their own keys and values, [2, B, F * n, heads, head_dim] per layer."""
        x, b, own = f.tokens, len(prompts.pooled), []
        for n, layer in enumerate(self.each_layer()):
            m = layer.modulate(f.condition)
            q, k, v = (part.unflatten(0, (b, -1)) for part in layer.project(f, x, m))
            own.append(torch.stack([k, v]).flatten(2, 3))
            past = caches[n] if caches else own[-1][:, :, :0]
            found = self._find(q, torch.stack([k, v]), past.unflatten(2, (-1, TOKENS)))
            x = x + (1 + m[2]) * layer.proj(found.reshape(x.shape))
            asks = x[:, -1:]
            told = layer.read(asks.reshape(b, -1, x.shape[-1]), *prompts.words[n]).reshape(asks.shape)
            x = layer.think(torch.cat([x[:, :-1], asks + told], 1), m)
        return x, own

    @staticmethod
    def _find(q: Tensor, own: Tensor, past: Tensor) -> Tensor:
        """What queries [B, F, n, heads, hd] find in their block's keys and values [2, B, F, n, heads, hd] and in the
        past's [2, B, P, TOKENS, heads, hd], [B, F, n, d]: last tokens in last tokens, video tokens in all."""
        last = attend(q[:, :, -1], *torch.cat([past[:, :, :, -1], own[:, :, :, -1]], 2).unbind(0))[:, :, None]
        if q.shape[2] == 1:
            return last
        every = torch.cat([past.flatten(2, 3), own.flatten(2, 3)], 2)
        seen = attend(q[:, :, :-1].flatten(1, 2), *every.unbind(0))
        return torch.cat([seen.unflatten(1, (q.shape[1], -1)), last], 2)

    def normed(self, x: Tensor, condition: Tensor) -> Tensor:
        """Tokens [N, n, d] as the heads see them."""
        shift, scale = self.final(condition).unsqueeze(1).chunk(2, -1)
        return F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift

    def patches(self, x: Tensor, condition: Tensor, found: Tensor) -> Tensor:
        """Tokens x and what their pointers found, both [N, TOKENS, d] -> clean patches [N, 16, C * 4]."""
        made = self.head_video(self.normed(x, condition)[:, :-1])
        return self.pointer.mix(x[:, :-1], made, found[:, :-1])


@torch.no_grad()
def start_by_copying(dit: CausalDiT) -> None:
    """Initial weights of a video model that holds its breath: two heads of the first layer attend to the same place
    in the last latent frame of the past, and what they find is what the head gives out. Three more look where things
    that move with the gripper came from, and one at the last frame's action token."""
    d, patch, hd = dit.shape.width, dit.embed_video.in_features, dit.shape.head_dim
    basis = torch.linalg.qr(torch.randn(d, d))[0]
    enter, past = basis[:, :patch], basis[:, patch : 2 * patch]
    dit.embed_video.weight.copy_(enter)
    nn.init.zeros_(dit.embed_video.bias)
    first, *_ = dit.each_layer()
    values, copied = first.qkv.weight[2 * d :], patch // hd
    values[: copied * hd] = enter.T
    first.proj.weight[:, : copied * hd] = past * 0.6
    dit.head_video.weight.copy_(past.T * 1.0)
    free = [head for head in range(dit.shape.heads) if head % 3 == 2]
    for layer in dit.each_layer():
        layer.where.look_back(*((2.6, 0.5, []) if layer is first else (1.3, 1.0, free)))
    first.where.query[:, 1, free] = 0


@cache
def cells() -> Tensor:
    """Rows and columns of a latent frame's cells, from -2 to 2, [64, 2]."""
    line = torch.linspace(-2, 2, SIDE)
    return torch.cartesian_prod(line, line)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Full attention, q [B, n, heads, hd] over k, v [B, m, heads, hd] -> [B, n, heads * hd]."""
    out = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return out.transpose(1, 2).flatten(2)


def level_features(t: Tensor) -> Tensor:
    """Sinusoidal features [N, 64] of noise levels [N] in [-1, 1] (below 0: of actions that are being made)."""
    speed = 100.0 ** (torch.arange(32, device=t.device) / 32)
    phase = 3 * t[:, None].float() * speed
    return torch.cat([phase.sin(), phase.cos()], -1)


def state_features(state: Tensor) -> Tensor:
    """States [N, 5] (x, y, z in pixels, opening, 1 or 0: told or not) -> [N, 49]; zeros where it is not told."""
    there = state[:, 4:]
    x = (state[:, :4] - state.new_tensor([32.0, 46.0, 8.0, 0.5])) / state.new_tensor([26.0, 14.0, 10.0, 0.5])
    waves = [f(x * s) for s in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0) for f in (torch.sin, torch.cos)]
    return torch.cat([torch.cat(waves, -1) * there, there], -1)


def patchify(z: Tensor) -> Tensor:
    """[N, C, 8, 8] -> [N, 16, C * 4]."""
    return F.pixel_unshuffle(z, PATCH).flatten(2).mT


def unpatchify(tokens: Tensor) -> Tensor:
    """[N, 16, C * 4] -> [N, C, 8, 8]."""
    return F.pixel_shuffle(tokens.mT.unflatten(2, (GRID, GRID)), PATCH)
