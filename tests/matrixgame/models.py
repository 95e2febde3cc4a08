"""The adapter around the real classes at toy size. Import only where the checkout is at hand."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from arc_fabric.models.contract import PastStep, StepInput, StepOutput
from arc_fabric.models.matrixgame.controls import KEYS
from arc_fabric.models.matrixgame.model import MatrixGameModel, _noise_seed
from tests.matrixgame.real import CHANNELS, HEIGHT, STEPS, WIDTH, Drawn, Encoder, as_video, build_pipeline

FRAMES, BLOCK, GRID = 24, 3, (HEIGHT // 8, WIDTH // 8)
LOCAL = {"universal": 6, "gta_drive": 4, "templerun": 6}
"""Windows as released: of four frames with blocks of three, blocks are cut when it rolls."""


class ToyMatrixGame(MatrixGameModel):
    """The adapter with the pipeline's prints kept quiet."""

    def step(self, given: StepInput) -> StepOutput:
        """One step."""
        with contextlib.redirect_stdout(io.StringIO()):
            return super().step(given)

    def rebuild(self, past: Iterable[PastStep]) -> None:
        """Rebuild."""
        with contextlib.redirect_stdout(io.StringIO()):
            super().rebuild(past)


def toy_matrixgame(mode: str = "universal") -> ToyMatrixGame:
    """A fresh model; every one of a mode has the same weights."""
    torch.set_num_threads(1)
    pipeline = build_pipeline(mode=mode, local=LOCAL[mode])
    return ToyMatrixGame(
        pipeline, Encoder(), mode=mode, frames=FRAMES, image_size=(HEIGHT, WIDTH), device="cpu", weights_digest="toy"
    )


def picture(seed: int = 0) -> np.ndarray:
    """A reproducible picture of the model's size."""
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def actions(mode: str, step: int) -> np.ndarray:
    """Of one step: another key every few frames, a mouse that turns; [12, keys and mouse]."""
    keys, at = len(KEYS[mode]), np.arange(12) + 12 * step
    rows = np.eye(keys)[at // 3 % keys]
    mouse = np.stack([np.sin(at), np.cos(at)], 1) * 0.1
    return np.concatenate([rows, mouse] if mode != "templerun" else [rows], 1).astype(np.float32)


@torch.no_grad()
def upstream(mode: str, seed: int, steps: int) -> tuple[Tensor, np.ndarray]:
    """Latents [1, T, C, h, w] and video uint8 [F, H, W, 3] by the pipeline's own loop, on the adapter's noise, actions
    and picture."""
    model = toy_matrixgame(mode)
    noise, between = [], []
    for step in range(1, steps + 1):
        draw = {"generator": torch.Generator().manual_seed(_noise_seed(seed, step)), "dtype": torch.bfloat16}
        noise.append(torch.randn(1, CHANNELS, BLOCK, *GRID, **draw))  # type: ignore[call-overload]
        between += [torch.randn(BLOCK, CHANNELS, *GRID, **draw) for _ in STEPS[1:]]  # type: ignore[call-overload]
    model._see(picture())
    rows = np.concatenate([actions(mode, step) for step in range(steps)])[3:]
    given = torch.from_numpy(rows)[None].to(torch.bfloat16)
    keys = len(KEYS[mode])
    conditions = {"cond_concat": model.scene, "visual_context": model.look, "keyboard_cond": given[..., :keys]}
    if mode != "templerun":
        conditions["mouse_cond"] = given[..., keys:]
    made = []
    for latents in (True, False):
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            Drawn(between) as left,
        ):
            options = {"return_latents": latents, "mode": mode}
            made.append(model.pipeline.inference(torch.cat(noise, 2), conditions, **options))
        assert not left.left
    return made[0].transpose(1, 2), as_video(made[1])
