"""Prompts: templates that name a task in many ways, and tasks that make sense in a scene."""

from __future__ import annotations

from itertools import product

import numpy as np

from arc_fabric.models.tabletop.world.experts import VERBS, Task, sensible
from arc_fabric.models.tabletop.world.scene import Scene

NAMES: dict[str, tuple[str, ...]] = {
    "red cup": ("red cup", "red cup", "cup", "red mug"),
    "blue block": ("blue block", "blue block", "block", "blue cube"),
    "green cup": ("green cup", "green cup", "green mug"),
    "yellow bowl": ("yellow bowl", "yellow bowl", "bowl", "yellow dish"),
}
TEMPLATES: dict[str, tuple[str, ...]] = {
    "pick": (
        "pick up the {x}",
        "pick up the {x}",
        "pick the {x} up",
        "lift the {x}",
        "grab the {x}",
        "take the {x}",
        "raise the {x} from the table",
    ),
    "left": (
        "push the {x} to the left",
        "push the {x} to the left",
        "push the {x} left",
        "move the {x} to the left",
        "slide the {x} to the left",
    ),
    "right": (
        "push the {x} to the right",
        "push the {x} to the right",
        "push the {x} right",
        "move the {x} to the right",
        "slide the {x} to the right",
    ),
    "away": (
        "push the {x} away",
        "push the {x} away",
        "push the {x} back",
        "slide the {x} away",
        "push the {x} to the back",
    ),
    "on": (
        "put the {x} on the {y}",
        "put the {x} on the {y}",
        "stack the {x} on the {y}",
        "place the {x} on top of the {y}",
    ),
    "beside": ("put the {x} next to the {y}", "put the {x} next to the {y}", "place the {x} beside the {y}"),
}


def phrase(task: Task, rng: np.random.Generator | None = None) -> str:
    """A sentence for the task: the plain one, or a paraphrase drawn from `rng`."""

    def pick(options: tuple[str, ...]) -> str:
        return options[0 if rng is None else int(rng.integers(len(options)))]

    other = pick(NAMES[task.other]) if task.other else ""
    text = pick(TEMPLATES[task.verb]).format(x=pick(NAMES[task.target]), y=other)
    if other in ("bowl", "yellow bowl", "yellow dish") and rng is not None and rng.random() < 0.5:
        text = text.replace(" on top of ", " in ").replace(" on ", " in ")
    if task.pace < 1:
        text = f"carefully {text}" if rng is None or rng.random() < 0.7 else f"{text} carefully"
    return text


def sample_task(rng: np.random.Generator, scene: Scene) -> Task:
    """A task that makes sense in this scene."""
    for _ in range(20):
        task = _any_task(rng, scene)
        if sensible(scene, task):
            break
    return task


def _any_task(rng: np.random.Generator, scene: Scene) -> Task:
    verb = str(rng.choice(VERBS, p=[0.34, 0.2, 0.15, 0.12, 0.11, 0.08]))
    weights = np.array([1.6 if b.kind.name == "red cup" else 1.0 for b in scene.bodies])
    order = rng.choice(len(weights), 2, replace=False, p=weights / weights.sum())
    target, other = (scene.bodies[i].kind.name for i in order)
    pace = 0.5 if rng.random() < 0.15 else 1.0
    return Task(verb, target, other if verb in ("on", "beside") else "", pace)


def task_of(text: str) -> Task | None:
    """The task that a prompt names, in any of the ways above and in words around them; None where it names none.

    >>> task_of("Please push the blue cube left"), task_of("dance")
    (Task(verb='left', target='blue block', other='', pace=1.0), None)
    """
    words = _plainly(text)
    found: list[tuple[int, Task]] = []
    for verb, templates in TEMPLATES.items():
        for target, other in product(NAMES, NAMES):
            for template, x, y in product(set(templates), NAMES[target], NAMES[other]):
                said = _plainly(template.format(x=x, y=y))
                if said in words and (("{y}" in template) == (target != other)):
                    found.append((len(said), Task(verb, target, other if "{y}" in template else "")))
    return max(found, key=lambda one: one[0])[1] if found else None


def _plainly(text: str) -> str:
    """Lower case, one space between words, and one word for being on something."""
    words = " ".join(text.lower().split())
    return words.replace(" on top of the ", " on the ").replace(" in the ", " on the ")
