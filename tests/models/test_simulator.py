"""The simulator's physics, experts, language and drawing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from arc_fabric.models.tabletop import judge, physics
from arc_fabric.models.tabletop.experts import Task, act, done, sensible
from arc_fabric.models.tabletop.language import LENGTH, NAMES, TEMPLATES, phrase, sample_task, token_ids
from arc_fabric.models.tabletop.pose import integrate, pose_of_state
from arc_fabric.models.tabletop.render import render_scene
from arc_fabric.models.tabletop.samples import FOLDER, sample_names, sample_scene_named, sample_state, samples
from arc_fabric.models.tabletop.scene import KIND_BY_NAME, Body, Gripper, Scene, sample_scene
from arc_fabric.models.tabletop.simulator import record, replay, sample_episode


def _scene(*bodies: tuple[str, float, float], gripper: Gripper | None = None) -> Scene:
    return Scene(gripper or Gripper(32, 46, 14), [Body(KIND_BY_NAME[n], x, y) for n, x, y in bodies])


def test_grasp_lift_and_release():
    """Closing astride a cup grasps it, it follows the gripper up, opening drops it to the table."""
    scene = _scene(("red cup", 32, 46), gripper=Gripper(32, 46, 1))
    for _ in range(3):
        physics.step(scene, (0, 0, 0, 1))
    assert scene.gripper.held == 0
    for _ in range(5):
        physics.step(scene, (0, 0, 2, 1))
    cup = scene.bodies[0]
    assert cup.z == pytest.approx(10)
    for _ in range(6):
        physics.step(scene, (0, 0, 0, -1))
    assert (cup.z, scene.gripper.held) == (0, -1)


def test_push_moves_what_is_touched_and_what_that_touches():
    """A low closed gripper pushes a cup, and the cup a block; nothing overlaps."""
    scene = _scene(("red cup", 36, 46), ("blue block", 26, 46), gripper=Gripper(44, 46, 1, 0.0))
    for _ in range(10):
        physics.step(scene, (-2, 0, 0, 1))
    cup, block = scene.bodies
    assert cup.x < 20
    assert block.x <= cup.x - 7


def test_a_high_gripper_touches_nothing():
    """Above the objects it moves freely."""
    scene = _scene(("red cup", 32, 46), gripper=Gripper(44, 46, 14, 0.0))
    for _ in range(10):
        physics.step(scene, (-2, 0, 0, 1))
    assert scene.bodies[0].x == 32


def test_steps_are_limited_and_stay_in_the_workspace():
    """Actions beyond 2 px per frame are cut, and dead reckoning agrees with the simulator."""
    scene = _scene(("red cup", 50, 54))

    actions = np.random.default_rng(0).uniform(-1, 1, (60, 4)).astype(np.float32)
    start = pose_of_state(torch.from_numpy(scene.proprio()))
    track = integrate(start, torch.from_numpy(actions)).numpy()
    for action, pose in zip(actions, track, strict=True):
        physics.step(scene, [*(action[:3] * 2), -1.0])
        if scene.gripper.z > 8:
            assert np.allclose(scene.proprio()[:3], pose[:3], atol=1e-3)


@pytest.mark.parametrize("verb", ["pick", "left", "right", "away", "on", "beside"])
def test_experts_do_their_task(verb):
    """Scripted experts finish nearly all sensible tasks."""
    rng, results = np.random.default_rng(3), []
    while len(results) < 25:
        scene = sample_scene(rng)
        names = [b.kind.name for b in scene.bodies]
        task = Task(verb, names[0], names[1] if verb in ("on", "beside") else "")
        if sensible(scene, task):
            results.append(done(record(scene, task, 97).last, task))
    assert np.mean(results) >= 0.85


def test_experts_remember_nothing():
    """An episode cut in the middle goes on as the whole one."""
    scene, task = sample_scene(np.random.default_rng(5)), Task("pick", "red cup")
    whole = record(scene, task, 41)
    half = record(scene, task, 21)
    assert np.array_equal(record(half.last, task, 21).gripper, whole.gripper[20:])


def test_careful_experts_move_less():
    """ "carefully" halves the steps."""
    scene = sample_scene(np.random.default_rng(6))
    fast, slow = (act(scene, Task("pick", "red cup", pace=pace)) for pace in (1.0, 0.5))
    assert np.abs(slow[:3]).max() <= 0.5 * physics.MAX_STEP + 1e-6 < np.abs(fast[:3]).max() + 1


def test_episodes_are_seeded():
    """The same seed gives the same frames and prompt; replaying actions gives the same end."""
    a, b = (sample_episode(np.random.default_rng(9), 17) for _ in range(2))
    assert np.array_equal(a.frames(), b.frames())
    assert a.prompt == b.prompt
    scene = sample_scene(np.random.default_rng(1))
    episode = record(scene, Task("pick", "red cup"), 33)
    assert np.array_equal(replay(scene, episode.actions).bodies, episode.bodies)


def test_words_do_not_collide():
    """Every word of the templates has an id of its own, and a prompt is cut at the limit."""
    vocabulary = {w for names in NAMES.values() for n in names for w in n.split()}
    vocabulary |= {w for ts in TEMPLATES.values() for t in ts for w in t.split() if "{" not in w} | {"carefully", "in"}
    assert len({int(token_ids(word)[0]) for word in vocabulary}) == len(vocabulary)
    assert token_ids("a " * 100).shape == (LENGTH,)


def test_phrases_name_task_and_object():
    """The plain phrase is the one in the documentation."""
    assert phrase(Task("pick", "red cup")) == "pick up the red cup"
    assert phrase(Task("left", "red cup", pace=0.5)) == "carefully push the red cup to the left"
    rng = np.random.default_rng(0)
    scene = sample_scene(rng)
    assert all(phrase(sample_task(rng, scene), rng) for _ in range(50))


def test_judge_reads_positions_off_frames():
    """Read centres are within a pixel of the true ones, absent objects are not seen, outcomes agree with the truth."""
    rng = np.random.default_rng(11)
    for _ in range(20):
        scene = sample_scene(rng)
        seen = judge.read(render_scene(scene))
        there = {b.kind.name: b for b in scene.bodies}
        for name, kind in KIND_BY_NAME.items():
            if name not in there:
                assert seen[name].area == 0
            elif seen[name].area > 40:
                assert abs(seen[name].x + 0.5 - there[name].x) < 1
                assert abs(seen[name].row + 0.5 - there[name].y + kind.height / 2) < 1
        task = Task("pick", "red cup")
        clip = record(scene, task, 65)
        frames = clip.frames()
        assert judge.lifted(frames[0], frames[-1], "red cup") == done(clip.last, task)
        assert not judge.lifted(frames[0], frames[0], "red cup")


def test_judge_refuses_ghosts():
    """A lifted cup that also stays on the table, even faintly, is no lifted cup."""
    clip = record(_scene(("red cup", 30, 50)), Task("pick", "red cup"), 65).frames()
    fake = clip[-1].copy()
    region = np.s_[42:50, 26:34]
    fake[region] = (0.6 * clip[-1][region] + 0.4 * clip[0][region]).astype(np.uint8)
    assert judge.lifted(clip[0], clip[-1], "red cup")
    assert not judge.lifted(clip[0], fake, "red cup")


def test_samples():
    """Sample scenes come with a frame and the state that belongs to it, each with a red cup."""
    frames = samples()
    assert list(frames) == sample_names()
    for name, frame in frames.items():
        assert (frame.shape, frame.dtype) == ((64, 64, 3), np.uint8)
        assert sample_state(name).shape == (4,)
        assert judge.read(frame)["red cup"].area > 30
        assert sensible(sample_scene_named(name), Task("left", "red cup"))


def test_sample_pictures_are_up_to_date():
    """The PNG files that ship show what the simulator draws."""
    for name, frame in samples().items():
        assert np.array_equal(np.asarray(Image.open(FOLDER / f"{name}.png")), frame)
