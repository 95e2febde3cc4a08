"""The adapter around the real classes at toy size. Import only where the checkout is at hand."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_fabric.models.dreamzero.model import DreamZeroModel
from arc_fabric.models.dreamzero.ranks import DreamZeroShard
from arc_fabric.ranks import Group, RankedModel, RankedWorldModel, launch
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


class ToyShard(ToyDreamZero, DreamZeroShard):
    """One of two ranks; the state's last numbers may name one that breaks in its first denoising step."""

    def lazy_joint_video_action_causal(self, inputs: dict[str, Tensor], latent_video: Tensor | None = None) -> Any:
        """One step."""
        mark, rank = inputs["state"].flatten()[-2:].tolist()
        broken = mark == 90.0 and rank == self.action_head.ip_rank + 1
        self.action_head.trt_engine = _break_down if broken else None
        return super().lazy_joint_video_action_causal(inputs, latent_video)


def _break_down(*args: object, **kwargs: object) -> None:
    raise RuntimeError("broken")


def toy_dreamzero(variant: str) -> ToyDreamZero:
    """A fresh model; every one of a variant has the same weights."""
    torch.set_num_threads(1)
    model = build_vla(variant)
    return ToyDreamZero(model, ToyTransforms(), image_size=(SIZE, SIZE), weights_digest=f"toy {variant}", device=DEVICE)


def toy_shard(group: Group, device: str, variant: str) -> ToyShard:
    """One rank of a model of the same weights."""
    assert device == DEVICE
    torch.set_num_threads(1)
    options = {"image_size": (SIZE, SIZE), "weights_digest": f"toy {variant}", "device": DEVICE}
    return ToyShard(group, build_vla(variant), ToyTransforms(), **options)


def toy_launched(variant: str) -> RankedModel | RankedWorldModel:
    """Over two ranks, for a fresh process."""
    return launch("tests.dreamzero.models:toy_shard", [DEVICE] * 2, arguments=[variant])


def picture(seed: int = 0) -> np.ndarray:
    """A reproducible picture of the model's size."""
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
