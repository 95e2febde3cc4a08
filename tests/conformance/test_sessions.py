"""What a session does, asked of one in this process and of one on a server."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from arc_fabric import errors
from arc_fabric.client import RemoteSession
from arc_fabric.protocol import SessionProtocol, Step
from arc_fabric.world import WorldSession
from tests.conformance.conftest import GEOMETRY, OTHER, PROMPT, Side, given, seen

NOWHERE = "ckp_" + "0" * 26
FACTS = {"id", "state", "label", "model", "prompt", "seed", "embodiment_id", "head", "root", "frame_index", "n_frames"}
FACTS |= {"parent_checkpoint"}


@pytest.mark.parametrize("kind", [WorldSession, RemoteSession])
def test_every_member_takes_the_arguments_of_the_protocol(kind: type) -> None:
    """By the same names, in the same order, with the same defaults; what a side takes beyond them has a default."""
    for name, member in vars(SessionProtocol).items():
        if not inspect.isfunction(member) or name.startswith("_"):
            continue
        asked = inspect.signature(member).parameters
        taken = inspect.signature(getattr(kind, name)).parameters
        assert list(asked) == [one for one in taken if one in asked], name
        assert all((taken[p].kind, taken[p].default) == (asked[p].kind, asked[p].default) for p in asked), name
        assert all(taken[p].default is not inspect.Parameter.empty for p in taken.keys() - asked.keys()), name


def test_steps_are_typed_and_give_arrays(trunk: SessionProtocol) -> None:
    """n steps, each with its checkpoint, its facts and its arrays."""
    steps = trunk.step(3)
    assert all(isinstance(step, Step) for step in steps)
    assert [step.frame_index for step in steps] == [1, 2, 3]
    assert trunk.lineage()[1:] == [step.checkpoint_id for step in steps]
    assert (trunk.head, trunk.frame_index) == (steps[-1].checkpoint_id, 3)
    last = steps[-1]
    assert (last.action_source, last.steered) == ("predicted", None)
    assert last.wall_s > 0 and last.bytes_new > 0
    g = GEOMETRY
    latent = (1, g.latents_per_block, g.latent_channels, g.latent_height, g.latent_width)
    assert (last.latents.shape, last.latents.dtype) == (latent, np.float32)
    assert (last.frames.shape, last.frames.dtype) == ((8, 32, 32, 3), np.uint8)
    assert (last.actions.shape, last.actions.dtype) == ((g.action_horizon, g.action_dim), np.float32)


def test_arrays_are_named_by_step_or_checkpoint(trunk: SessionProtocol) -> None:
    """The same arrays by step, by id and from the Step; the video is the initial frame and the strips."""
    steps = trunk.step(2)
    for at, step in enumerate(steps, 1):
        assert np.array_equal(trunk.latents(at), step.latents)
        assert np.array_equal(trunk.latents(step.checkpoint_id), step.latents)
        assert np.array_equal(trunk.latents_torch(at).numpy(), step.latents)
        assert np.array_equal(trunk.actions(at), step.actions)
        assert np.array_equal(trunk.strip(at), step.frames)
    video = trunk.frames()
    assert (video.shape, video.dtype) == ((17, 32, 32, 3), np.uint8)
    assert np.array_equal(video, np.concatenate([trunk.strip(0), *(step.frames for step in steps)]))
    assert np.array_equal(trunk.frames(1), video[:9])
    assert np.array_equal(trunk.frame(9), video[9])
    assert trunk.strip(0).shape == (1, 32, 32, 3)


def test_given_actions_steer(side: Side, trunk: SessionProtocol) -> None:
    """Arrays or lists, one entry per step, None lets the policy predict; what was given is what is recorded."""
    other = side.new(seed=7)
    first, second = trunk.step(2, actions=[given(1)[0].tolist(), None])
    assert (first.action_source, first.steered) == ("given", True)
    assert (second.action_source, second.steered) == ("predicted", None)
    assert np.array_equal(first.actions, given(1)[0])
    (plain,) = other.step()
    assert not np.array_equal(plain.latents, first.latents)
    twin = other.fork(at=0)
    assert np.array_equal(twin.step(actions=given(1))[0].latents, first.latents)
    at_once = other.fork(at=0, actions=[given(1)[0].tolist(), None])
    assert at_once.frame_index == 2
    assert np.array_equal(at_once.latents(1), first.latents)
    assert np.array_equal(at_once.latents(2), second.latents)


def test_state_and_observed_frames_change_what_comes(side: Side, trunk: SessionProtocol) -> None:
    """Each has an effect, on the step it was given with."""
    trunk.step()
    branches = [
        trunk.fork().step()[0],
        trunk.fork().step(state=np.full(GEOMETRY.state_dim, 0.5, np.float32))[0],
        trunk.fork().step(observed=[seen(8)])[0],
    ]
    bits = {step.latents.tobytes() for step in branches}
    assert len(bits) == 3


def test_a_fork_begins_where_it_is_told_and_disturbs_nothing(trunk: SessionProtocol) -> None:
    """At a step, at a checkpoint, at the head; same prompt and seed give the same bits, others do not."""
    steps = trunk.step(3)
    same = trunk.fork(at=1, steps=2)
    assert type(same) is type(trunk)
    assert (same.frame_index, same.prompt, same.seed) == (3, trunk.prompt, 7)
    assert same.lineage()[:2] == trunk.lineage()[:2]
    assert np.array_equal(same.latents(3), steps[2].latents)
    by_id = trunk.fork(steps[0].checkpoint_id, prompt=OTHER, seed=8, label="push")
    assert (by_id.frame_index, by_id.prompt, by_id.seed, by_id.to_dict()["label"]) == (1, OTHER, 8, "push")
    assert by_id.to_dict()["parent_checkpoint"] == by_id.head == steps[0].checkpoint_id
    assert not np.array_equal(by_id.step()[0].latents, steps[1].latents)
    head = trunk.fork()
    assert (head.head, head.id == trunk.id) == (trunk.head, False)
    assert (trunk.head, trunk.frame_index, trunk.prompt) == (steps[2].checkpoint_id, 3, PROMPT)


def test_prompt_modes_differ(trunk: SessionProtocol) -> None:
    """A new prompt within a window is taken up in three ways with three results."""
    trunk.step(2)
    modes = ("keep", "recache", "reset")
    found = {trunk.fork(prompt=OTHER, prompt_mode=mode).step()[0].latents.tobytes() for mode in modes}
    assert len(found) == 3


def test_a_prompt_and_a_seed_stay_with_the_session(trunk: SessionProtocol) -> None:
    """They apply from the first of the steps they come with."""
    trunk.step(prompt=OTHER, seed=11)
    assert (trunk.prompt, trunk.seed) == (OTHER, 11)
    trunk.step()
    told = {node.frame_index: (node.prompt, node.seed) for node in trunk.tree()}
    assert told == {0: (PROMPT, 7), 1: (OTHER, 11), 2: (OTHER, 11)}


def test_rewinding_loses_nothing(trunk: SessionProtocol) -> None:
    """By steps, to a step, to a checkpoint; a step after it has the bits it had before."""
    steps = trunk.step(3)
    assert trunk.rewind() == trunk.head == steps[1].checkpoint_id
    assert trunk.rewind(to=1) == steps[0].checkpoint_id
    assert np.array_equal(trunk.step()[0].latents, steps[1].latents)
    root = trunk.lineage()[0]
    assert trunk.rewind(to=root) == root
    assert (trunk.frame_index, len(trunk.tree())) == (0, 5)
    assert trunk.rewind(to=0) == root
    with pytest.raises(errors.RewindBeyondRoot) as beyond:
        trunk.rewind(1)
    assert beyond.value.what_to_do


def test_a_checkpoint_can_be_named(trunk: SessionProtocol) -> None:
    """The head's id comes back; the name stands in the tree."""
    trunk.step(2)
    assert trunk.checkpoint() == trunk.head
    assert trunk.checkpoint("grasped") == trunk.head
    assert [node.label for node in trunk.tree()] == [None, None, "grasped"]


