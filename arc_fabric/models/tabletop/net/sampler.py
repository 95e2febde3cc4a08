"""Blocks of latents: filling the KV caches with clean latents, and denoising the next block from noise.

Everything here is a pure function of its arguments. Caches are kept for two branches, rows [prompt, empty prompt]; the
second only guides predicted actions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from arc_fabric.models.contract import ModelSetting
from arc_fabric.models.tabletop.net.dit import CausalDiT, Prompts
from arc_fabric.models.tabletop.net.graphs import Graph
from arc_fabric.models.tabletop.net.tokens import ACTIONS, BLOCK
from arc_fabric.models.tabletop.world.limits import MAX_STEP

HORIZON = BLOCK * ACTIONS
"""Actions, and new video frames, per block."""


@dataclass(frozen=True)
class SamplerSettings:
    """How a block is denoised: Euler steps of predicted actions and of the video, on levels
    t = s u / (1 + (s - 1) u), and the guidance weight of predicted actions (the video follows the actions). At weight
    1 the empty prompt is not asked."""

    steps: int = 6
    action_steps: int = 5
    shift: float = 2.0
    guidance: float = 1.0
    temperature: float = 0.3
    """Size of the noise that predicted actions start from: below 1 they stay closer to what the experts mostly do."""

    def declared(self) -> tuple[ModelSetting, ...]:
        """What of it each session may set for itself."""
        return (
            ModelSetting("steps", "discrete", self.steps, 1, 32, "Denoising steps of the video."),
            ModelSetting("action_steps", "discrete", self.action_steps, 1, 32, "Denoising steps of predicted actions."),
            ModelSetting("guidance", "continuous", self.guidance, 0.0, 10.0,
                         "How much predicted actions follow the prompt; 1: no guidance."),
            ModelSetting("temperature", "continuous", self.temperature, 0.0, 2.0,
                         "Noise that predicted actions start from; less keeps them closer to what experts mostly do."),
        )  # fmt: skip

    def levels(self, steps: int) -> list[float]:
        """Noise levels from 1 to 0, `steps + 1` of them."""
        grid = [1 - i / steps for i in range(steps + 1)]
        return [self.shift * u / (1 + (self.shift - 1) * u) for u in grid]


class BlockInputs(NamedTuple):
    """What a step writes into the KV, and what the next block is denoised from."""

    clean: Tensor
    """Latents [B, C, F, 8, 8] that go into the KV first: the anchor or the pending block."""
    at: Tensor
    """Latent frame of the window that they begin at, int64 []."""
    state: Tensor
    """[B, 5]: x, y, z, opening, and 1; zeros where it is not told."""
    noise: tuple[Tensor, Tensor]
    """Of the video [B, C, 2, 8, 8] and of the actions [B, 8, 4]."""


class Block(NamedTuple):
    """What a step brings forth."""

    video: Tensor
    """Latents float32 [B, C, 2, 8, 8]."""
    actions: Tensor
    """float32 [B, 8, 4] in pixels per frame and grip."""
    caches: tuple[Tensor, ...]
    """As `write_kv` returns them."""


def block_noise(seed: int, start: int, channels: int) -> tuple[Tensor, Tensor]:
    """Noise of one row's block, a function of seed and start frame only: [C, 2, 8, 8] and [8, 4], on the CPU."""
    generator = torch.Generator().manual_seed((int(seed) * 1_000_003 + start) % 2**63)
    video = torch.randn(channels, BLOCK, 8, 8, generator=generator)
    return video, torch.randn(HORIZON, 4, generator=generator)


def write_kv(
    dit: CausalDiT, latents: Tensor, at: Tensor, prompts: Prompts, caches: Sequence[Tensor] = ()
) -> tuple[Tensor, ...]:
    """Append clean latent frames to the caches of both branches.

    latents [B, C, F, 8, 8] from latent frame `at` on; 2B prompts; caches [2, B, seq, heads, head_dim] of all layers
    under the prompts, then of all under the empty one, or none. Returns new, longer caches in the same order.
    """
    return _apart(_write(dit, latents, at, prompts, caches), len(latents))


def _write(dit: CausalDiT, latents: Tensor, at: Tensor, prompts: Prompts, caches: Sequence[Tensor]) -> list[Tensor]:
    """The same, but returns one cache per layer with the rows of both branches, [2, 2B, seq, heads, head_dim]."""
    prompts = Prompts(*prompts)
    layers = len(caches) // 2
    joined = [torch.cat(pair, 1) for pair in zip(caches[:layers], caches[layers:], strict=True)]
    clean = latents.transpose(1, 2).contiguous().repeat(2, 1, 1, 1, 1)
    own = dit.write(dit.past(clean, at, prompts), clean.flatten(0, 1), prompts, joined)
    return [torch.cat([old, new], 2) for old, new in zip(joined, own, strict=True)] if caches else own


