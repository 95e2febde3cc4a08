"""Episodes: what somebody does on the table in some frames, and what comes of it.

>>> rng = np.random.default_rng(1)
>>> episode = sample_episode(rng, frames=65)
>>> episode.frames().shape, episode.actions.shape
((65, 64, 64, 3), (64, 4))
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from arc_fabric.models.tabletop.world import physics
from arc_fabric.models.tabletop.world.experts import CLOSE, OPEN, Expert, Manner, Task, carry_to
from arc_fabric.models.tabletop.world.language import phrase, sample_task
from arc_fabric.models.tabletop.world.limits import MAX_STEP
from arc_fabric.models.tabletop.world.physics import Chance
from arc_fabric.models.tabletop.world.render import render, visible
from arc_fabric.models.tabletop.world.scene import KINDS, Kind, Look, Scene, sample_scene

Policy = Callable[[Scene], np.ndarray]
LOW = np.array([-MAX_STEP] * 3 + [-1], np.float32)
SKILLED = 0.6
"""Noise of a skilled expert's aim in pixels."""
HIDING = {"cup": 0.4, "block": -0.8, "bowl": -1.0}
"""By how much higher than in line with it a cup is held to hide a thing of this shape, in pixels."""
MOVED = 2.0
"""Pixels by which a thing has moved if something happened to it."""


@dataclass
class Episode:
    """What happened in F frames: tracks of gripper and objects, the actions between frames, and the prompt."""

    kinds: list[Kind]
    look: Look
    gripper: np.ndarray
    """float32 [F, 4]: x, y, z, opening."""
    bodies: np.ndarray
    """float32 [F, N, 3]."""
    held: np.ndarray
    """int8 [F]: index of the held body, or -1."""
    actions: np.ndarray
    """float32 [F - 1, 4]: action i leads from frame i to frame i + 1."""
    labels: np.ndarray
    """float32 [F - 1, 4]: what would have been done without the disturbance: what a policy is to learn."""
    last: Scene
    """The scene at the last frame."""
    slipped: bool = False
    """Whether something slipped."""
    prompt: str = ""
    demo: bool = False
    """Whether it shows how the prompt is to be followed."""

    def frames(self) -> np.ndarray:
        """uint8 [F, 64, 64, 3]."""
        return render(self.kinds, self.look, self.gripper, self.bodies)

    def things(self) -> np.ndarray:
        """float32 [F, kinds, 4]: x, y, z and 1 of each of `KINDS`, zeros for one that is absent."""
        out = np.zeros((len(self.gripper), len(KINDS), 4), np.float32)
        for n, kind in enumerate(self.kinds):
            out[:, KINDS.index(kind), :3], out[:, KINDS.index(kind), 3] = self.bodies[:, n], 1
        return out

    def shown(self) -> np.ndarray:
        """float32 [F, kinds]: which share of each thing's pixels nothing hides; 0 for one that is absent."""
        out = np.zeros((len(self.gripper), len(KINDS)), np.float32)
        out[:, [KINDS.index(kind) for kind in self.kinds]] = visible(self.kinds, self.gripper, self.bodies)
        return out

    def moves(self) -> bool:
        """Whether anything but the gripper moves."""
        return bool(np.abs(self.bodies - self.bodies[:1]).max() > MOVED)


def roll(
    scene: Scene, policy: Policy, frames: int, chance: Chance, disturb: Callable[[], np.ndarray] | None = None
) -> Episode:
    """Let `policy`, perhaps disturbed by what is added to dx, dy, dz, act on a copy of `scene` for `frames` frames."""
    scene = deepcopy(scene)
    gripper, bodies, held = [scene.proprio()], [scene.positions()], [scene.gripper.held]
    actions, labels = [], []
    for _ in range(frames - 1):
        wanted = np.clip(policy(scene), LOW, -LOW)
        action = wanted.copy()
        if disturb is not None:
            action[:3] += disturb()
        action = np.clip(action, LOW, -LOW).astype(np.float32)
        physics.step(scene, action, chance)
        actions.append(action)
        labels.append(wanted)
        gripper.append(scene.proprio())
        bodies.append(scene.positions())
        held.append(scene.gripper.held)
    kinds = [b.kind for b in scene.bodies]
    done, meant = (np.array(a, np.float32).reshape(-1, 4) for a in (actions, labels))
    tracks = np.array(gripper), np.array(bodies), np.array(held, np.int8)
    return Episode(kinds, scene.look, *tracks, done, meant, scene, chance.struck)


def record(scene: Scene, task: Task, frames: int, seed: int | None = None) -> Episode:
    """A skilled expert's episode; with a seed in its own manner and in a world of chance."""
    if seed is None:
        return roll(scene, Expert(task, Manner(), np.random.default_rng(0), noise=0.0), frames, Chance())
    rng = np.random.default_rng(seed)
    return roll(scene, expert(rng, task), frames, Chance(rng))


def replay(scene: Scene, actions: np.ndarray, chance: Chance) -> Episode:
    """What the given actions, float [F - 1, 4], do from `scene`."""
    queue = iter(actions)
    return roll(scene, lambda _: next(queue), len(actions) + 1, chance)


