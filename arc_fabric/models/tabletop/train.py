"""Train the tabletop model: `python -m arc_fabric.models.tabletop.train [--stage STAGE] [--resume]`.

The stages are vae, sprites, eyes, intent, foresight and dit, each on top of those before it; "all" runs them in this
order. With `--from-weights` all but sprites begin from the weights file instead of anew. Settings come from
`config.toml` in this package (`--config` names another). Checkpoints go to `--folder` (default `training/`); the
averaged weights are written to `--weights` (default: the package's own file).
"""

from __future__ import annotations

import argparse
import os
import tomllib
from pathlib import Path
from typing import Any

import torch

from arc_fabric.models.tabletop.dit_training import DitSettings, train_dit
from arc_fabric.models.tabletop.eyes_training import EyesSettings, train_eyes
from arc_fabric.models.tabletop.foresight_training import ForesightSettings, train_foresight
from arc_fabric.models.tabletop.intent_training import IntentSettings, train_intent
from arc_fabric.models.tabletop.sprites_training import SpritesSettings, train_sprites
from arc_fabric.models.tabletop.vae_training import VaeSettings, train_vae
from arc_fabric.models.tabletop.weights import INSIDE, WEIGHTS, export, load_part

CONFIG = Path(__file__).with_name("config.toml")


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
            STAGES[table](args, config[table])


def _vae(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    start = load_part(args.weights, "vae") if args.from_weights else {}
    vae = train_vae(VaeSettings(**settings), args.folder, start=start, device=args.device, resume=args.resume)
    export(args.weights, vae=vae.state_dict())


def _sprites(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    drawn = train_sprites(SpritesSettings(**settings), args.folder, device=args.device, resume=args.resume)
    export(args.weights, sprites=drawn)


def _eyes(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    vae, start = load_part(args.weights, "vae"), load_part(args.weights, "eyes") if args.from_weights else {}
    seen = train_eyes(EyesSettings(**settings), vae, args.folder, start=start, device=args.device, resume=args.resume)
    export(args.weights, eyes=seen)


def _intent(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    start = load_part(args.weights, "intent") if args.from_weights else {}
    meant = train_intent(IntentSettings(**settings), args.folder, start=start, device=args.device, resume=args.resume)
    export(args.weights, intent=meant)


def _foresight(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    start = load_part(args.weights, "foresight") if args.from_weights else {}
    foreseen = train_foresight(
        ForesightSettings(**settings), args.folder, start=start, device=args.device, resume=args.resume
    )
    export(args.weights, foresight=foreseen)


def _dit(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    train_dit(
        DitSettings(**settings),
        load_part(args.weights, "vae"),
        {name: load_part(args.weights, name) for name in INSIDE},
        load_part(args.weights, "dit") if args.from_weights else {},
        args.folder,
        args.weights,
        device=args.device,
        resume=args.resume,
        rank=args.rank,
        peers=args.peers,
        compiled=args.compile,
    )


STAGES = {
    "vae": _vae,
    "sprites": _sprites,
    "eyes": _eyes,
    "intent": _intent,
    "foresight": _foresight,
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
