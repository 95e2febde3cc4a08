"""Train the tabletop's transformer: `python -m arc_fabric.models.tabletop.train POOL [--resume]`.

`POOL` is a folder of latents (`python -m arc_fabric.models.tabletop.train.pool POOL`). Settings come from `config.toml`
(`--config` names another). The checkpoint goes to `--folder`, averaged weights to `--weights`.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from arc_fabric.models.tabletop.net.dit import DitShape
from arc_fabric.models.tabletop.net.weights import WEIGHTS, export, load_part
from arc_fabric.models.tabletop.train.loop import Budget, Trainer, optimizers
from arc_fabric.models.tabletop.train.pool import Pool, Windows
from arc_fabric.models.tabletop.train.window import Copies, WindowModel

CONFIG = Path(__file__).with_name("config.toml")
ADAM = ("glance", "table", "place", "heads_", "head_", "embed_", "noise.", "feel.", "steer.", "final", "reader", "modulation")


@dataclass(frozen=True)
class Settings:
    """Settings of the training (the config file)."""

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
    save_seconds: float = 240.0


def learn_to_glance(model: WindowModel, pool: Pool, minutes: float, seed: int) -> None:
    """Train what makes tokens of whole frames by what can be read from them."""
    parts = [*model.dit.glance.parameters(), *model.glancer.parameters()]
    optimizer = torch.optim.AdamW(parts, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    draws, started, done, step = torch.Generator().manual_seed(seed), time.monotonic(), 0.0, 0
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * max(0.05, min(1.0, 1.5 * (1 - done)))
        found = model.glance(pool.draw(draws, 12, 0.0))
        found.sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        step, done = step + 1, (time.monotonic() - started) / (60 * minutes)
        if step % 100 == 0:
            hand, thing = found.detach().tolist()
            print(f"glance step {step} {done * minutes:.1f} min hand {hand:.3f} thing {thing:.3f}", flush=True)


def train(
    settings: Settings, pool: Pool, folder: Path, weights: Path, *, resume: bool, start: bool, compiled: bool
) -> None:
    """Train until the time is spent."""
    torch.manual_seed(settings.seed)
    copies = Copies(settings.video_copies, settings.policy_copies)
    model = WindowModel(
        DitShape(), copies, shift=settings.shift, past_noise=settings.past_noise, reading=settings.reading
    )
    if start:
        model.dit.load_state_dict(load_part(weights, "dit"))
    found = optimizers(model, settings.muon_lr, settings.adam_lr, ADAM)
    budget = Budget(settings.minutes, fall=settings.fall)
    trainer = Trainer(model, found, budget, folder / "dit.safetensors", settings.average)
    if resume:
        trainer.resume()
    else:
        learn_to_glance(model, pool, settings.glance_minutes, settings.seed)
        trainer.averaged.module.load_state_dict(model.state_dict())
    torch.manual_seed(settings.seed + trainer.step)
    draws = torch.Generator().manual_seed(settings.seed + 1 + trainer.step)
    forward = torch.compile(model, dynamic=False) if compiled else model

    def losses(step: int) -> dict[str, Tensor]:
        if step % 200 == 0:
            pool.refresh()
        draws_video = step >= settings.dry_steps
        count = settings.batch if draws_video else settings.dry_batch
        batch: Windows = pool.draw(draws, count, settings.text_dropout)
        with torch.autocast("cpu", torch.bfloat16):
            return dict(forward(batch, draws_video))

    def save() -> None:
        state = trainer.averaged.module.dit.state_dict()
        export(weights, dit=state)

    trainer.train(losses, every=50, save_seconds=settings.save_seconds, on_save=save)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--folder", type=Path, default=Path("training"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="training time instead of the config's")
    parser.add_argument("--compile", action="store_true", help="torch.compile forward and backward")
    parser.add_argument("--from-weights", action="store_true", help="begin from the weights file")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --folder")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    values = tomllib.loads(args.config.read_text())
    if args.minutes is not None:
        values["minutes"] = args.minutes
    train(
        Settings(**values),
        Pool(args.pool),
        args.folder,
        args.weights,
        resume=args.resume,
        start=args.from_weights,
        compiled=args.compile,
    )


if __name__ == "__main__":
    main()
