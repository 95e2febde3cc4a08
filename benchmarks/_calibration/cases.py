"""Graded experts' plans in held-out scenes, and what the simulator makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arc_fabric.models.tabletop.evaluate import judge
from arc_fabric.models.tabletop.world.episodes import Chance, expert, replay, roll
from arc_fabric.models.tabletop.world.experts import Task, sensible
from arc_fabric.models.tabletop.world.language import phrase
from arc_fabric.models.tabletop.world.render import render
from arc_fabric.models.tabletop.world.scene import Scene, sample_scene

TASKS = (Task("pick", "red cup"), Task("pick", "blue block"), Task("left", "red cup"), Task("right", "red cup"))
WORST_PX = 3.0
"""How far beside the middle the worst policy grasps."""
PER_STEP = 8
"""Actions of one step of the model."""
HELD_OUT = 10_000_019
"""Training draws its scenes from other generators."""


@dataclass(frozen=True)
class Case:
    """One plan in one scene: float [8 steps, 4] `actions` of the policy called `policy`."""

    name: str
    """Unique among all cases of a run."""
    task: Task
    scene: Scene
    at: int
    """Number of the scene, over all tasks."""
    policy: str
    actions: np.ndarray

    def simulated(self, seeds: int) -> int:
        """In how many draws of chance, of `seeds`, the colour reader sees the task done in the simulator."""
        good = 0
        for seed in range(seeds):
            seen = replay(self.scene, self.actions, Chance(np.random.default_rng((HELD_OUT, seed))))
            ends = (seen.gripper[[0, -1]], seen.bodies[[0, -1]])
            good += judge.succeeded(render(seen.kinds, seen.look, *ends), self.task)
        return good


def cases(*, tasks: int, scenes: int, policies: int, steps: int) -> Iterator[Case]:
    """Every policy in every scene of every task."""
    for number, task in enumerate(TASKS[:tasks]):
        for at, scene in enumerate(_scenes_of(task, number, scenes)):
            for policy, actions in _plans(scene, task, policies, steps, 100 * number + at):
                place = f", scene {at + 1}" if scenes > 1 else ""
                yield Case(f"{phrase(task)}: {policy}{place}", task, scene, number * scenes + at, policy, actions)


def _scenes_of(task: Task, number: int, count: int) -> list[Scene]:
    """Scenes in which the task makes sense."""
    rng, found = np.random.default_rng((HELD_OUT, 7, number)), list[Scene]()
    while len(found) < count:
        scene = sample_scene(rng)
        if task.target in [body.kind.name for body in scene.bodies] and sensible(scene, task):
            found.append(scene)
    return found


def _plans(scene: Scene, task: Task, policies: int, steps: int, salt: int) -> Iterator[tuple[str, np.ndarray]]:
    """Name and actions of each policy, from skilled to clumsy, planned in a world without chance."""
    for n in range(policies):
        off = WORST_PX * n / max(1, policies - 1)
        clumsy = expert(np.random.default_rng((HELD_OUT, salt, n)), task, off, 0.3)
        yield f"{off:.2f} px off", roll(scene, clumsy, 1 + PER_STEP * steps, Chance()).actions