def test_branches_are_compared(side: Side, trunk: SessionProtocol) -> None:
    """Sessions or checkpoints: where they part, and how far per step and per frame."""
    trunk.step(3)
    other, same = trunk.fork(at=1, prompt=OTHER, steps=2), trunk.fork(at=1, steps=2)
    parted = side.compare(trunk, other)
    assert (parted.parts_at, parted.common_ancestor) == (2, trunk.lineage()[1])
    assert len(parted.latent_distances) == len(parted.action_distances) == 2
    assert len(parted.frame_distances) == 16
    assert all(distance > 0 for distance in parted.latent_distances)
    equal = side.compare(str(trunk.head), same)
    assert (equal.parts_at, equal.latent_distances) == (None, [0.0, 0.0])
    assert "part at step 2" in repr(parted) and "equal" in repr(equal)
    assert side.compare(trunk, trunk.fork()).parts_at is None


def test_a_video_is_saved(trunk: SessionProtocol, tmp_path: Path) -> None:
    """The file's name chooses the form; a part of the frames; nothing where there are none."""
    trunk.step()
    path = trunk.save_video(tmp_path / "branch.mp4")
    assert path == tmp_path / "branch.mp4" and path.read_bytes()[4:8] == b"ftyp"
    assert Image.open(trunk.save_video(str(tmp_path / "part.gif"), fps=4, start=1, end=4)).n_frames == 3
    with pytest.raises(errors.FrameNotFound):
        trunk.save_video(tmp_path / "none.mp4", start=9)
    with pytest.raises(errors.InvalidRequest):
        trunk.save_video(tmp_path / "branch.txt")


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (errors.InvalidRequest, lambda s: s.step(0)),
        (errors.InvalidRequest, lambda s: s.step(-1)),
        (errors.InvalidRequest, lambda s: s.step(True)),
        (errors.InvalidRequest, lambda s: s.step("2")),
        (errors.InvalidRequest, lambda s: s.step(2, actions=given(1))),
        (errors.InvalidRequest, lambda s: s.step(1, actions=given(1)[:, :3])),
        (errors.InvalidRequest, lambda s: s.step(1, actions=given(1)[0, :1])),
        (errors.InvalidRequest, lambda s: s.step(2, actions=[given(1)[0], [[0.0]]])),
        (errors.InvalidRequest, lambda s: s.step(2, observed=[None])),
        (errors.InvalidRequest, lambda s: s.step(state=[0.0])),
        (errors.InvalidRequest, lambda s: s.step(prompt="")),
        (errors.InvalidRequest, lambda s: s.step(seed=-1)),
        (errors.InvalidRequest, lambda s: s.fork(prompt_mode="forget")),
        (errors.InvalidRequest, lambda s: s.fork(at=1.5)),
        (errors.InvalidRequest, lambda s: s.fork(steps=2, actions=given(1))),
        (errors.InvalidRequest, lambda s: s.fork(actions=given(1)[:, :3])),
        (errors.InvalidRequest, lambda s: s.rewind(0)),
        (errors.CheckpointNotFound, lambda s: s.fork(at=2)),
        (errors.CheckpointNotFound, lambda s: s.fork(at=-1)),
        (errors.CheckpointNotFound, lambda s: s.fork(NOWHERE)),
        (errors.CheckpointNotFound, lambda s: s.rewind(to=NOWHERE)),
        (errors.CheckpointNotFound, lambda s: s.rewind(to=5)),
        (errors.CheckpointNotFound, lambda s: s.latents(2)),
        (errors.CheckpointNotFound, lambda s: s.strip(NOWHERE)),
        (errors.CheckpointNotFound, lambda s: s.frames(NOWHERE)),
        (errors.FrameNotFound, lambda s: s.latents(0)),
        (errors.FrameNotFound, lambda s: s.actions(0)),
        (errors.FrameNotFound, lambda s: s.frame(9)),
        (errors.RewindBeyondRoot, lambda s: s.rewind(2)),
    ],
)
def test_what_cannot_be_done_is_refused(trunk: SessionProtocol, error: type[Exception], call: Any) -> None:
    """By the same error on both sides, which says so in words; the session is as it was."""
    trunk.step()
    before = trunk.to_dict()
    with pytest.raises(error) as refused:
        call(trunk)
    assert str(refused.value)
    after = trunk.to_dict()
    assert {name: after[name] for name in FACTS} == {name: before[name] for name in FACTS}
    trunk.step()


