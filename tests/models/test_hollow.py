"""The world is made of its state: what is seen changes when the KV, the transformer, the prompt or the seed does.

A model whose pictures came from anywhere else would fail here, however sharp they were.
"""

from __future__ import annotations

import numpy as np
import pytest

from arc_fabric.models.tabletop.evaluate.cases import HeldOut
from arc_fabric.models.tabletop.evaluate.dreams import (
    Ablation,
    Model,
    kv_of_others,
    kv_random,
)
from arc_fabric.models.tabletop.evaluate.judge import psnr
from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.models.tabletop.net.weights import WEIGHTS

CASES = HeldOut(5, 4).cases(2, ("pick", "left"), frames=33)
VISIBLE = 24
"""Grey levels by which a pixel differs visibly."""


def differing(a: np.ndarray, b: np.ndarray) -> float:
    """Share of the pixels of two videos that differ visibly."""
    return float((np.abs(a.astype(int) - b).max(-1) > VISIBLE).mean())


@pytest.fixture
def dreamer(model: TabletopModel) -> Model:
    """The shipped model."""
    return Model(model, WEIGHTS)


@pytest.mark.parametrize(
    ("ablation", "share"),
    [(kv_of_others, 0.05), (kv_random, 0.2)],
    ids=["of another session", "random"],
)
def test_pictures_come_from_the_kv(dreamer: Model, ablation: Ablation, share: float) -> None:
    """With another past under the same actions and the same noise, the next 8 frames are others."""
    own = dreamer.imagine(CASES, 4, given=True)
    other = Model(dreamer.model, WEIGHTS, ablation).imagine(CASES, 4, given=True)
    assert np.array_equal(own[:, :25], other[:, :25])
    assert differing(own[:, 25:], other[:, 25:]) > share


def test_pictures_come_from_the_transformer(dreamer: Model) -> None:
    """With its output heads zeroed there is nothing to see: farther from the simulator's frames than a still one."""
    true = np.stack([case.episode.frames() for case in CASES])
    own, hollow = dreamer.imagine(CASES, 1, given=True), Model.without_heads(WEIGHTS).imagine(CASES, 1, given=True)
    still = psnr(true[:, :1].repeat(8, 1), true[:, 1:9])
    assert psnr(hollow[:, 1:], true[:, 1:9]) < still
    assert psnr(own[:, 1:], true[:, 1:9]) > still + 1


def test_prompts_change_the_picture(dreamer: Model) -> None:
    """The same scenes and seeds under two prompts."""
    prompts = ("pick up the red cup", "push the cup to the left")
    a, b = (dreamer.imagine(CASES, 2, prompts=[prompt] * len(CASES)) for prompt in prompts)
    assert min(differing(x[-1], y[-1]) for x, y in zip(a, b, strict=True)) > 0.01


def test_seeds_change_the_picture(dreamer: Model) -> None:
    """The same scenes and prompts under two seeds."""
    a, b = (dreamer.imagine(CASES, 4, seed=seed) for seed in (1, 2))
    assert np.mean([differing(x[-1], y[-1]) for x, y in zip(a, b, strict=True)]) > 0.01
