"""Does success in the tabletop model say what happens in the world it learned from? Made with the evaluations of a
running system: `python -m benchmarks.calibration --url http://127.0.0.1:8321 --seeds 64 --policies 12 --scenes 4`.

For each task and scene, graded experts' actions are planned in a world without chance (each policy grasps and pushes so
and so far beside a thing's middle) and executed blindly: in the model over seeds, as one evaluation per scene, and in
the simulator over as many draws of chance. Both are judged by the same colour reader. The table has both rates with
their 95 % Wilson intervals, and how far they go together.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from arc_fabric.client import ArcFabric, RemoteEvaluation
from arc_fabric.evaluation.statistics import wilson
from arc_fabric.models.tabletop.evaluate import judge
from arc_fabric.models.tabletop.world.episodes import Chance, expert, replay, roll
from arc_fabric.models.tabletop.world.experts import Task, sensible
from arc_fabric.models.tabletop.world.language import phrase
from arc_fabric.models.tabletop.world.render import render_scene
from arc_fabric.models.tabletop.world.scene import Scene, sample_scene

TASKS = (Task("pick", "red cup"), Task("pick", "blue block"), Task("left", "red cup"), Task("right", "red cup"))
WORST_PX = 3.0
"""How far beside the middle the worst policy grasps."""
PER_STEP = 8
HELD_OUT = 10_000_019
"""Training draws its scenes from other generators."""


def scenes_of(task: Task, number: int, count: int) -> list[Scene]:
    """Scenes in which the task makes sense."""
    rng, found = np.random.default_rng((HELD_OUT, 7, number)), list[Scene]()
    while len(found) < count:
        scene = sample_scene(rng)
        if task.target in [body.kind.name for body in scene.bodies] and sensible(scene, task):
            found.append(scene)
    return found


def plans(scene: Scene, task: Task, policies: int, steps: int, salt: int) -> Iterator[tuple[str, np.ndarray]]:
    """Name and actions [8 steps, 4] of each policy, from skilled to clumsy."""
    for n in range(policies):
        off = WORST_PX * n / max(1, policies - 1)
        clumsy = expert(np.random.default_rng((HELD_OUT, salt, n)), task, off, 0.3)
        yield f"{off:.2f} px off", roll(scene, clumsy, 1 + PER_STEP * steps, Chance()).actions


def simulated(scene: Scene, task: Task, actions: np.ndarray, seeds: int) -> int:
    """In how many draws of chance the colour reader sees the task done."""
    good = 0
    for seed in range(seeds):
        frames = replay(scene, actions, Chance(np.random.default_rng((HELD_OUT, seed)))).frames()
        good += judge.succeeded(frames[[0, -1]], task)
    return good


def imagined(
    fabric: ArcFabric, scene: Scene, task: Task, given: dict[str, np.ndarray], seeds: int, steps: int
) -> RemoteEvaluation:
    """The evaluation of one scene, accepted."""
    start = fabric.root(phrase(task), render_scene(scene), seed=0, state=scene.proprio().tolist())
    actions = [{"name": name, "actions": one.reshape(steps, PER_STEP, 4).tolist()} for name, one in given.items()]
    return fabric.evaluate(
        checkpoints=[start], actions=actions, repeats=seeds, steps=steps, label=f"calibration: {phrase(task)}",
        tags=["calibration"], scorers=[{"name": "tabletop_success", "options": {"task": phrase(task)}}],
    )  # fmt: skip


def measure(fabric: ArcFabric, *, seeds: int, policies: int, scenes: int, steps: int, tasks: int) -> dict[str, Any]:
    """The table."""
    counts: dict[tuple[str, str], list[int]] = {}
    runs = []
    for number, task in enumerate(TASKS[:tasks]):
        for at, scene in enumerate(scenes_of(task, number, scenes)):
            given = dict(plans(scene, task, policies, steps, 100 * number + at))
            run = imagined(fabric, scene, task, given, seeds, steps)
            runs.append(run.id)
            true = {name: simulated(scene, task, actions, seeds) for name, actions in given.items()}
            run.wait(24 * 3600)
            for row in run.rows():
                line = counts.setdefault((phrase(task), row["actions"]), [0, 0, 0, 0])
                line[0] += row["verdict"] is True
                line[1] += row["verdict"] is not None
            for name, good in true.items():
                line = counts[phrase(task), name]
                line[2], line[3] = line[2] + good, line[3] + seeds
    rows = [{"task": task, "policy": name, "model": wilson(*line[:2]), "simulator": wilson(*line[2:]), "n": line[1]}
            for (task, name), line in counts.items()]  # fmt: skip
    mine, theirs = (np.array([row[which].rate for row in rows]) for which in ("model", "simulator"))
    moves = len(rows) > 1 and mine.std() > 0 and theirs.std() > 0
    return {"evaluations": runs, "rows": rows, "pearson_r": float(np.corrcoef(mine, theirs)[0, 1]) if moves else None,
            "mean_absolute_difference": float(np.abs(mine - theirs).mean())}  # fmt: skip


def markdown(found: dict[str, Any]) -> str:
    """The table for people."""

    def said(of: Any) -> str:
        return f"{of.rate:.0%} ({of.low:.0%} to {of.high:.0%})"

    lines = ["| task | policy | in the model | in the simulator | n |", "|---|---|---|---|---|"]
    lines += [f"| {r['task']} | {r['policy']} | {said(r['model'])} | {said(r['simulator'])} | {r['n']} |"
              for r in found["rows"]]  # fmt: skip
    r = "not defined (a rate does not vary)" if found["pearson_r"] is None else f"{found['pearson_r']:.2f}"
    end = f"Pearson r {r}, mean absolute difference {found['mean_absolute_difference']:.2f}."
    return "\n".join([*lines, "", end])


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--url", default="http://127.0.0.1:8321")
    for name, default in (("seeds", 4), ("policies", 3), ("scenes", 1), ("steps", 8), ("tasks", len(TASKS))):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--json", action="store_true")
    given = vars(options.parse_args())
    as_json = given.pop("json")
    with ArcFabric(given.pop("url")) as fabric:
        if fabric.model().get("name") != "tabletop":
            sys.exit("The running model is not the tabletop.")
        found = measure(fabric, **given)
    plain = {**found, "rows": [{**r, **{w: r[w]._asdict() for w in ("model", "simulator")}} for r in found["rows"]]}
    print(json.dumps(plain) if as_json else markdown(found))


if __name__ == "__main__":
    main()
