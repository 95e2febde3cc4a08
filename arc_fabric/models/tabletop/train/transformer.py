"""Last stage: train the transformer on windows of latents, in three courses.

First the tokens that see whole frames, by what can be read from them; then these and the action tokens, without the
video tokens that they never look at: where things go and what is to be done, at a third of the cost; then all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from arc_fabric.models.tabletop.net.tokens import DitShape
from arc_fabric.models.tabletop.train.loop import Budget, Run, optimizers
from arc_fabric.models.tabletop.train.pool import Pool, Windows, frozen_vae
from arc_fabric.models.tabletop.train.window import Copies, WindowModel

ADAM = ("glance", "table", "place", "head_", "embed_", "noise.", "feel.", "steer.", "final", "reader", "modulation",
        "pointer")  # fmt: skip
"""Parts of names of what AdamW trains."""


@dataclass(frozen=True)
class DitSettings:
    """Settings of this stage (table `dit` of the config file)."""

    seed: int = 3
    batch: int = 8
    minutes: float = 85.0
    fall: float = 0.45
    muon_lr: float = 0.01
    adam_lr: float = 1e-3
    text_dropout: float = 0.12
    average: float = 0.99
    shift: float = 3.0
    past_noise: float = 0.2
    reading: float = 0.1
    """Weight of what is read from action tokens."""
    video_copies: int = 2
    policy_copies: int = 2
    glance_minutes: float = 1.5
    """Time in which the tokens that see whole frames are trained alone, before all."""
    dry_steps: int = 1000
    """First steps, without video tokens: where things go and what is to be done, before how it looks."""
    dry_batch: int = 32
    dry_every: int = 5
    """Of the steps after them, every so many is dry, too."""


def learn_to_glance(model: WindowModel, pool: Pool, settings: DitSettings, device: str) -> None:
    """Train what makes tokens of whole frames by what can be read from them."""
    parts = [*model.dit.glance.parameters(), *model.glancer.parameters()]
    optimizer = torch.optim.AdamW(parts, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    draws, minutes = torch.Generator().manual_seed(settings.seed), settings.glance_minutes
    started, done, step = time.monotonic(), 0.0, 0
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * max(0.05, min(1.0, 1.5 * (1 - done)))
        batch = pool.draw(draws, 12, 0.0).to(device)
        with torch.autocast(device, torch.bfloat16):
            found = model.glance(batch)
        found.sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        step, done = step + 1, (time.monotonic() - started) / max(1e-9, 60 * minutes)
        if step % 100 == 0:
            hand, thing, look = found.detach().tolist()
            print(
                f"glance {step} {done * minutes:.1f} min hand {hand:.4f} thing {thing:.4f} look {look:.4f}", flush=True
            )


def train_dit(
    settings: DitSettings, vae: dict[str, Tensor], pool: Pool, run: Run, save: Callable[[dict[str, Tensor]], None]
) -> None:
    """Train until the time is spent; `save` is given the averaged weights every now and then, and at the end."""
    torch.manual_seed(settings.seed)
    copies = Copies(settings.video_copies, settings.policy_copies)
    model = WindowModel(
        DitShape(), copies, shift=settings.shift, past_noise=settings.past_noise, reading=settings.reading
    ).to(run.device)
    codec = frozen_vae(vae).to(run.device)
    model.see = lambda z: codec.reconstruct(z * codec.scale[:, None, None] + codec.shift[:, None, None])
    found = optimizers(model, settings.muon_lr, settings.adam_lr, ADAM)
    trainer = run.trainer(
        "dit", model.dit, found, Budget(settings.minutes, fall=settings.fall), settings.average, model
    )
    if not run.resume and run.start is None:
        learn_to_glance(model, pool, settings, run.device)
        trainer.averaged.module.load_state_dict(model.state_dict())
    torch.manual_seed(settings.seed + trainer.step)
    draws = torch.Generator().manual_seed(settings.seed + 1 + trainer.step)
    dry_steps = 0 if run.start else settings.dry_steps

    made: list[tuple[Windows, Tensor]] = []

    def losses(step: int) -> dict[str, Tensor]:
        if step % 200 == 0:
            pool.refresh()
        dry = step < dry_steps or step % settings.dry_every == 0
        with torch.autocast(run.device, torch.bfloat16):
            if made and not dry:
                found = dict(model(made[0][0], own=made.pop()[1]))
                found.pop("made")
                return found
            batch = draw(settings.dry_batch if dry else settings.batch)
            found = dict(model(batch, not dry))
        if not dry:
            made.append((batch, found.pop("made")))
        return found

    def draw(count: int) -> Windows:
        with torch.autocast(run.device, enabled=False):
            return pool.draw(draws, count, settings.text_dropout).to(run.device)

    trainer.train(
        losses,
        every=50,
        save_seconds=240.0,
        on_save=lambda: save(cast("WindowModel", trainer.averaged.module).dit.state_dict()),
    )
