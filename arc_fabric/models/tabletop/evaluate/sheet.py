"""Draw what the model imagines: `python -m arc_fabric.models.tabletop.evaluate.sheet OUT.png [--rows 20] [--seed N]`.

Each row is one held-out scene: its first frame and the last one of each step. With `--seeds` every scene is imagined
that often; with `--given` under an expert's actions, below what the simulator shows.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from arc_fabric.models.tabletop.evaluate.cases import STEPS, Case, HeldOut
from arc_fabric.models.tabletop.evaluate.dreams import FRAMES, Model
from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.models.tabletop.net.weights import WEIGHTS
from arc_fabric.models.tabletop.world.episodes import record
from arc_fabric.models.tabletop.world.experts import VERBS, Task
from arc_fabric.models.tabletop.world.language import phrase

CAPTION = 12
"""Pixels above a row for its prompt."""


def draw_cases(seed: int, rows: int) -> list[Case]:
    """Held-out scenes, every verb in turn; the last two with the scene's first two things."""
    cases = HeldOut(seed, rows).cases(30, ("pick", "left", "pick", "right", "away"))
    for n in range(4, rows, 5):
        names = cases[n].names
        task = Task(VERBS[4 + n // 5 % 2], names[0], names[1])
        episode = record(cases[n].scene, task, 1 + FRAMES * STEPS, n)
        cases[n] = replace(cases[n], task=task, prompt=phrase(task), episode=episode)
    return cases


def sheet(strips: list[np.ndarray], captions: list[str], columns: int = 2, every: int = FRAMES) -> Image.Image:
    """Clips uint8 [F, 64, 64, 3] and their captions -> one picture."""
    rows, size = -(-len(strips) // columns), strips[0].shape[1]
    width, height = size * len(strips[0][::every]), size + CAPTION
    page = Image.new("RGB", (columns * (width + 6), rows * height), "white")
    pen = ImageDraw.Draw(page)
    for n, (strip, caption) in enumerate(zip(strips, captions, strict=True)):
        left, top = (n // rows) * (width + 6), (n % rows) * height
        pen.text((left + 2, top), caption, fill="black")
        page.paste(Image.fromarray(np.concatenate(list(strip[::every]), 1)), (left, top + CAPTION))
    return page


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--steps", type=int, default=STEPS, help="model steps per rollout, of 8 frames")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--given", action="store_true")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    torch.set_num_threads(2)
    dreamer, cases = Model(TabletopModel.load(args.weights), args.weights), draw_cases(args.seed, args.rows)
    steps = min(args.steps, STEPS) if args.given else args.steps
    videos = [dreamer.imagine(cases, steps, given=args.given, seed=seed) for seed in range(args.seeds)]
    strips, captions = [], []
    for n, case in enumerate(cases):
        if args.given:
            strips.append(case.episode.frames()[: 1 + FRAMES * steps])
            captions.append(f"simulator: {case.prompt}")
        strips += [video[n] for video in videos]
        captions += [f"{case.prompt}{f', seed {seed}' if args.seeds > 1 else ''}" for seed in range(args.seeds)]
    sheet(strips, captions).save(args.out)


if __name__ == "__main__":
    main()