def _apart(joined: Sequence[Tensor], rows: int) -> tuple[Tensor, ...]:
    """Caches of both branches -> those under the prompts, then those under the empty one."""
    return *(cache[:, :rows].clone() for cache in joined), *(cache[:, rows:].clone() for cache in joined)


class Sampler:
    """Fills caches and samples blocks. A block is one graph: between its parts nobody waits for the interpreter."""

    def __init__(self, dit: CausalDiT, settings: SamplerSettings, *, recorded: bool = True) -> None:
        self._dit, self._settings = dit, settings
        self.write_kv = Graph(partial(write_kv, dit), recorded=recorded)
        self._steer = Graph(partial(_block, dit, settings), self._leaving, recorded=recorded)
        self._imagine = Graph(partial(_block, dit, settings, None), self._leaving, recorded=recorded)
        self.on_compute: Callable[[], None] = lambda: None
        """Called when a block is about to be computed: most of a step, in which the interpreter is not needed."""

    def block(
        self,
        inputs: BlockInputs,
        given: Tensor | None,
        prompts: Prompts,
        caches: Sequence[Tensor],
        changed: Mapping[str, float] | None = None,
    ) -> Block:
        """Write the clean frames into the caches (as of `write_kv`, none at first), then sample one block of B rows,
        2B prompts [prompt, empty]: first its actions, unless unit actions [B, 8, 4] are given, then the video they
        lead to. `changed`: settings that these rows have otherwise."""
        if changed:  # not as a graph: one takes tens of megabytes, and there are as many settings as users think of
            settings = replace(self._settings, **changed)  # type: ignore[arg-type]  # whole ones are int by now
            self._leaving()
            video, actions, *caches = _block(self._dit, settings, given, inputs, prompts, caches)
        else:
            graph, told = (self._imagine, ()) if given is None else (self._steer, (given,))
            run = graph if len(inputs.clean) == 1 else graph.plain
            video, actions, *caches = run(*told, inputs, prompts, caches=caches)
        return Block(video, actions, tuple(caches))

    def _leaving(self) -> None:
        self.on_compute()


def _block(
    dit: CausalDiT,
    settings: SamplerSettings,
    given: Tensor | None,
    inputs: BlockInputs,
    prompts: Prompts,
    caches: Sequence[Tensor] = (),
) -> tuple[Tensor, ...]:
    """The fields of a `Block`, its caches one by one, under given unit actions or those that the policy predicts."""
    inputs, prompts = BlockInputs(*inputs), Prompts(*prompts)
    rows, frames = len(inputs.clean), inputs.clean.shape[2]
    joined = _write(dit, inputs.clean, inputs.at, prompts, caches)
    first = (inputs.at + frames).expand(rows)
    own, past = prompts.rows(slice(rows)), [cache[:, :rows] for cache in joined]
    a = given
    if a is None:
        alone = settings.guidance == 1.0
        asked, known = (own, past) if alone else (prompts, joined)
        a = _sample_actions(dit, inputs, first, asked, known, settings)
    z = _sample_video(dit, inputs, first, a, own, past, settings)
    return z, torch.cat([MAX_STEP * a[..., :3], a[..., 3:]], -1), *_apart(joined, rows)


def _sample_video(
    dit: CausalDiT,
    inputs: BlockInputs,
    first: Tensor,
    a: Tensor,
    prompts: Prompts,
    caches: Sequence[Tensor],
    settings: SamplerSettings,
) -> Tensor:
    """The video [B, C, 2, 8, 8] that unit actions [B, 8, 4] lead to."""
    z = inputs.noise[0].transpose(1, 2)
    for now, then in _levels(settings.levels(settings.steps), z.device):
        made = dit.made(z, a, inputs.state, now.expand(len(a)), first, prompts)
        z0 = dit.video(made, prompts, caches).unflatten(0, (-1, BLOCK))
        z = z0 + (then / now) * (z - z0)
    return z.transpose(1, 2)


def _sample_actions(
    dit: CausalDiT,
    inputs: BlockInputs,
    first: Tensor,
    prompts: Prompts,
    caches: Sequence[Tensor],
    settings: SamplerSettings,
) -> Tensor:
    """Unit actions [B, 8, 4] from noise, guided where both branches are asked."""
    a = settings.temperature * inputs.noise[1]
    rows, times = len(a), len(prompts.pooled) // len(a)
    state, first = inputs.state.repeat(times, 1), first.repeat(times)
    for now, then in _levels(settings.levels(settings.action_steps), a.device):
        made = dit.made(None, a.repeat(times, 1, 1), state, now.expand(rows * times), first, prompts)
        a0 = dit.actions(made, prompts, caches).reshape(-1, HORIZON, 4)
        a0 = a0 if times == 1 else a0[rows:] + settings.guidance * (a0[:rows] - a0[rows:])
        a = a0 + (then / now) * (a - a0)
    return a.clamp(-1, 1)


def _levels(levels: list[float], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Neighbouring noise levels as tensors."""
    return pairwise(torch.tensor(levels, device=device).unbind())
