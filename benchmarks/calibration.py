"""Does success in the tabletop model say what happens in the world it learned from? Made with one evaluation of a
running system: `python -m benchmarks.calibration --url http://127.0.0.1:8321 --seeds 64 --policies 12 --scenes 4`.

For each task and scene, graded experts' actions are planned in a world without chance (each policy grasps and pushes so
and so far beside a thing's middle) and executed blindly: in the model over seeds, all in one evaluation, and in the
simulator over as many draws of chance. Both are judged by the same colour reader. The table has both rates with their
95 % Wilson intervals, and how far they go together; `--report FILE.html` is the evaluation's report with both inside.
What was cut off goes on with `--evaluation ID` and the same sizes.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arc_fabric.base.files import write_whole
from arc_fabric.client import ArcFabric, EvaluationInfo, RemoteEvaluation
from arc_fabric.evaluation.report import with_section
from arc_fabric.evaluation.statistics import wilson
from arc_fabric.models.tabletop.world.language import phrase
from arc_fabric.models.tabletop.world.render import render_scene
from benchmarks._calibration.cases import PER_STEP, TASKS, Case, cases
from benchmarks._calibration.section import html, markdown


def begin(fabric: ArcFabric, tried: Sequence[Case], *, seeds: int, steps: int, batch: str) -> RemoteEvaluation:
    """The evaluation of all cases, accepted. Seeds turn slowest: one that is cut off has tried all about equally."""
    starts = {one.at: one for one in tried}
    roots = {
        at: fabric.root(phrase(one.task), render_scene(one.scene), seed=0, state=one.scene.proprio().tolist())
        for at, one in starts.items()
    }
    actions = [{"name": one.name, "actions": one.actions.reshape(steps, PER_STEP, 4).tolist()} for one in tried]
    variants = [
        {"checkpoint": roots[one.at], "actions": one.name, "seed": seed} for seed in range(seeds) for one in tried
    ]
    return fabric.evaluate(
        checkpoints=list(roots.values()), actions=actions, variants=variants, steps=steps, batch=batch,
        label="calibration of the tabletop model", tags=["calibration"], scorers=[{"name": "tabletop_success"}],
    )  # fmt: skip


def compare(tried: Sequence[Case], rows: Sequence[dict[str, Any]], seeds: int) -> dict[str, Any]:
    """Rates of each task and policy, over its scenes, in the model (verdicts in `rows`) and in the simulator."""
    verdicts: defaultdict[str, list[bool]] = defaultdict(list)
    for row in rows:
        if row["verdict"] is not None:
            verdicts[row["actions"]].append(row["verdict"])
    counts: defaultdict[tuple[str, str], np.ndarray] = defaultdict(lambda: np.zeros(4, int))
    for one in tried:
        mine = verdicts[one.name]
        counts[phrase(one.task), one.policy] += (sum(mine), len(mine), one.simulated(seeds), seeds)
    found: list[dict[str, Any]] = [
        {"task": task, "policy": policy, "model": wilson(int(good), int(n)), "simulator": wilson(int(true), int(of)),
         "n": int(n)}
        for (task, policy), (good, n, true, of) in counts.items()
    ]  # fmt: skip
    judged = [row for row in found if row["n"]]
    if not judged:
        sys.exit("The model's variants have no verdict: see the rows of the evaluation for why.")
    model, simulator = (np.array([row[which].rate for row in judged]) for which in ("model", "simulator"))
    moves = len(judged) > 1 and model.std() > 0 and simulator.std() > 0
    return {"rows": judged, "pearson_r": float(np.corrcoef(model, simulator)[0, 1]) if moves else None,
            "mean_absolute_difference": float(np.abs(model - simulator).mean())}  # fmt: skip


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--url", default="http://127.0.0.1:8321")
    for name, default in (("seeds", 4), ("policies", 3), ("scenes", 1), ("steps", 8), ("tasks", len(TASKS))):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--batch", choices=("exact", "fast"), default="exact")
    options.add_argument("--evaluation", help="Go on with this one.")
    options.add_argument("--report", type=Path, help="Where to write the report (.html).")
    options.add_argument("--videos", type=int, default=24, help="Variants with their video in the report.")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    tried = list(cases(tasks=given.tasks, scenes=given.scenes, policies=given.policies, steps=given.steps))
    with ArcFabric(given.url) as fabric:
        if fabric.model().get("name") != "tabletop":
            sys.exit("The running model is not the tabletop.")
        if given.evaluation:
            run = fabric.evaluation(given.evaluation)
        else:
            run = begin(fabric, tried, seeds=given.seeds, steps=given.steps, batch=given.batch)
        print(f"{run.id}: {run.info.total} variants; --evaluation {run.id} goes on with it", file=sys.stderr)
        run.wait(on_progress=_Told())
        found = {"evaluation": run.id, **compare(tried, run.rows(), given.seeds)}
        if given.report:
            run.save(given.report, videos=given.videos)
            told = shlex.join(["python", "-m", "benchmarks.calibration", *_sizes(given)])
            page = with_section(given.report.read_text(), html(found, told))
            write_whole(given.report, page.encode())
    plain = {**found, "rows": [{**r, **{w: r[w]._asdict() for w in ("model", "simulator")}} for r in found["rows"]]}
    print(json.dumps(plain) if given.json else markdown(found))


class _Told:
    """Says how far an evaluation is, a line per tenth."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, info: EvaluationInfo) -> None:
        if info.done >= self._next:
            self._next = info.done + info.total / 10
            print(f"{info.done}/{info.total}", file=sys.stderr)


def _sizes(given: argparse.Namespace) -> list[str]:
    names = ("tasks", "scenes", "policies", "seeds", "steps", "batch")
    return [word for name in names for word in (f"--{name}", str(getattr(given, name)))]


if __name__ == "__main__":
    main()
