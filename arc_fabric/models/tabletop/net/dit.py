"""The causal video + action diffusion transformer.

A latent frame is 16 video tokens (2x2 patches of the 8x8 latent) and one more. Frames of the past are clean: there the
last token sees the whole frame and reads the prompt; they know nothing of actions. Frames of the block that is being
made are noisy: there the last token is told actions, state and noise level, and reads the prompt. A block attends to
itself and to the keys and values of the clean past, which is all that it ever learns of the past: video tokens to all
of it, last tokens to last tokens alone, so that a policy can be asked, and trained, without any video token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.net.glance import Glance
from arc_fabric.models.tabletop.net.layers import Layer, Pointer, attend
from arc_fabric.models.tabletop.net.rotary import angles, grid
from arc_fabric.models.tabletop.net.text import Text, TextEncoder
from arc_fabric.models.tabletop.net.tokens import (
    ACTIONS,
    BLOCK,
    CLEAN,
    FIRST,
    PATCH,
    SECOND,
    TOKENS,
    VIDEO_TOKENS,
    DitShape,
    Frames,
    patchify,
    unpatchify,
)

STEP = 2.0 / 16
"""Patches that the gripper moves by a unit action."""


class Prompts(NamedTuple):
    """Encoded prompts, ready for every layer: their words' keys and values do not change while a block is denoised."""

    pooled: Tensor
    """[B, d]: enters by adaptive layer norm."""
    words: list[tuple[Tensor, Tensor]]
    """Per layer keys and values, each [B, heads, L, head_dim]."""

    def rows(self, part: slice) -> Prompts:
        """Some of the prompts."""
        return Prompts(self.pooled[part], [(k[part], v[part]) for k, v in self.words])


class CausalDiT(nn.Module):
    """Embeddings, layers and heads; `write`, `actions` and `video` run latent frames against KV caches (inference),
    training runs whole windows at once with the same layers (`train/`)."""

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
