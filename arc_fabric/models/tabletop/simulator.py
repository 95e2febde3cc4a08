"""The simulator: episodes of scripted experts on the tabletop, and the true outcome of any actions.

>>> episode = record(sample_scene(np.random.default_rng(1)), Task("pick", "red cup"), frames=49)
>>> episode.frames().shape, episode.actions.shape
((49, 64, 64, 3), (48, 4))
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from arc_fabric.models.tabletop import physics
from arc_fabric.models.tabletop.experts import Task, act
from arc_fabric.models.tabletop.language import phrase, sample_task
from arc_fabric.models.tabletop.render import render, render_scene
from arc_fabric.models.tabletop.scene import Kind, Look, Scene, sample_scene

Policy = Callable[[Scene], np.ndarray]


@dataclass
class Episode:
    """What happened in F frames: tracks of gripper and objects, the actions between frames, and the prompt."""

    kinds: list[Kind]
    look: Look
    gripper: np.ndarray
    """float32 [F, 4]: x, y, z, opening."""
    bodies: np.ndarray
    """float32 [F, N, 3]."""
    actions: np.ndarray
    """float32 [F - 1, 4]: action i leads from frame i to frame i + 1."""
    prompt: str
    last: Scene
    """The scene at the last frame."""

    def frames(self) -> np.ndarray:
        """uint8 [F, 64, 64, 3]."""
        return render(self.kinds, self.look, self.gripper, self.bodies)


def copy_scene(scene: Scene) -> Scene:
    """An independent copy."""
    return deepcopy(scene)


def roll(scene: Scene, policy: Policy, frames: int, prompt: str = "") -> Episode:
    """Let `policy` act on a copy of `scene` until there are `frames` frames."""
    scene = deepcopy(scene)
    gripper, bodies, actions = [scene.proprio()], [scene.positions()], []
    for _ in range(frames - 1):
        action = np.clip(policy(scene), [-physics.MAX_STEP] * 3 + [-1], [physics.MAX_STEP] * 3 + [1])
        physics.step(scene, action)
        actions.append(action.astype(np.float32))
        gripper.append(scene.proprio())
        bodies.append(scene.positions())
    kinds = [b.kind for b in scene.bodies]
    done = np.array(actions, np.float32).reshape(-1, 4)
    return Episode(kinds, scene.look, np.array(gripper), np.array(bodies), done, prompt, scene)


def record(scene: Scene, task: Task, frames: int, prompt: str | None = None) -> Episode:
    """The expert's episode."""
    return roll(scene, lambda s: act(s, task), frames, phrase(task) if prompt is None else prompt)


def replay(scene: Scene, actions: np.ndarray) -> Episode:
    """What the given actions, float [F - 1, 4], do from `scene`."""
    queue = iter(actions)
    return roll(scene, lambda _: next(queue), len(actions) + 1)


def noisy_expert(task: Task, rng: np.random.Generator, noise: float) -> Policy:
    """The expert with smooth random disturbances, which it corrects."""
    drift = np.zeros(3)

    def policy(scene: Scene) -> np.ndarray:
        nonlocal drift
        drift = 0.8 * drift + 0.6 * rng.normal(0, noise, 3)
        action = act(scene, task)
        action[:3] += drift
        return action

    return policy


def play(rng: np.random.Generator) -> Policy:
    """Aimless but smooth motion that often comes close to objects, with the grip opening and closing."""
    goal, grip, left = np.zeros(3), -1.0, 0

    def policy(scene: Scene) -> np.ndarray:
        nonlocal goal, grip, left
        if left <= 0:
            body = scene.bodies[int(rng.integers(len(scene.bodies)))]
            near = np.array([body.x, body.y, rng.choice([1.0, 6.0])]) + rng.normal(0, [5, 2.5, 1.5])
            far = np.array([rng.uniform(8, 56), rng.uniform(34, 58), rng.uniform(0, 20)])
            goal = near if rng.random() < 0.6 else far
            left = int(rng.integers(4, 16))
            grip = float(rng.choice([-1.0, 1.0]))
        left -= 1
        g = scene.gripper
        speed = 2.0
        return np.array([*np.clip(goal - [g.x, g.y, g.z], -speed, speed) + rng.normal(0, 0.15, 3), grip])

    return policy


def sample_episode(rng: np.random.Generator, frames: int) -> Episode:
    """A training episode: an expert (often disturbed, sometimes with a change of task) or play."""
    scene = sample_scene(rng)
    if rng.random() < 0.16:
        return roll(scene, play(rng), frames)
    first = sample_task(rng, scene)
    if rng.random() < 0.3:
        warm_up = noisy_expert(sample_task(rng, scene), rng, 0.3) if rng.random() < 0.6 else play(rng)
        scene = roll(scene, warm_up, int(rng.integers(8, 48))).last
    noise = 0.0 if rng.random() < 0.6 else rng.uniform(0.1, 0.5)
    return roll(scene, noisy_expert(first, rng, noise), frames, phrase(first, rng))


__all__ = ["Episode", "noisy_expert", "play", "record", "render_scene", "replay", "roll", "sample_episode"]
