"""The losses of the transformer over whole windows.

Each window is seen once clean (it fills keys and values for the past) and in noisy copies, whose blocks each have their
own noise level and attend to the clean past and to themselves. Some copies are whole blocks whose actions are told:
they learn the video. Others are the action tokens alone: they learn the actions (the policy). So the sampler works:
first the actions, then the video they lead to. Flow matching with x0 prediction: x_t = (1 - t) x + t e, loss
|x0 - x|^2 / max(t, 0.25)^2. While training, heads read from action tokens where the gripper and the things are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_fabric.models.tabletop.net.dit import CausalDiT, Prompts
from arc_fabric.models.tabletop.net.layers import Layer
from arc_fabric.models.tabletop.net.tokens import (
    ACTIONS,
    BLOCK,
    CLEAN,
    TOKENS,
    DitShape,
    Frames,
    patchify,
    unpatchify,
)
from arc_fabric.models.tabletop.train.pool import AFTER, BLOCKS, HORIZON, Windows
from arc_fabric.models.tabletop.train.reader import AimReader, Reader, looking

PAST = AFTER - 1
"""Latent frames of the clean stream that a later block can see."""
ACTING, AXES = 5.0, (1.0, 2.0, 1.0, 1.0)
"""Weight of the loss of actions beside that of the video, and of its axes: depth moves least and must be aimed most."""
SEEING, SEEN = 8.0, 8
"""Weight of the error of pictures, and of how many latents it is measured at a time."""


@dataclass(frozen=True)
class Copies:
    """How often a window is seen."""

    video: int = 2
    policy: int = 2


class WindowModel(nn.Module):
    """The transformer over whole windows, and what training needs beside it."""

    def __init__(
        self, shape: DitShape, copies: Copies, *, shift: float = 3.0, past_noise: float = 0.2, reading: float = 0.1
    ) -> None:
        super().__init__()
        self.dit = CausalDiT(shape)
        self.reader, self.glancer = Reader(shape.width), Reader(shape.width)
        self.see: Callable[[Tensor], Tensor] | None = None
        """Raw pictures of latents, where they are to be looked at."""
        self.aim_reader = AimReader(shape.width)
        self.copies, self.shift, self.past_noise, self.reading = copies, shift, past_noise, reading

    def _levels(self, count: int) -> Tensor:
        u = torch.rand(count, device=self.dit.place.device)
        return self.shift * u / (1 + (self.shift - 1) * u)

    def forward(self, batch: Windows, draws: bool = True, own: Tensor | None = None) -> dict[str, Tensor]:
        """Losses of one batch; with `draws` false of the tokens of whole frames and of actions alone, without video
        tokens, at a tenth of the cost. `own`: what the model made of this batch [B, 8, C, 8, 8], which takes the place
        of the past in most windows, as in rollouts. With the losses comes what it made now ("made")."""
        dit, (b, v, p) = self.dit, (len(batch.latents), self.copies.video, self.copies.policy)
        prompts = dit.prompts(dit.text(batch.text))
        past = batch.latents[:, :PAST]
        if own is not None:
            mine = torch.cat([past[:, :1], own[:, : PAST - 1]], 1)
            past = torch.where(torch.rand(b, 1, 1, 1, 1, device=past.device) < 0.75, mine, past)
        level = torch.rand(b, device=past.device) * self.past_noise * (torch.rand(b, device=past.device) < 0.5)
        past = past + level[:, None, None, None, None] * torch.randn_like(past)
        clean = dit.past(past, torch.zeros((), dtype=torch.long, device=past.device), prompts)

        glanced = clean.tokens[:, -1] - dit.place[CLEAN, -1]
        future = batch.latents[:, 1:].unflatten(1, (BLOCKS, BLOCK))
        first = (1 + BLOCK * torch.arange(BLOCKS, device=past.device)).repeat(b)
        state = self._states(batch)

        def copied(x: Tensor, copies: int) -> Tensor:
            """[B, 4, ...] -> [copies * B * 4, ...]"""
            return x.flatten(0, 1).repeat(copies, *[1] * (x.ndim - 2))

        def spread(copies: int) -> Prompts:
            return Prompts(prompts.pooled.repeat_interleave(BLOCKS, 0).repeat(copies, 1), prompts.words)

        t_v, t_a = self._levels(v * b * BLOCKS), self._levels(p * b * BLOCKS)
        x, a = copied(future, v), copied(batch.actions, v)
        z_t = torch.lerp(x, torch.randn_like(x), t_v[:, None, None, None, None])
        told = copied(state, v), t_v if draws else torch.zeros_like(t_v), first.repeat(v), spread(v)
        noisy = dit.made(z_t if draws else None, a, *told)
        if not draws:
            clean = _last_tokens(clean)
        meant = copied(batch.intended, p)
        a_t = torch.lerp(meant, torch.randn_like(meant), t_a[:, None, None])
        policy = dit.made(None, a_t, copied(state, p), t_a, first.repeat(p), spread(p))

        streams = [clean.tokens, noisy.tokens, policy.tokens]
        half, readings = len(dit.layers) // 2, []
        for n, layer in enumerate(dit.each_layer()):
            streams = _layer(layer, (clean, noisy, policy), streams, prompts.words[n], b)
            if n == half:
                readings = [glanced, *(F.layer_norm(x[:, -1], x.shape[-1:]) for x in streams[1:])]
        video = self._patches(past, clean, noisy, streams) if draws else None
        action = dit.head_action(dit.normed(streams[2], policy.condition)[:, -1]).float()
        return self._losses(batch, x, video, t_v, meant, action.reshape(meant.shape), t_a, readings)

    def _patches(self, past: Tensor, clean: Frames, noisy: Frames, streams: list[Tensor]) -> Tensor:
        """Clean patches [copies * B * 8, 16, C * 4] of the copies of video."""
        pointer, b = self.dit.pointer, len(past)
        k, v = pointer.project(clean, streams[0])[1], pointer.values(past.flatten(0, 1))
        k, v = (part.to(k.dtype).reshape(b, PAST * TOKENS, *part.shape[2:]) for part in (k, v))
        q = pointer.project(noisy, streams[1])[0]
        q = q.reshape(-1, b, BLOCKS, BLOCK * TOKENS, *q.shape[2:])
        found = []
        for n in range(BLOCKS):
            seen = TOKENS * (1 + n * BLOCK)
            ks, vs = (part[:, :seen].repeat(len(q), 1, 1, 1) for part in (k, v))
            found.append(_attend(q[:, :, n].flatten(0, 1), ks, vs))
        return self.dit.patches(streams[1], noisy.condition, torch.stack(found, 1).reshape(streams[1].shape))

    def glance(self, batch: Windows) -> Tensor:
        """Losses of what is read from the tokens that see whole frames, alone, and of where they look, [3]."""
        z = batch.latents.flatten(0, 1)
        level = (
            0.3 * torch.rand(len(z), 1, 1, 1, device=z.device) * (torch.rand(len(z), 1, 1, 1, device=z.device) < 0.6)
        )
        hand = batch.gripper[:, 1:].unflatten(1, (AFTER, ACTIONS))
        hand = torch.cat([batch.gripper[:, :1, None].expand(-1, -1, ACTIONS, -1), hand], 1)
        looks, x = self.dit.glance.look(z + level * torch.randn_like(z))
        parts = [part.flatten(0, 1) for part in (hand, batch.things[:, ::ACTIONS], batch.held[:, ::ACTIONS])]
        return torch.stack([*self.glancer(x, *parts), 0.12 * looking(looks, *parts[:2])])

    def _states(self, batch: Windows) -> Tensor:
        """State at each block's start and whether it is told, [B, 4, 5]."""
        state = batch.gripper[:, : BLOCKS * HORIZON : HORIZON]
        odds = torch.full(state.shape[:2], 0.25, device=state.device)
        odds[:, 0] = 0.75
        told = (torch.rand_like(odds) < odds).float()[..., None]
        return torch.cat([state + 0.1 * torch.randn_like(state) * state.new_tensor([1, 1, 1, 0.1]), told], -1)

    def _losses(
        self,
        batch: Windows,
        x: Tensor,
        video: Tensor | None,
        t_v: Tensor,
        meant: Tensor,
        action: Tensor,
        t_a: Tensor,
        readings: list[Tensor],
    ) -> dict[str, Tensor]:
        demo = batch.demo.repeat_interleave(BLOCKS).repeat(self.copies.policy)
        missed = ((action - meant).square() * action.new_tensor(AXES)).mean((1, 2))
        hard_a = (t_a > 0.9).float() * demo
        held = batch.held[:, ::ACTIONS]
        hand = batch.gripper[:, 1:].unflatten(1, (AFTER, ACTIONS))
        things = batch.things[:, ::ACTIONS]
        anchor = batch.gripper[:, :1, None].expand(-1, -1, ACTIONS, -1)
        seen_hand = torch.cat([anchor, hand], 1)[:, :PAST]
        v = self.copies.video

        def again(part: Tensor) -> Tensor:
            return part.flatten(0, 1).repeat(v, *[1] * (part.ndim - 2))

        clean = self.glancer(
            readings[0], seen_hand.flatten(0, 1), things[:, :PAST].flatten(0, 1), held[:, :PAST].flatten()
        )
        made = self.reader(readings[1], again(hand), again(things[:, 1:]), again(held[:, 1:]))
        losses = {
            "aim": self._aim(batch, readings[2]),
            "a": (missed * demo / t_a.clamp(min=0.25).square()).sum() / demo.sum().clamp(min=1),
            "see_hand": clean[0],
            "see_thing": clean[1],
            "hand": made[0],
            "thing": made[1],
        }
        total = ACTING * losses["a"] + self.reading * (sum(clean) + sum(made) + losses["aim"])
        shown = {k: value.detach() for k, value in losses.items()}
        shown["a_hard"] = (missed.detach() * hard_a).sum() / hard_a.sum().clamp(min=1)
        if video is not None:
            drawn = self._drawn(batch, x, video, t_v)
            total = total + drawn["v"] + SEEING * drawn.get("pixels", 0.0)
            shown |= {k: value.detach() for k, value in drawn.items()}
            shown["made"] = unpatchify(video[: len(video) // self.copies.video].detach()).unflatten(0, (-1, AFTER))
        return {"loss": total, **shown}

    def _aim(self, batch: Windows, x: Tensor) -> Tensor:
        """The loss of where the policy's tokens x [copies * B * 8, d] take the gripper and the target to be."""
        p, start = self.copies.policy, slice(0, BLOCKS * HORIZON, HORIZON)
        rows = torch.arange(len(batch.target), device=x.device)
        target = batch.things[:, start][rows, :, batch.target.clamp(min=0)]
        there = (batch.target >= 0).float()[:, None] * target[..., 3]
        parts = (batch.gripper[:, start], target, there)
        return self.aim_reader(
            x, *(part.repeat_interleave(BLOCK, 1).flatten(0, 1).repeat(p, *[1] * (part.ndim - 2)) for part in parts)
        )

    def _pixels(self, see: Callable[[Tensor], Tensor], video: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        """Mean absolute error of some latents' pictures, those drawn most often in which most changes: patches
        [N, 16, C * 4] against latents [N, C, 8, 8]."""
        some = torch.multinomial(weight, SEEN)
        made, true = (see(z.contiguous(memory_format=torch.channels_last)) for z in (unpatchify(video[some]), x[some]))
        error = (made - true.detach()).float().abs()
        return (error * (1 + 20 * error.detach())).mean()

    def _drawn(self, batch: Windows, x: Tensor, video: Tensor, t_v: Tensor) -> dict[str, Tensor]:
        """Losses of the video: patches [N, 16, C * 4] of latents x; what changes weighs most."""
        last = batch.latents[:, 0:AFTER:BLOCK, None].expand(-1, -1, BLOCK, -1, -1, -1)
        future = batch.latents[:, 1:].unflatten(1, (BLOCKS, BLOCK))
        change = patchify((future - last).flatten(0, 2)).square().mean(-1)
        weight = (0.4 + 4 * change / (change + 0.5) + 2 * change.clamp(max=4)).repeat(self.copies.video, 1)
        error = (video - patchify(x.flatten(0, 1))).square().mean(-1)
        level = t_v.repeat_interleave(BLOCK)[:, None]
        hard = (level > 0.9).float()
        shown = {} if self.see is None else {"pixels": self._pixels(self.see, video, x.flatten(0, 1), weight.mean(1))}
        return shown | {
            "v": (error / level.clamp(min=0.25).square() * weight).mean(),
            "v_hard": (error.detach() * hard).sum() / hard.sum().clamp(min=1) / error.shape[1],
            "copy": change.mean(),
        }


def _last_tokens(f: Frames) -> Frames:
    """The frames without their video tokens."""
    return f._replace(tokens=f.tokens[:, -1:], cos=f.cos[:, :, -1:], sin=f.sin[:, :, -1:])


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Full attention [B, n, heads, hd] over [B, m, heads, hd], written out: its backward pass is much faster than the
    fused one on a CPU."""
    q, k, v = (p.transpose(1, 2) for p in (q, k, v))
    weights = ((q * q.shape[-1] ** -0.5) @ k.mT).softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2)


def _over_time(parts: list[tuple[Tensor, ...]], b: int) -> list[Tensor]:
    """Queries, keys and values [N, n, heads, hd] of the clean stream and of streams that are made -> what each stream's
    queries find, [N, n, d]: in the past, and in their own block."""
    (qc, kc, vc), *made = ([part.unflatten(0, (-1, b, _frames(part, b))) for part in each] for each in parts)
    clean: list[Tensor] = []
    outs: list[list[Tensor]] = [[] for _ in made]
    for n in range(BLOCKS):
        seen, block = 1 + n * BLOCK, slice(n * BLOCK, (n + 1) * BLOCK)
        ks, vs = kc[0, :, :seen].flatten(1, 2), vc[0, :, :seen].flatten(1, 2)
        clean.append(_attend(qc[0, :, len(clean) and seen - BLOCK : seen].flatten(1, 2), ks, vs))
        for out, own in zip(outs, made, strict=True):
            q, k, v = (part[:, :, block].flatten(2, 3).flatten(0, 1) for part in own)
            times = len(q) // b
            out.append(_attend(q, *(torch.cat([past.repeat(times, 1, 1, 1), x], 1) for past, x in ((ks, k), (vs, v)))))
    found = [torch.cat(clean, 1)]
    found += [torch.stack(out, 1) for out in outs]
    return [x.reshape(*each[0].shape[:2], -1) for x, each in zip(found, parts, strict=True)]


def _frames(part: Tensor, b: int) -> int:
    """Latent frames per window in a stream's part [N, ...]: of the past, or of all blocks."""
    return PAST if len(part) == b * PAST else BLOCKS * BLOCK


def _layer(
    layer: Layer, frames: tuple[Frames, Frames, Frames], streams: list[Tensor], words: tuple[Tensor, Tensor], b: int
) -> list[Tensor]:
    """One layer over the clean stream, the copies of video and those of actions."""
    ms = [layer.modulate(f.condition) for f in frames]
    parts = [layer.project(f, x, m) for f, x, m in zip(frames, streams, ms, strict=True)]
    attended = _over_time([tuple(part[:, -1:] for part in each) for each in parts], b)
    if streams[0].shape[1] > 1:
        seeing = _over_time([(q[:, :-1], k, v) for q, k, v in parts[:2]], b)
        attended[:2] = [torch.cat(pair, 1) for pair in zip(seeing, attended, strict=False)]
    new = []
    for x, m, found in zip(streams, ms, attended, strict=True):
        x = x + (1 + m[2]) * layer.proj(found)
        asks = x[:, -1:]
        told = _told(layer, asks, words, b)
        x = torch.cat([x[:, :-1], asks + told], 1) if x.shape[1] > 1 else asks + told
        new.append(layer.think(x, m))
    return new


def _told(layer: Layer, asks: Tensor, words: tuple[Tensor, Tensor], b: int) -> Tensor:
    """What action tokens [copies * B * frames, 1, d] read in the prompts of B rows."""
    copies = max(1, len(asks) // (b * BLOCKS * BLOCK))
    x = asks.reshape(copies, b, -1, asks.shape[-1]).transpose(0, 1)
    told = layer.read(x.reshape(b, -1, asks.shape[-1]), *words)
    return told.reshape(b, copies, -1, asks.shape[-1]).transpose(0, 1).reshape(asks.shape)
