"""Blocks of latents: filling the KV caches with clean latents, and denoising the next block.

Everything here is a pure function of its arguments; both guidance branches run as one batch, rows [prompt, empty].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from arc_fabric.models.tabletop.blocks import BLOCK, HORIZON, Block, BlockInputs, Situation
from arc_fabric.models.tabletop.codec import Codec
from arc_fabric.models.tabletop.dit import ACTIONS, CausalDiT, Prompts
from arc_fabric.models.tabletop.draft import draft, foreseen
from arc_fabric.models.tabletop.graphs import Graph
from arc_fabric.models.tabletop.head import moments_of
from arc_fabric.models.tabletop.physics import MAX_STEP
from arc_fabric.models.tabletop.pose import integrate, shrink
from arc_fabric.models.tabletop.slots import look, pack
from arc_fabric.models.tabletop.vae import CHANNELS, GROUP


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
    correction: float = 0.5
    """Weight of what the transformer adds to the intent's actions."""

    def levels(self, steps: int) -> list[float]:
        """Noise levels from 1 to 0, `steps + 1` of them."""
        grid = [1 - i / steps for i in range(steps + 1)]
        return [self.shift * u / (1 + (self.shift - 1) * u) for u in grid]


def write_kv(
    dit: CausalDiT,
    latents: Tensor,
    poses: Tensor,
    prompts: Prompts,
    angles: tuple[Tensor, Tensor],
    caches: Sequence[Tensor] = (),
) -> tuple[Tensor, ...]:
    """Append clean latent frames to the caches of both branches.

    latents [B, LATENT_CHANNELS, F, 8, 8]; poses [B, F, 4, 4]; 2B prompts; the frames' rotary angles; caches
    [2, B, seq, heads, head_dim] of all layers under the prompts, then of all under the empty one, or none. Returns new,
    longer caches in the same order.
    """
    return _apart(_write(dit, latents, poses, prompts, angles, caches), len(latents))


def _write(
    dit: CausalDiT,
    latents: Tensor,
    poses: Tensor,
    prompts: Prompts,
    angles: tuple[Tensor, Tensor],
    caches: Sequence[Tensor],
) -> list[Tensor]:
    """The same, but returns one cache per layer with the rows of both branches, [2, 2B, seq, heads, head_dim]."""
    batch, frames = latents.shape[0], latents.shape[2]
    # In one layout wherever the latents come from: convolutions round by it.
    known = latents.transpose(1, 2).flatten(0, 1)
    z, (things, _) = known[:, :CHANNELS].contiguous(), look(known)
    none = z.new_zeros(len(z), ACTIONS, 4)
    shown = dit.show(things, things[:, None].expand(-1, ACTIONS, -1, -1))
    x = dit.tokens(z, z, things, shown, torch.zeros_like(z), none, poses.flatten(0, 1), none)
    x = x.unflatten(0, (batch, frames))
    level, prompts = z.new_zeros(2 * batch), Prompts(*prompts)
    joined = [torch.cat(pair, 1) for pair in zip(*_halves(caches), strict=True)]
    _, own = dit(x.repeat(2, 1, 1, 1), dit.condition(prompts.pooled, level, level), prompts, angles, joined)
    return [torch.cat([old, new], 2) for old, new in zip(joined, own, strict=True)] if caches else own


