"""The model alone, as its own inference loop would run it: call, decode, next.

One line in: so many steps; one line out: done.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import torch

from arc_fabric.models.registry import load_model
from benchmarks._jobs import PROMPT, SAMPLE


def rollout(prompt: str = PROMPT) -> Iterator[np.ndarray]:
    """Frames of step after step from `SAMPLE`, as in the sessions it is held against (same picture, prompt and seed, so
    the same work); windows are re-anchored on the last frame."""
    model = load_model("tabletop", "cpu")
    geometry = model.geometry
    frames = model.samples()[SAMPLE][None]
    k, window = geometry.latents_per_block, None
    while True:
        with torch.no_grad():
            fresh = window is None or window.shape[2] >= 1 + k * geometry.steps_per_window
            images = frames[-1:] if fresh else frames[-geometry.frames_per_latent :]
            pending = None if fresh else window[:, :, -k:].contiguous()
            out = model.lazy_joint_video_action_causal(model.make_inputs(images, prompt), pending)
            window = out["video_pred"] if fresh else torch.cat([window, out["video_pred"]], 2)
            frames = model.decode(window, start=window.shape[2] - k)
        yield frames


def main() -> None:
    """Serve on standard input."""
    torch.set_num_threads(int(sys.argv[1]))
    steps = rollout()
    next(steps), next(steps)
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            next(steps)
        print("done", flush=True)


if __name__ == "__main__":
    main()
