"""The adapter around the real classes at toy size. Import only where the checkout is at hand."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_fabric.models.dreamzero.model import DreamZeroModel
from tests.dreamzero.real import DEVICE, SIZE, ToyTransforms, as_configured, build_vla


class ToyDreamZero(DreamZeroModel):
    """The adapter with its calls kept on the tests' device and DreamZero's prints kept quiet."""

    def lazy_joint_video_action_causal(self, inputs: dict[str, Tensor], latent_video: Tensor | None = None) -> Any:
        """One step."""
        with quiet():
            return super().lazy_joint_video_action_causal(inputs, latent_video)

    def rebuild_kv(self, latents: Tensor, blocks: list) -> None:
        """Rebuild."""
        with quiet():
            super().rebuild_kv(latents, blocks)

    def decode(self, latents: Tensor, start: int = 0) -> np.ndarray:
        """Decode."""
        with quiet():
            return super().decode(latents, start)


@contextlib.contextmanager
def quiet() -> Any:
    """On the tests' device, without DreamZero's prints."""
    with as_configured(), contextlib.redirect_stdout(io.StringIO()):
        yield


def toy_dreamzero(variant: str) -> ToyDreamZero:
    """A fresh model; every one of a variant has the same weights."""
    torch.set_num_threads(1)
    model = build_vla(variant)
    return ToyDreamZero(model, ToyTransforms(), image_size=(SIZE, SIZE), weights_digest=f"toy {variant}", device=DEVICE)


def picture(seed: int = 0) -> np.ndarray:
    """A reproducible picture of the model's size."""
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
