"""Train the tabletop model: `python -m arc_fabric.models.tabletop.train [--stage STAGE] [--resume]`.

The stages are vae, pool (episodes as latents) and dit, each on top of those before it; "all" runs them in this order.
With `--from-weights` they begin from the weights file instead of anew. Settings come from `config.toml` in this folder
(`--config` names another). Checkpoints and latents go to `--folder` (default `training/`); the averaged weights are
written to `--weights` (default: the package's own file). A stage that is resumed goes on where it stopped (name
`--from-weights` again if it began so).
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

import torch

from arc_fabric.models.tabletop.net.weights import WEIGHTS, export, load_part
from arc_fabric.models.tabletop.train.frames import VaeSettings, train_vae
from arc_fabric.models.tabletop.train.loop import Run
from arc_fabric.models.tabletop.train.pool import Pool, PoolSettings, write_pool
from arc_fabric.models.tabletop.train.transformer import DitSettings, train_dit

CONFIG = Path(__file__).with_name("config.toml")
STAGES = ("vae", "pool", "dit")


def read_config(path: Path) -> dict[str, dict[str, Any]]:
    """The tables of a config file."""
    return tomllib.loads(path.read_text())


def train(stage: str, settings: dict[str, Any], args: argparse.Namespace) -> None:
    """Run one stage."""
    start = load_part(args.weights, stage) if args.from_weights and stage != "pool" else None
    run = Run(args.folder, start, args.device, args.resume)
    if stage == "vae":
        export(args.weights, vae=train_vae(VaeSettings(**settings), run))
    elif stage == "pool":
        write_pool(PoolSettings(**settings), load_part(args.weights, "vae"), args.folder / "pool")
    else:
        pool = Pool(args.folder / "pool")
        vae = load_part(args.weights, "vae")
        train_dit(DitSettings(**settings), vae, pool, run, lambda state: export(args.weights, dit=state))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=(*STAGES, "all"), default="all")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--folder", type=Path, default=Path("training"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="training time of each stage, instead of the config's")
    parser.add_argument("--from-weights", action="store_true", help="begin from the weights file's parts")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoints in --folder")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = read_config(args.config)
    for stage in STAGES:
        if args.minutes is not None and stage != "pool":
            config[stage]["minutes"] = args.minutes
        if args.stage in (stage, "all"):
            train(stage, config[stage], args)


if __name__ == "__main__":
    main()
