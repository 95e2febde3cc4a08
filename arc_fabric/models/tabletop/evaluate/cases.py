"""Held-out scenes: what is asked there, and what a skilled expert makes of it.

Training draws its scenes from other generators. Seed 0 draws the scenes that are reported, every other seed those on
which settings are chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from arc_fabric.models.tabletop.evaluate import judge
from arc_fabric.models.tabletop.world.episodes import Chance, Episode, expert, hide, record, roll
from arc_fabric.models.tabletop.world.experts import Task, done, holding_state, sensible
from arc_fabric.models.tabletop.world.language import phrase
from arc_fabric.models.tabletop.world.scene import KINDS, Gripper, Scene, sample_scene

HELD_OUT = 10_000_019
STEPS = 8
"""Model steps (of 8 frames) that a prompt is given."""
SKILLS = (0.0, 1.5, 2.0, 2.7)
"""Graded experts: how far beside a thing's middle, in pixels, each grasps and pushes; with some noise on it."""

GLIMPSE = 2
"""Pixels that may still be seen of a thing that is wholly hidden, for the soft edges of what hides it."""


@dataclass(frozen=True)
class Case:
    """One scene and what is to happen there."""

    scene: Scene
    task: Task
    prompt: str
    episode: Episode
    """A skilled expert's, in a world of chance; or whose actions are given."""

    @property
    def names(self) -> list[str]:
        """The objects on the table."""
        return [body.kind.name for body in self.scene.bodies]


@dataclass(frozen=True)
class HeldOut:
    """`n` scenes per measure, drawn from `seed`."""

    seed: int
    n: int

    def rng(self, *salt: int) -> np.random.Generator:
        """A generator for one measure."""
        return np.random.default_rng((HELD_OUT, self.seed, *salt))

    def cases(
        self,
        salt: int,
        verbs: tuple[str, ...],
        target: str = "",
        *,
        others: int | None = None,
        frames: int = 1 + 8 * STEPS,
        wanted: Callable[[Case], bool] = lambda _: True,
    ) -> list[Case]:
        """Scenes with a task that makes sense, that an expert does in time if nothing goes wrong."""
        rng = self.rng(salt)
        found: list[Case] = []
        while len(found) < self.n:
            scene = sample_scene(rng, others)
            names = [body.kind.name for body in scene.bodies]
            task = Task(verbs[len(found) % len(verbs)], target or names[int(rng.integers(len(names)))])
            seed = int(rng.integers(1 << 30))
            if sensible(scene, task) and done(record(scene, task, 1 + 8 * STEPS).last, task):
                case = Case(scene, task, phrase(task), record(scene, task, frames, seed))
                found += [case] if wanted(case) else []
        return found

    def graded(self, task: int, skill: float) -> list[Case]:
        """Scenes and the actions, planned in a world without chance, of an expert of this skill."""
        verb, target = (("pick", "red cup"), ("pick", ""), ("left", ""), ("right", ""))[task]
        rng = self.rng(100 + task, int(10 * skill))
        found = []
        for case in self.cases(110 + 10 * task + SKILLS.index(skill), (verb,), target):
            clumsy = expert(rng, case.task, skill, 0.3, pauses=0.01 + 0.01 * skill)
            found.append(Case(case.scene, case.task, "", roll(case.scene, clumsy, 1 + 8 * STEPS, Chance())))
        return found

    def hidings(self, salt: int, shoved: bool) -> list[Case]:
        """Windows of 32 frames, the actions given, in which a thing, `shoved` by 4 pixels or more before or not at all,
        is wholly hidden while the third block (frames 17 to 24) is shown, and comes back before the end."""
        rng = self.rng(salt)
        found: list[Case] = []
        while len(found) < self.n:
            scene = sample_scene(rng)
            cup = next(n for n, body in enumerate(scene.bodies) if body.kind.shape == "cup")
            other = int(rng.choice([n for n in range(len(scene.bodies)) if n != cup]))
            at, side = scene.bodies[other], rng.choice([-1, 1])
            scene.gripper = Gripper(at.x + side * rng.uniform(9, 12), at.y + rng.uniform(-1, 4), rng.uniform(1, 6))
            holding_state(scene, cup)
            shove, stay = (int(rng.integers(4, 7)), 13) if shoved else (0, 17)
            policy = hide(rng, scene, cup, other, shove, stay + int(rng.integers(4)))
            episode = roll(scene, policy, 33, Chance(rng))
            if _hides(episode, cup, other, shoved):
                found.append(Case(scene, Task("pick", at.kind.name), "", episode))
        return found


def _hides(episode: Episode, front: int, index: int, shoved: bool) -> bool:
    """Body `front` hides body `index` as `hidings` wants it."""
    places, kind = episode.bodies[:, index], episode.kinds[index]
    aside = np.abs(episode.bodies[:, front] - places)[:, 0]
    if (
        episode.slipped
        or (np.abs(places[-1] - places[0]).max() > 4) != shoved
        or aside[17:25].max() > 1
        or aside[-1] < 6
    ):
        return False
    hidden = max(blob.area for blob in judge.track(episode.frames()[17:25], kind.name)) <= GLIMPSE
    return hidden and episode.shown()[[0, -1], KINDS.index(kind)].min() >= 0.98
