"""The shipped weights do what the model card says of them: floors that a worse training run would fall through.

The bars of the evaluation are higher; `python -m arc_fabric.models.tabletop.evaluate` measures against those.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arc_fabric.models.tabletop.control import encode_maps
from arc_fabric.models.tabletop.judge import GRIPPER, read
from arc_fabric.models.tabletop.measures import HeldOut, reconstruction, sharpness
from arc_fabric.models.tabletop.model import TabletopModel
from arc_fabric.models.tabletop.rollouts import imagine
from arc_fabric.models.tabletop.samples import sample_names, sample_scene_named
from arc_fabric.models.tabletop.scene import KINDS


@pytest.fixture
def fast(model: TabletopModel) -> TabletopModel:
    """The model with whole batches in one pass."""
    model.exact_batches = False
    return model


def test_vae_reconstructs(fast):
    """Real frames survive encoding and decoding."""
    assert reconstruction(fast, HeldOut(5, 3)).value >= 33


@torch.inference_mode()
def test_eyes_read_positions(fast):
    """In anchors of unseen scenes the eyes tell which objects are there, and all positions to a pixel on average."""
    errors, right = [], []
    for scene, _, episode in HeldOut(5, 12).tasks(1, ("pick", "left", "right", "away")):
        frame = torch.from_numpy(episode.frames()[:1])[None]
        seen = fast.dit.eyes(fast.action_head.vae.encode(frame)[:, :, 0])
        errors.append(abs(seen.pose[0, :3].numpy() - scene.proprio()[:3]))
        present = [kind in [body.kind for body in scene.bodies] for kind in KINDS]
        right.append((seen.there[0] > 0).tolist() == present)
        errors += [
            abs(seen.places[0, KINDS.index(body.kind)].numpy() - place)
            for body, place in zip(scene.bodies, scene.positions(), strict=True)
        ]
    assert np.mean(errors) < 1
    assert np.mean(right) >= 0.9


def test_action_maps_show_the_gripper(fast):
    """The map of a pose, decoded, has a gripper where the pose says."""
    poses = torch.tensor([[20.0, 44, 10, -1], [45.0, 50, 2, 1]])
    latents = encode_maps(fast.action_head.vae, poses[:, None].expand(-1, 4, -1))
    for pose, latent in zip(poses, latents, strict=True):
        frame = fast.decode(torch.stack([latent, latent], 1)[None], start=1)[-1]
        blob = read(frame)[GRIPPER]
        assert abs(blob.x - pose[0]) < 1.5
        assert 0 < pose[1] - pose[2] - blob.row < 12


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