def _halves(caches: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    return caches[: len(caches) // 2], caches[len(caches) // 2 :]


def _apart(joined: Sequence[Tensor], rows: int) -> tuple[Tensor, ...]:
    """Caches of both branches -> those under the prompts, then those under the empty one."""
    return *(cache[:, :rows].clone() for cache in joined), *(cache[:, rows:].clone() for cache in joined)


class Sampler:
    """Fills caches and samples blocks. A block is one graph: between its parts nobody waits for the interpreter."""

    def __init__(self, dit: CausalDiT, codec: Codec, settings: SamplerSettings) -> None:
        self.write_kv = Graph(partial(write_kv, dit))
        self._steer = Graph(partial(_block, dit, codec, settings), self._leaving)
        self._imagine = Graph(partial(_block, dit, codec, settings, None), self._leaving)
        self.on_compute: Callable[[], None] = lambda: None
        """Called when a block is about to be computed: most of a step, in which the interpreter is not needed."""

    def block(self, inputs: BlockInputs, given: Tensor | None, prompts: Prompts, caches: Sequence[Tensor]) -> Block:
        """Write the clean frames into the caches (as of `write_kv`, none at first), then sample one block of B rows,
        2B prompts [prompt, empty]: first its actions, unless unit actions [B, 8, 4] are given, then the video they
        lead to."""
        if given is None:
            video, actions, moments, *caches = self._imagine(inputs, prompts, caches=caches)
        else:
            video, actions, moments, *caches = self._steer(given, inputs, prompts, caches=caches)
        return Block(video, actions, moments, tuple(caches))

    def _leaving(self) -> None:
        self.on_compute()


def _block(
    dit: CausalDiT,
    codec: Codec,
    settings: SamplerSettings,
    given: Tensor | None,
    inputs: BlockInputs,
    prompts: Prompts,
    caches: Sequence[Tensor] = (),
) -> tuple[Tensor, ...]:
    """The fields of a `Block`, its caches one by one, under given unit actions or those that the policy predicts."""
    inputs, prompts = BlockInputs(*inputs), Prompts(*prompts)
    joined, rows = _write(dit, inputs.clean, inputs.track, prompts, inputs.written, caches), len(inputs.clean)
    here, a = inputs.situation(), given
    if a is None:
        alone = settings.guidance == 1.0
        asked, past = (prompts.rows(slice(rows)), [cache[:, :rows] for cache in joined]) if alone else (prompts, joined)
        a = _sample_actions(dit, inputs, here, asked, past, settings)
    return *_drawn(dit, codec, settings, inputs, here, prompts, a, joined), *_apart(joined, rows)


def _drawn(
    dit: CausalDiT,
    codec: Codec,
    settings: SamplerSettings,
    inputs: BlockInputs,
    here: Situation,
    prompts: Prompts,
    a: Tensor,
    joined: Sequence[Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """The video that unit actions [B, 8, 4] lead to: `video`, `actions` and `moments` of a `Block`."""
    z, rows = inputs.noise[0], len(a)
    slots, shown, drafts, things, poses = _look_ahead(dit, codec, here.look, here.things, here.pose, a)
    own, past = prompts.rows(slice(rows)), [cache[:, :rows] for cache in joined]
    known = here.last, here.things, shown, drafts, poses, a, own, inputs.angles
    for now, then in _levels(settings.levels(settings.steps), z.device):
        z = _draw(dit, z, now, then, *known, past)
    video = torch.cat([z.transpose(1, 2), slots.unflatten(0, (rows, BLOCK))], 2).transpose(1, 2)
    moments = moments_of(poses.unflatten(1, (BLOCK, GROUP)), things[:, GROUP - 1 :: GROUP])
    return video, torch.cat([MAX_STEP * a[..., :3], a[..., 3:]], -1), moments


def _sample_actions(
    dit: CausalDiT,
    inputs: BlockInputs,
    here: Situation,
    prompts: Prompts,
    caches: Sequence[Tensor],
    settings: SamplerSettings,
) -> Tensor:
    """Unit actions [B, 8, 4] from noise, guided where both branches are asked; the video is all noise."""
    z, a = inputs.noise
    times = len(prompts.pooled) // len(z)
    words = torch.cat([inputs.words, torch.zeros_like(inputs.words)][:times])
    start = [part.repeat(times, *[1] * (part.ndim - 1)) for part in (z, here.last, here.things, here.pose)]
    shown, intent = _begin(dit, words, *start[2:])
    meant = intent.reshape(-1, HORIZON, 4)
    a = settings.temperature * a
    for now, then in _levels(settings.levels(settings.action_steps), z.device):
        noisy = a.repeat(times, 1, 1)
        a0 = _act(dit, noisy, now, *start, shown, intent, prompts, inputs.angles, caches)
        a0 = meant + settings.correction * (a0 - meant)
        a0 = a0 if times == 1 else a0[len(a) :] + settings.guidance * (a0[: len(a)] - a0[len(a) :])
        a = a0 + (then / now) * (a - a0)
    return a.clamp(-1, 1)


def _levels(levels: list[float], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Neighbouring noise levels as tensors."""
    return pairwise(torch.tensor(levels, device=device).unbind())


def _begin(dit: CausalDiT, words: Tensor, things: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
    """What video tokens see of N rows' things while actions are not known, and the intent's actions [2 N, 4, 4]."""
    intent = dit.intent(words, things, pose).reshape(-1, ACTIONS, 4)
    things = things.repeat_interleave(BLOCK, 0)
    return dit.show(things, things.new_zeros(len(things), ACTIONS, *things.shape[1:])), intent


def _act(
    dit: CausalDiT,
    a: Tensor,
    level: Tensor,
    z: Tensor,
    last: Tensor,
    things: Tensor,
    pose: Tensor,
    shown: Tensor,
    intent: Tensor,
    prompts: Prompts,
    angles: tuple[Tensor, Tensor],
    caches: Sequence[Tensor],
) -> Tensor:
    """Clean unit actions [N, 8, 4] as the model sees them from noisy ones at this level, over video of noise."""
    poses = integrate(pose, shrink(a, level)).reshape(-1, ACTIONS, 4)
    last, things = (part.repeat_interleave(BLOCK, 0) for part in (last, things))
    frames, actions = z.transpose(1, 2).flatten(0, 1), a.reshape(-1, ACTIONS, 4)
    x = dit.tokens(frames, last, things, shown, torch.zeros_like(last), actions, poses, intent)
    x, c = _run(dit, x, torch.ones_like(level), level, prompts, angles, caches)
    return dit.heads(x, c, last, intent)[1].reshape(-1, HORIZON, 4)


def _look_ahead(
    dit: CausalDiT, codec: Codec, colours: Tensor, things: Tensor, pose: Tensor, a: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """What known unit actions [B, 8, 4] lead to: packed slots [2 B, ...], what video tokens see of the things, the
    draft [2 B, C, 8, 8], things [B, 8, kinds, 4] and poses [B, 8, 4] after each action."""
    ahead, poses = dit.foresight.ahead(things, pose, a)
    slots = foreseen(codec.sprites, colours, ahead, poses)
    shown = dit.show(things.repeat_interleave(BLOCK, 0), ahead.reshape(-1, ACTIONS, *things.shape[1:]))
    return pack(slots), shown, draft(codec, slots), ahead, poses


def _draw(
    dit: CausalDiT,
    z: Tensor,
    now: Tensor,
    then: Tensor,
    last: Tensor,
    things: Tensor,
    shown: Tensor,
    drafts: Tensor,
    poses: Tensor,
    a: Tensor,
    prompts: Prompts,
    angles: tuple[Tensor, Tensor],
    caches: Sequence[Tensor],
) -> Tensor:
    """One Euler step of the video [B, C, 2, 8, 8] from noise level `now` to `then`, under known actions."""
    last, things = (part.repeat_interleave(BLOCK, 0) for part in (last, things))
    actions, frames = a.reshape(-1, ACTIONS, 4), z.transpose(1, 2).flatten(0, 1)
    none = torch.zeros_like(actions)
    x = dit.tokens(frames, last, things, shown, drafts, actions, poses.reshape(-1, ACTIONS, 4), none)
    x, c = _run(dit, x, now, torch.zeros_like(now), prompts, angles, caches)
    z0 = dit.heads(x, c, drafts, none)[0].unflatten(0, (-1, BLOCK)).transpose(1, 2)
    return z0 + (then / now) * (z - z0)


def _run(
    dit: CausalDiT,
    x: Tensor,
    t_video: Tensor,
    t_action: Tensor,
    prompts: Prompts,
    angles: tuple[Tensor, Tensor],
    caches: Sequence[Tensor],
) -> tuple[Tensor, Tensor]:
    """Tokens [2 N, TOKENS, d] at noise levels of video and actions through all layers; tokens and the conditions
    [2 N, d] for the heads."""
    prompts = Prompts(*prompts)
    rows = len(prompts.pooled)
    c = dit.condition(prompts.pooled, t_video.expand(rows), t_action.expand(rows))
    x, _ = dit(x.unflatten(0, (-1, BLOCK)), c, prompts, angles, caches)
    return x.flatten(0, 1), c.repeat_interleave(BLOCK, 0)
