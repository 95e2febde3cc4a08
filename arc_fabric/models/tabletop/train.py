"""Train the tabletop model: `python -m arc_fabric.models.tabletop.train [--stage STAGE] [--resume]`.

The stages are vae, eyes, intent, foresight and dit, each on top of those before it; "all" runs them in this order.
Settings come from `config.toml` in this package (`--config` names another). Checkpoints go to `--folder`
(default `training/`); the averaged weights are written to `--weights` (default: the package's own file).
"""

from __future__ import annotations

import argparse
import os
import tomllib
from pathlib import Path
from typing import Any

import torch

from arc_fabric.models.tabletop.eyes_training import EyesSettings, train_eyes
from arc_fabric.models.tabletop.foresight_training import ForesightSettings, train_foresight
from arc_fabric.models.tabletop.intent_training import IntentSettings, train_intent
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
    for table in ("vae", "eyes", "intent", "foresight", "dit"):
        if args.minutes is not None:
            config[table]["minutes"] = args.minutes
    if args.stage in ("vae", "all"):
        vae = train_vae(VaeSettings(**config["vae"]), args.folder, device=args.device, resume=args.resume)
        export(args.weights, vae=vae.state_dict())
    if args.stage in ("eyes", "all"):
        seen = train_eyes(
            EyesSettings(**config["eyes"]),
            load_part(args.weights, "vae"),
            args.folder,
            device=args.device,
            resume=args.resume,
        )
        export(args.weights, eyes=seen)
    if args.stage in ("intent", "all"):
        meant = train_intent(IntentSettings(**config["intent"]), args.folder, device=args.device, resume=args.resume)
        export(args.weights, intent=meant)
    if args.stage in ("foresight", "all"):
        seen = train_foresight(
            ForesightSettings(**config["foresight"]), args.folder, device=args.device, resume=args.resume
        )
        export(args.weights, foresight=seen)
    if args.stage in ("dit", "all"):
        from arc_fabric.models.tabletop.dit_training import DitSettings, train_dit

        train_dit(
            DitSettings(**config["dit"]),
            load_part(args.weights, "vae"),
            {name: load_part(args.weights, name) for name in INSIDE},
            args.folder,
            args.weights,
            device=args.device,
            resume=args.resume,
            rank=args.rank,
            peers=args.peers,
            compiled=args.compile,
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=("vae", "eyes", "intent", "foresight", "dit", "all"), default="all")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--folder", type=Path, default=Path("training"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--peers", type=int, default=1, help="processes that train the transformer together")
    parser.add_argument("--rank", type=int, default=0, help="number of this process among its peers, from 0")
    parser.add_argument("--minutes", type=float, help="training time of each stage, instead of the config's")
    parser.add_argument("--compile", action="store_true", help="torch.compile the transformer's forward and backward")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoints in --folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
