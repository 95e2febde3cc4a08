"""The shipped weights do what the model card says of them: floors that a worse training run would fall through.

The bars of the evaluation are higher; `python -m arc_fabric.models.tabletop.evaluate` measures against those.
"""

from __future__ import annotations

import numpy as np
import pytest

from arc_fabric.models.tabletop.measures import HeldOut, reconstruction, sharpness
from arc_fabric.models.tabletop.model import TabletopModel
from arc_fabric.models.tabletop.rollouts import imagine
from arc_fabric.models.tabletop.samples import sample_names, sample_scene_named


@pytest.fixture
def fast(model: TabletopModel) -> TabletopModel:
    """The model with whole batches in one pass."""
    model.exact_batches = False
    return model


def test_vae_reconstructs(fast):
    """Real frames survive encoding and decoding."""
    assert reconstruction(fast, HeldOut(5, 3)).value >= 33


def test_given_actions_are_followed(fast):
    """Given the expert's actions, 16 frames are much closer to the simulator's than a still frame is."""
    found = sharpness(fast, HeldOut(5, 6))
    assert found.value >= found.repeat + 4


def test_prompts_change_what_happens(fast):
    """The same scenes under two prompts, with the same seeds, become visibly different videos."""
    scenes = [sample_scene_named(name) for name in sample_names()]
    lifted, pushed = (
        imagine(fast, scenes, [prompt] * len(scenes), 2)
        for prompt in ("pick up the red cup", "push the cup to the left")
    )
    assert np.abs(lifted[:, -1].astype(int) - pushed[:, -1].astype(int)).max(axis=(1, 2, 3)).min() > 60


def test_a_rollout_does_not_jump_back(fast):
    """Across a window's end the next frame goes on from the last one, not from the first."""
    video = imagine(fast, [sample_scene_named("two-cups")], ["pick up the red cup"], 5)[0].astype(int)
    after, before, first = video[33], video[32], video[0]
    assert np.abs(after - before).mean() < np.abs(after - first).mean()
