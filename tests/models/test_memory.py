"""What a window leaves to the next one: things that its first image hides, fine places, colours that stay."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arc_fabric.models.tabletop.head import empty_track, memory_of, with_track
from arc_fabric.models.tabletop.judge import read
from arc_fabric.models.tabletop.model import TabletopModel
from arc_fabric.models.tabletop.render import render
from arc_fabric.models.tabletop.scene import KINDS, Look
from arc_fabric.models.tabletop.slots import Memory, Slots, unpack

CUP, BLOCK, GREEN = KINDS[:3]
FRONT, BEHIND, BESIDE = (30.0, 47.0, 0.0), (32.0, 46.0, 0.0), (34.0, 47.2, 0.0)
"""Where a red cup and a green one (beside it) hide a block (behind them) wholly."""
GRIPPER = (14.0, 40.0, 16.0, 1.0)


def _picture(*things: tuple, look: Look | None = None) -> np.ndarray:
    """One frame uint8 [1, 64, 64, 3] of (kind, place) and the gripper far away."""
    kinds = [kind for kind, _ in things]
    places = np.array([[place for _, place in things]], np.float32)
    return render(kinds, look or Look(), np.array([GRIPPER], np.float32), places)


def _slots(model: TabletopModel, frame: np.ndarray, known: Memory | None) -> Slots:
    latents = model.action_head.vae.encode(torch.from_numpy(frame)[None], known)
    return unpack(latents[:, :, 0])


def _known(**places: tuple[float, float, float]) -> Memory:
    """A memory of cups and the block, and of the gripper where it is."""
    things = torch.zeros(1, len(KINDS), 4)
    for kind, place in places.items():
        things[0, {"cup": 0, "block": 1, "green": 2}[kind]] = torch.tensor([*place, 1.0])
    return Memory(things, torch.tensor([[*GRIPPER[:3], -1.0]]))


@torch.inference_mode()
def test_what_something_hides_is_remembered(model: TabletopModel) -> None:
    """A block wholly behind two cups is not seen; who knows of it keeps it, where it was."""
    frame = _picture((BLOCK, BEHIND), (CUP, FRONT), (GREEN, BESIDE))
    without = _picture((CUP, FRONT), (GREEN, BESIDE))
    assert np.abs(frame.astype(int) - without).max() <= 4
    assert _slots(model, frame, None).things[0, -1, 1, 3] < 0.5
    thing = _slots(model, frame, _known(cup=FRONT, block=BEHIND, green=BESIDE)).things[0, -1, 1]
    assert thing[3] > 0.5 and torch.allclose(thing[:3], torch.tensor(BEHIND), atol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("stood", [BEHIND, (50.0, 50.0, 0.0), (20.0, 40.0, 6.0)])
def test_what_is_clearly_gone_is_forgotten(model: TabletopModel, stood: tuple[float, float, float]) -> None:
    """A picture in which nothing hides the place where a thing was speaks against it."""
    frame = _picture((CUP, (44.0, 40.0, 0.0)))
    assert _slots(model, frame, _known(cup=(44.0, 40.0, 0.0), block=stood)).things[0, -1, 1, 3] < 0.5


@torch.inference_mode()
def test_what_is_seen_elsewhere_is_believed(model: TabletopModel) -> None:
    """Somebody moved the block: the picture decides. What stands still keeps its remembered place to the bit."""
    frame = _picture((CUP, FRONT), (BLOCK, (50.0, 40.0, 0.0)))
    things = _slots(model, frame, _known(cup=FRONT, block=(20.0, 50.0, 0.0))).things[0, -1]
    assert (things[1, :2] - torch.tensor([50.0, 40.0])).abs().max() < 1
    assert torch.allclose(things[0, :3], torch.tensor(FRONT), atol=1e-4)


@torch.inference_mode()
def test_colours_do_not_wander(model: TabletopModel) -> None:
    """Drawn and read again and again, table and wall keep their colours to a grey level."""
    look = Look(table=(150.0, 170.0, 140.0), wall=(210.0, 190.0, 220.0))
    frame = _picture((CUP, FRONT), look=look)
    for _ in range(12):
        latents = model.action_head.vae.encode(torch.from_numpy(frame)[None])
        frame = model.decode(torch.cat([latents, latents], 2), start=1)[-1:]
    assert np.abs(frame[0].astype(int) - _picture((CUP, FRONT), look=look)[0].astype(int))[:10].max() <= 2


def test_a_track_knows_its_end(model: TabletopModel) -> None:
    """Memory is of the last latent frame that was reached; an empty or foreign track knows nothing."""
    poses = torch.rand(1, 3, 4, 4) + 20
    things = torch.rand(1, 3, len(KINDS), 4)
    track = with_track(empty_track(1, 9, torch.device("cpu")), poses, things, 0)
    known = memory_of(track, 1)
    assert torch.equal(known.things, things[:, 2]) and torch.equal(known.pose, poses[:, 2, 3])
    assert memory_of(None, 1) is None and memory_of(track, 2) is None
    assert memory_of(empty_track(1, 9, torch.device("cpu")), 1) is None


def test_a_hidden_thing_comes_out_again_in_a_later_window(model: TabletopModel) -> None:
    """Known before the first window, the block is there when cups are pushed away from it in the second."""
    head, known = model.action_head, _known(cup=FRONT, block=BEHIND, green=BESIDE)
    pose = known.pose[:, None, None].expand(-1, 1, 4, -1)
    head.memory = with_track(empty_track(1, model.geometry.window, model.device), pose, known.things[:, None], 0)
    frames, latents, seen = _picture((BLOCK, BEHIND), (CUP, FRONT), (GREEN, BESIDE)), None, []
    for step in range(10):
        fresh = step % model.geometry.steps_per_window == 0
        head.memory = head.ys if fresh and step else head.memory
        inputs = model.make_inputs(frames[-1:] if fresh else frames, "push the red cup away")
        latents = model.lazy_joint_video_action_causal(inputs, None if fresh else latents)["video_pred"]
        frames = model.decode(torch.cat([latents[:, :, :1], latents[:, :, -2:]], 2), start=1)
        seen.append(read(frames[-1])[BLOCK.name].area)
    assert max(seen[4:]) > 10
