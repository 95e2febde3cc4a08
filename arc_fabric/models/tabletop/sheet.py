"""Draw a contact sheet of free rollouts: `python -m arc_fabric.models.tabletop.sheet OUT.png [--rows 20] [--seed N]`.

Each row is one held-out scene under one prompt: the first frame and every eighth frame after it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from arc_fabric.models.tabletop.experts import Task, sensible
from arc_fabric.models.tabletop.language import phrase
from arc_fabric.models.tabletop.model import TabletopModel
from arc_fabric.models.tabletop.rollouts import imagine
from arc_fabric.models.tabletop.scene import SIZE, Scene, sample_scene
from arc_fabric.models.tabletop.weights import WEIGHTS

SCALE, CAPTION = 1, 12
PLAN = (
    ("pick", 0),
    ("left", 0),
    ("pick", 1),
    ("pick", 2),
    ("right", 1),
    ("away", 0),
    ("on", 0),
    ("beside", 0),
    ("pick", 0),
    ("left", 1),
)
"""Verb and object (index in the scene; above 0: not the red cup, so that a policy that ignores words is caught)."""


def draw_cases(seed: int, rows: int) -> tuple[list[Scene], list[str]]:
    """Held-out scenes and prompts."""
    rng = np.random.default_rng((987_654_321, seed))
    scenes: list[Scene] = []
    prompts: list[str] = []
    while len(scenes) < rows:
        verb, index = PLAN[len(scenes) % len(PLAN)]
        scene = sample_scene(rng, others=max(index, int(rng.integers(1, 4))))
        names = [b.kind.name for b in scene.bodies]
        task = Task(verb, names[index], names[1] if verb in ("on", "beside") else "")
        if sensible(scene, task):
            scenes.append(scene)
            prompts.append(phrase(task))
    return scenes, prompts


def sheet(video: np.ndarray, prompts: list[str], columns: int = 2, every: int = 8) -> Image.Image:
    """uint8 video [N, F, 64, 64, 3] and captions -> one picture."""
    strips = [np.concatenate(list(clip[::every]), 1) for clip in video]
    width, height = strips[0].shape[1] * SCALE, SIZE * SCALE + CAPTION
    rows = -(-len(strips) // columns)
    page = Image.new("RGB", (columns * (width + 6), rows * height), "white")
    pen = ImageDraw.Draw(page)
    for n, (strip, prompt) in enumerate(zip(strips, prompts, strict=True)):
        left, top = (n // rows) * (width + 6), (n % rows) * height
        pen.text((left + 2, top), prompt, fill="black")
        picture = Image.fromarray(strip).resize((width, SIZE * SCALE), Image.Resampling.NEAREST)
        page.paste(picture, (left, top + CAPTION))
    return page


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--steps", type=int, default=8, help="model steps per rollout, of 8 frames")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    torch.set_num_threads(2)
    model = TabletopModel.load(args.weights)
    model.exact_batches = False
    scenes, prompts = draw_cases(args.seed, args.rows)
    sheet(imagine(model, scenes, prompts, args.steps, seed=args.seed), prompts, every=args.steps).save(args.out)


if __name__ == "__main__":
    main()
