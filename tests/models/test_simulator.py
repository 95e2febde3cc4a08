"""The simulator's physics, chance, experts, language and drawing, and the judge that reads its pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from arc_fabric.models.tabletop.evaluate import judge
from arc_fabric.models.tabletop.evaluate.cases import GLIMPSE, HeldOut
from arc_fabric.models.tabletop.samples import sample_names, sample_state, samples
from arc_fabric.models.tabletop.world import physics
from arc_fabric.models.tabletop.world.episodes import Chance, drift, expert, record, replay, roll, sample_episode
from arc_fabric.models.tabletop.world.experts import Manner, Task, act, done, sensible
from arc_fabric.models.tabletop.world.language import phrase, sample_task
from arc_fabric.models.tabletop.world.places import sample_scene_named
from arc_fabric.models.tabletop.world.render import render_scene
from arc_fabric.models.tabletop.world.scene import KIND_BY_NAME, Body, Gripper, Scene, sample_scene

NEVER = Chance()


def _scene(*bodies: tuple[str, float, float], gripper: Gripper | None = None) -> Scene:
    return Scene(gripper or Gripper(32, 46, 14), [Body(KIND_BY_NAME[n], x, y) for n, x, y in bodies])


def test_grasp_lift_and_release() -> None:
    """Closing astride a cup grasps it, it follows the gripper up, opening drops it to the table."""
    scene = _scene(("red cup", 32, 46), gripper=Gripper(32, 46, 1))
    for _ in range(3):
        physics.step(scene, (0, 0, 0, 1), NEVER)
    assert scene.gripper.held == 0
    for _ in range(5):
        physics.step(scene, (0, 0, 2, 1), NEVER)
    cup = scene.bodies[0]
    assert cup.z == pytest.approx(10)
    for _ in range(6):
        physics.step(scene, (0, 0, 0, -1), NEVER)
    assert (cup.z, scene.gripper.held) == (0, -1)


def test_push_moves_what_is_touched_and_what_that_touches() -> None:
    """A low closed gripper pushes a cup, and the cup a block; nothing overlaps."""
    scene = _scene(("red cup", 36, 46), ("blue block", 26, 46), gripper=Gripper(44, 46, 1, 0.0))
    for _ in range(10):
        physics.step(scene, (-2, 0, 0, 1), NEVER)
    cup, block = scene.bodies
    assert cup.x < 20
    assert block.x <= cup.x - 7


def test_a_high_gripper_touches_nothing() -> None:
    """Above the objects it moves freely."""
    scene = _scene(("red cup", 32, 46), gripper=Gripper(44, 46, 14, 0.0))
    for _ in range(10):
        physics.step(scene, (-2, 0, 0, 1), NEVER)
    assert scene.bodies[0].x == 32


@pytest.mark.parametrize(("off", "low", "high"), [(0.0, 0.0, 0.1), (1.6, 0.2, 0.6), (2.8, 0.8, 1.0)])
def test_a_grasp_off_the_centre_slips(off: float, low: float, high: float) -> None:
    """The farther off, the more likely; some slip at once, others while they are lifted."""
    held = []
    for seed in range(150):
        scene, chance = (
            _scene(("red cup", 32, 46), gripper=Gripper(32, 46 + off, 1)),
            Chance(np.random.default_rng(seed)),
        )
        physics.step(scene, (0, 0, 0, 1), chance)
        grasped = scene.gripper.held == 0
        for _ in range(6):
            physics.step(scene, (0, 0, 2, 1), chance)
        held.append((grasped, scene.gripper.held == 0))
    assert low <= 1 - np.mean([kept for _, kept in held]) <= high
    assert off == 0 or any(grasped and not kept for grasped, kept in held)


def test_what_is_pushed_turns_aside() -> None:
    """By chance only: a push through the centre is straight without it."""
    ends = []
    for chance in (NEVER, *(Chance(np.random.default_rng(seed)) for seed in range(20))):
        scene = _scene(("red cup", 36, 46), gripper=Gripper(44, 46, 1, 0.0))
        for _ in range(8):
            physics.step(scene, (-2, 0, 0, 1), chance)
        ends.append(scene.bodies[0].y)
    assert ends[0] == 46
    assert 0.5 < np.std(ends[1:]) < 4


@pytest.mark.parametrize("verb", ["pick", "left", "right", "away", "on", "beside"])
def test_experts_do_their_task(verb: str) -> None:
    """Skilled experts finish nearly all sensible tasks, each in a manner of its own and in a world of chance."""
    rng, results = np.random.default_rng(3), []
    while len(results) < 25:
        scene = sample_scene(rng)
        names = [b.kind.name for b in scene.bodies]
        task = Task(verb, names[0], names[1] if verb in ("on", "beside") else "")
        if sensible(scene, task):
            results.append(done(record(scene, task, 97, seed=len(results)).last, task))
    assert np.mean(results) >= 0.85


def test_an_episode_can_be_cut_anywhere() -> None:
    """Cut in the middle it goes on as the whole one."""
    scene, task = sample_scene(np.random.default_rng(5)), Task("pick", "red cup")
    whole = record(scene, task, 41)
    half = record(scene, task, 21)
    assert np.array_equal(record(half.last, task, 21).gripper, whole.gripper[20:])


def test_manner_and_pace_change_the_way() -> None:
    """ "carefully" halves the steps; the order of moves differs; the task is done all the same."""
    scene = sample_scene(np.random.default_rng(6))
    fast, slow = (act(scene, Task("pick", "red cup", pace=pace)) for pace in (1.0, 0.5))
    assert np.abs(slow[:3]).max() <= 1 + 1e-6 < np.abs(fast[:3]).max() + 1
    tracks = []
    for order in ("x", "y"):
        policy = expert(np.random.default_rng(0), Task("pick", "red cup"), 0.0, 0.0, pauses=0.0)
        policy.manner = replace(Manner(), order=order)
        episode = roll(scene, policy, 65, NEVER)
        assert done(episode.last, policy.task)
        tracks.append(episode.gripper)
    assert np.abs(tracks[0] - tracks[1])[:, :2].max() > 4


def test_skill_decides_how_often_it_succeeds() -> None:
    """Of the same plans, executed blindly in a world of chance, those of a skilled expert succeed more often."""
    rates = []
    for skill in (0.0, 2.7):
        cases = HeldOut(5, 30).graded(0, skill)
        chances = [Chance(np.random.default_rng(n)) for n in range(len(cases))]
        ends = [replay(case.scene, case.episode.actions, c).last for case, c in zip(cases, chances, strict=True)]
        rates.append(np.mean([done(end, case.task) for end, case in zip(ends, cases, strict=True)]))
    assert rates[0] > 0.85
    assert rates[1] < 0.3


def test_episodes_are_seeded() -> None:
    """The same seed gives the same frames and prompt; other chance gives another end."""
    a, b = (sample_episode(np.random.default_rng(9), 17) for _ in range(2))
    assert np.array_equal(a.frames(), b.frames())
    assert a.prompt == b.prompt
    scene, task = sample_scene(np.random.default_rng(1)), Task("left", "red cup")
    episodes = [record(scene, task, 65, seed) for seed in (1, 1, 2)]
    assert np.array_equal(episodes[0].bodies, episodes[1].bodies)
    assert not np.array_equal(episodes[0].bodies, episodes[2].bodies)
    again = replay(scene, episodes[0].actions, NEVER)
    assert np.allclose(again.gripper, episodes[0].gripper, atol=1e-3)


def test_disturbed_experts_are_labelled_with_what_they_meant() -> None:
    """The label of a moment is the undisturbed action in it."""
    rng = np.random.default_rng(2)
    policy = expert(rng, Task("pick", "red cup"), pauses=0.0)
    episode = roll(sample_scene(rng), policy, 33, Chance(rng), drift(rng, 0.4))
    assert np.abs(episode.actions - episode.labels)[:, :3].max() > 0.2
    assert np.array_equal(episode.actions[:, 3], episode.labels[:, 3])


def test_training_episodes() -> None:
    """Most move something; demonstrations and no others have prompts; slips and hidden things occur."""
    rng = np.random.default_rng(4)
    episodes = [sample_episode(rng) for _ in range(80)]
    assert np.mean([episode.moves() for episode in episodes]) > 0.8
    assert all(bool(episode.prompt) == episode.demo for episode in episodes)
    assert any(episode.slipped for episode in episodes)
    assert all(episode.things().shape == (65, 4, 4) for episode in episodes)


@pytest.mark.parametrize("shoved", [False, True])
def test_hidden_things_are_hidden_and_come_back(shoved: bool) -> None:
    """In the windows that measure memory a thing is not seen in the third block, and is whole at the end."""
    for case in HeldOut(5, 2).hidings(40, shoved):
        areas = [blob.area for blob in judge.track(case.episode.frames(), case.task.target)]
        assert max(areas[17:25]) <= GLIMPSE
        assert areas[-1] > 20


def test_phrases_name_task_and_object() -> None:
    """The plain phrase is the one in the documentation."""
    assert phrase(Task("pick", "red cup")) == "pick up the red cup"
    assert phrase(Task("left", "red cup", pace=0.5)) == "carefully push the red cup to the left"
    rng = np.random.default_rng(0)
    scene = sample_scene(rng)
    assert all(phrase(sample_task(rng, scene), rng) for _ in range(50))


def test_judge_reads_positions_off_frames() -> None:
    """Read centres are within a pixel of the true ones, absent objects are not seen, outcomes agree with the truth."""
    rng = np.random.default_rng(11)
    for n in range(20):
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
        clip = record(scene, task, 65, seed=n)
        frames = clip.frames()
        assert judge.lifted(frames, "red cup") == done(clip.last, task)
        assert not judge.lifted(frames[:1], "red cup")


def test_judge_refuses_ghosts() -> None:
    """A lifted cup that also stays on the table, even faintly, is no lifted cup."""
    clip = record(_scene(("red cup", 30, 50)), Task("pick", "red cup"), 65).frames()
    fake = clip.copy()
    region = np.s_[42:50, 26:34]
    fake[-1][region] = (0.6 * clip[-1][region] + 0.4 * clip[0][region]).astype(np.uint8)
    assert judge.lifted(clip, "red cup")
    assert not judge.lifted(fake, "red cup")


def test_samples() -> None:
    """Sample scenes come with a frame and the state that belongs to it, each with a red cup."""
    frames = samples()
    assert list(frames) == sample_names()
    for name, frame in frames.items():
        assert (frame.shape, frame.dtype) == ((64, 64, 3), np.uint8)
        assert np.array_equal(sample_state(name), sample_scene_named(name).proprio())
        assert judge.read(frame)["red cup"].area > 30
        assert sensible(sample_scene_named(name), Task("left", "red cup"))