def drift(rng: np.random.Generator, noise: float) -> Callable[[], np.ndarray]:
    """A smooth random disturbance of dx, dy, dz."""
    now = np.zeros(3)

    def disturb() -> np.ndarray:
        nonlocal now
        now = 0.8 * now + 0.6 * rng.normal(0, noise, 3)
        return now

    return disturb


def play(rng: np.random.Generator) -> Policy:
    """Aimless but smooth motion that often comes close to objects, with the grip opening and closing."""
    goal, grip, left = np.zeros(3), OPEN, 0

    def policy(scene: Scene) -> np.ndarray:
        nonlocal goal, grip, left
        if left <= 0:
            body = scene.bodies[int(rng.integers(len(scene.bodies)))]
            near = np.array([body.x, body.y, rng.choice([1.0, 6.0])]) + rng.normal(0, [5, 2.5, 1.5])
            far = np.array([rng.uniform(8, 56), rng.uniform(34, 58), rng.uniform(0, 20)])
            goal = near if rng.random() < 0.6 else far
            left = int(rng.integers(4, 16))
            grip = float(rng.choice([OPEN, CLOSE]))
        left -= 1
        g = scene.gripper
        return np.array([*np.clip(goal - [g.x, g.y, g.z], -2, 2) + rng.normal(0, 0.15, 3), grip])

    return policy


def any_hiding(rng: np.random.Generator, scene: Scene) -> Policy:
    """Hide something behind a cup."""
    order = [int(i) for i in rng.permutation(len(scene.bodies))]
    front = next(i for i in order if scene.bodies[i].kind.shape == "cup")
    back = next(i for i in order if i != front)
    shove = int(rng.integers(3, 8)) if rng.random() < 0.6 else 0
    return hide(rng, scene, front, back, shove, int(rng.integers(4, 20)))


def hide(rng: np.random.Generator, scene: Scene, front: int, back: int, shove: int, stay: int) -> Policy:
    """Take the cup `front`, push the thing `back` with it for `shove` frames, hold it so that it hides that thing for
    `stay` frames, and go aside again."""
    pick = expert(rng, Task("pick", scene.bodies[front].kind.name), 0.0, 0.1)
    near = rng.uniform(4.0, 7.0)
    side = 1.0 if scene.bodies[front].x > scene.bodies[back].x else -1.0
    stage = "push" if shove else "hide"

    def policy(scene: Scene) -> np.ndarray:
        nonlocal stage, shove, stay
        mine, other = scene.bodies[front], scene.bodies[back]
        if scene.gripper.held != front:
            return pick(scene)
        if stage == "push":
            start = other.x + side * 10, other.y
            if mine.z > 0.5:
                far = max(abs(mine.x - start[0]), abs(mine.y - start[1])) > 1.5
                return np.array(carry_to(scene, *start, 9.0) if far else (0, 0, -mine.z, CLOSE))
            shove -= 1
            stage = "push" if shove > 0 else "hide"
            return np.array([-side * 2, np.clip(other.y - mine.y, -1, 1), 0, CLOSE])
        goal = np.array([other.x, other.y + near, near + HIDING[other.kind.shape]])
        if stage == "hide":
            stay -= int(np.abs(goal - [mine.x, mine.y, mine.z]).max() < 0.8)
            stage = "hide" if stay > 0 else "leave"
        if stage == "leave":
            goal += [side * 14, 0, 2]
        return np.array([*(goal - [mine.x, mine.y, mine.z]), CLOSE])

    return policy


def sample_episode(rng: np.random.Generator, frames: int = 65, still: float = 0.3) -> Episode:
    """A training episode; one in which nothing moves is kept with probability `still`."""
    while True:
        episode = _any_episode(rng, frames)
        if episode.moves() or rng.random() < still:
            return episode


def _any_episode(rng: np.random.Generator, frames: int) -> Episode:
    """An expert (often disturbed, sometimes with a change of task), a clumsy one, play, or hiding."""
    scene, chance, kind = sample_scene(rng), Chance(rng), rng.random()
    if rng.random() < 0.3:
        warm_up = play(rng) if rng.random() < 0.4 else expert(rng, sample_task(rng, scene))
        scene = roll(scene, warm_up, int(rng.integers(8, 48)), chance).last
    if kind < 0.16:
        return roll(scene, play(rng), frames, chance)
    if kind < 0.28:
        lead = int(rng.integers(0, 40))
        policy = any_hiding(rng, scene)
        scene = roll(scene, policy, lead + 1, chance).last
        return roll(scene, policy, frames, chance)
    task = sample_task(rng, scene)
    if kind < 0.45:
        return roll(scene, expert(rng, task, rng.uniform(0.0, 2.8), rng.uniform(0.2, 0.8)), frames, chance)
    disturb = None if rng.random() < 0.6 else drift(rng, rng.uniform(0.1, 0.5))
    episode = roll(scene, expert(rng, task), frames, chance, disturb)
    episode.prompt, episode.demo = phrase(task, rng), True
    return episode


def expert(
    rng: np.random.Generator, task: Task, offset: float = 0.0, noise: float = SKILLED, pauses: float = 0.015
) -> Expert:
    """An expert of this skill, in a manner of its own."""
    return Expert(task, Manner.draw(rng, offset, noise, pauses), rng, offset, noise)
