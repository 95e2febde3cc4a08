"""Success on tabletop tasks, read from frames by colour as a person would: no latent, no simulator state."""

from __future__ import annotations

import numpy as np

from arc_fabric.evaluation.scores import Branch, Score
from arc_fabric.models.tabletop.evaluate import judge
from arc_fabric.models.tabletop.world.experts import Task
from arc_fabric.models.tabletop.world.language import task_of

JUDGED = ("pick", "left", "right", "away")


def tabletop_success(branch: Branch, *, task: str | None = None) -> Score:
    """Whether the tabletop's task is done at the end, 1 or 0: the named thing lifted, or pushed left, right or away.
    The task is that of the variant's prompt, or of the words in `task`."""
    wanted = task_of(task or branch.prompt)
    if wanted is None or wanted.verb not in JUDGED:
        return Score(float("nan"), None, f"no task that can be seen in {task or branch.prompt!r}")
    clip = np.concatenate([branch.start[None], branch.frames[-1:]])
    before, after = (judge.read(frame)[wanted.target] for frame in clip)
    if before.area == 0:
        return Score(float("nan"), None, f"no {wanted.target} is seen where the variant begins")
    done = judge.succeeded(clip, wanted)
    went = f"{wanted.target} from ({before.x:.0f}, {before.row:.0f}) to ({after.x:.0f}, {after.row:.0f})"
    if not after.area:
        went = f"the {wanted.target} is gone"
    elif not judge.intact(before, after):
        went += f", of {after.area} pixels instead of {before.area}: not whole"
    elif not done:
        went += f": {_short_of(clip, wanted)}"
    return Score(float(done), done, f"{wanted.verb}: {went}")


def _short_of(clip: np.ndarray, task: Task) -> str:
    """What a thing that is whole lacks."""
    before, after = (judge.read(frame)[task.target] for frame in clip)
    if task.verb != "pick":
        return f"not {judge.WAY[task.verb]:.0f} pixels {task.verb}"
    if before.row - after.row < judge.RISE:
        return f"not {judge.RISE:.0f} pixels up"
    return "it left a trace behind, or is not in the gripper"


tabletop_success.version = "colour-1"  # type: ignore[attr-defined]
