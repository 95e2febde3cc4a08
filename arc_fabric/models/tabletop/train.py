"""Train the tabletop model: `python -m arc_fabric.models.tabletop.train [--stage STAGE] [--resume]`.

The stages are vae, sprites, eyes, intent, foresight and dit, each on top of those before it; "all" runs them
in this order. With `--from-weights` they begin from the weights file instead of anew. Settings come from
`config.toml` in this package (`--config` names another). Checkpoints go to `--folder` (default `training/`); the
averaged weights are written to `--weights` (default: the package's own file).
"""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from arc_fabric.models.tabletop.dit_training import DitSettings, train_dit
from arc_fabric.models.tabletop.eyes_training import EyesSettings, train_eyes
from arc_fabric.models.tabletop.foresight_training import ForesightSettings, train_foresight
from arc_fabric.models.tabletop.intent_training import IntentSettings, train_intent
from arc_fabric.models.tabletop.loop import Run
from arc_fabric.models.tabletop.sprites_training import SpritesSettings, train_sprites
from arc_fabric.models.tabletop.vae_training import VaeSettings, train_vae
from arc_fabric.models.tabletop.weights import INSIDE, WEIGHTS, export, load_part

CONFIG = Path(__file__).with_name("config.toml")

Stage = Callable[[str, argparse.Namespace, dict[str, Any]], None]
"""Trains the part of this name with these settings and writes it to the weights file."""


def read_config(path: Path) -> dict[str, dict[str, Any]]:
    """The tables of a config file."""
    return tomllib.loads(path.read_text())


def main() -> None:
    """Entry point."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    config = read_config(args.config)
    for table in STAGES:
        if args.minutes is not None:
            config[table]["minutes"] = args.minutes
        if args.stage in (table, "all"):
            STAGES[table](table, args, config[table])


def _stage(train: Callable[..., dict[str, Tensor]], kind: type, *needs: str) -> Stage:
    """A stage that trains one part, named as in the weights file, on top of the parts it `needs`."""

    def run(name: str, args: argparse.Namespace, settings: dict[str, Any]) -> None:
        below = [load_part(args.weights, part) for part in needs]
        start = load_part(args.weights, name) if args.from_weights else None
        made = train(kind(**settings), *below, Run(args.folder, start, args.device, args.resume))
        export(args.weights, **{name: made})

    return run


def _dit(name: str, args: argparse.Namespace, settings: dict[str, Any]) -> None:
    train_dit(
        DitSettings(**settings),
        load_part(args.weights, "vae"),
        {part: load_part(args.weights, part) for part in INSIDE},
        load_part(args.weights, name) if args.from_weights else {},
        args.folder,
        args.weights,
        device=args.device,
        resume=args.resume,
        rank=args.rank,
        peers=args.peers,
        compiled=args.compile,
    )


STAGES: dict[str, Stage] = {
    "vae": _stage(train_vae, VaeSettings),
    "sprites": _stage(train_sprites, SpritesSettings),
    "eyes": _stage(train_eyes, EyesSettings, "vae"),
    "intent": _stage(train_intent, IntentSettings),
    "foresight": _stage(train_foresight, ForesightSettings),
    "dit": _dit,
}
"""Stages of training in their order."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=(*STAGES, "all"), default="all")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--folder", type=Path, default=Path("training"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--peers", type=int, default=1, help="processes that train the transformer together")
    parser.add_argument("--rank", type=int, default=0, help="number of this process among its peers, from 0")
    parser.add_argument("--minutes", type=float, help="training time of each stage, instead of the config's")
    parser.add_argument("--compile", action="store_true", help="torch.compile the transformer's forward and backward")
    parser.add_argument("--from-weights", action="store_true", help="begin from the weights file's parts")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoints in --folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