def test_a_rewind_stays_on_its_lineage(trunk: SessionProtocol) -> None:
    """A checkpoint of another branch is refused."""
    trunk.step()
    other = trunk.fork(at=0, seed=8, steps=1)
    with pytest.raises(errors.Conflict):
        trunk.rewind(to=other.head)


@pytest.mark.parametrize("frame", [b"no picture", "/no/such/picture.png"])
def test_a_frame_must_be_a_picture(side: Side, frame: Any) -> None:
    """Whether it is no image or not there."""
    with pytest.raises((errors.InvalidImage, FileNotFoundError)):
        side.new(frame=frame)


def test_a_closed_session_takes_no_work(trunk: SessionProtocol) -> None:
    """Until it is open again; its checkpoints can be read and forked all the while."""
    trunk.step()
    trunk.close()
    for work in (trunk.step, trunk.rewind, trunk.checkpoint):
        with pytest.raises(errors.SessionClosed):
            work()
    assert trunk.to_dict()["state"] == "closed" and "closed" in repr(trunk)
    assert len(trunk.frames()) == 9
    assert trunk.fork().frame_index == 1
    trunk.reopen()
    assert trunk.step()[0].frame_index == 2


def test_it_says_what_it_is(trunk: SessionProtocol) -> None:
    """In a line, in a notebook, and as JSON with the same members on both sides."""
    trunk.step()
    assert all(part in repr(trunk) for part in (trunk.id, "step 1", PROMPT, "seed 7"))
    assert trunk._repr_png_().startswith(b"\x89PNG")
    facts = json.loads(json.dumps(trunk.to_dict()))
    assert facts.keys() >= FACTS
    assert (facts["frame_index"], facts["n_frames"], facts["state"], facts["label"]) == (1, 9, "open", None)
    assert (facts["head"], facts["root"], facts["parent_checkpoint"]) == (*trunk.lineage()[::-1], None)


def test_a_mark_is_in_the_tree(side: Side) -> None:
    session = side.new()
    (step,) = session.step(1)
    session.mark(step.checkpoint_id, 0.5, better="lower", failed=True)
    (node,) = [node for node in session.tree() if node.id == step.checkpoint_id]
    assert (node.score, node.failed) == (0.5, True)
    session.mark(1, None, failed=False)
    (node,) = [node for node in session.tree() if node.id == step.checkpoint_id]
    assert (node.score, node.failed) == (None, False)
