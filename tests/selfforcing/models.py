"""The adapter around the real classes at toy size. Import only where the checkout is at hand."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_fabric.models.contract import PastStep, StepInput, StepOutput
from arc_fabric.models.selfforcing.model import SelfForcingModel, _noise_seed
from tests.selfforcing.real import CHANNELS, GRID, SIZE, STEPS, Drawn, as_video, build_pipeline

SHAPES: dict[str, dict[str, Any]] = {
    "growing": {"capacity": 24},
    "rolling": {"local": 6},
    "sink": {"local": 7, "sink": 1},
    "frames": {"local": 5, "sink": 1, "block": 1},
}
"""Growing; rolling; rolling after a sink that cuts blocks (7 and 1, blocks of 3); one-frame steps."""
_FIXED = {"longlive": {"local": 6, "sink": 3}, "longlive-frozen": {"local": 6, "sink": 3, "global_sink": True}}


class ToySelfForcing(SelfForcingModel):
    """The adapter with the pipeline's prints kept quiet."""

    def step(self, given: StepInput) -> StepOutput:
        """One step."""
        with contextlib.redirect_stdout(io.StringIO()):
            return super().step(given)

    def rebuild(self, past: Iterable[PastStep]) -> None:
        """Rebuild."""
        with contextlib.redirect_stdout(io.StringIO()):
            super().rebuild(past)


def toy_selfforcing(shape: str, decode_context: str | int = 100, maker: Any = None) -> ToySelfForcing:
    """A fresh model; every one of a shape has the same weights."""
    torch.set_num_threads(1)
    pipeline = build_pipeline(**(SHAPES | _FIXED)[shape], maker=maker)
    return ToySelfForcing(
        pipeline, image_size=(SIZE, SIZE), device="cpu", weights_digest="toy", decode_context=int(decode_context)
    )


def noise_of(model: ToySelfForcing, seed: int, steps: int) -> tuple[Tensor, list[Tensor]]:
    """All noise of a run of so many steps: what its blocks begin with, [1, T, C, h, w], and what is drawn between."""
    first: list[Tensor] = []
    between: list[Tensor] = []
    shape = (model.geometry.latents_per_block, CHANNELS, GRID, GRID)
    for step in range(1, steps + 1):
        draw = {"generator": torch.Generator().manual_seed(_noise_seed(seed, step)), "dtype": torch.bfloat16}
        first.append(torch.randn(1, *shape, **draw))
        between += [torch.randn(shape, **draw) for _ in STEPS[1:]]
    return torch.cat(first, 1), between


@torch.no_grad()
def upstream(
    model: ToySelfForcing, prompt: str, seed: int, steps: int, picture: Tensor | None = None
) -> tuple[Tensor, np.ndarray]:
    """Latents [1, T, C, h, w] and video uint8 [F, H, W, 3] by the pipeline's own loop, on the model's noise."""
    noise, between = noise_of(model, seed, steps)
    more = {} if picture is None else {"initial_latent": picture}
    with contextlib.redirect_stdout(io.StringIO()), Drawn(between) as drawn:
        video, latents = model.pipeline.inference(noise, [prompt], return_latents=True, **more)
    assert not drawn.left
    return latents, as_video(video)


def picture(seed: int = 0) -> np.ndarray:
    """A reproducible picture of the model's size."""
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
