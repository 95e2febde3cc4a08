"""The scorers by name: those here, those of entry points (group `arc_fabric.scorers`), and `module:function`."""

from __future__ import annotations

import inspect
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from arc_fabric import __version__, scoring
from arc_fabric.errors import InvalidRequest
from arc_fabric.evaluation.observed import imagined_observed
from arc_fabric.evaluation.scores import Branch, Score, Scorer
from arc_fabric.evaluation.spread import seed_spread
from arc_fabric.evaluation.tabletop import tabletop_success

GROUP = "arc_fabric.scorers"


def action_magnitude(branch: Branch, *, limit: float | None = None, k: float = 1.0) -> Score:
    """Mean size of the actions' motion; good up to `limit`, which defaults to what the lineage before the fork did
    (its mean and `k` standard errors). A policy that has lost its goal swings the arm more."""
    if not branch.actions.size:
        return Score(float("nan"), None, "the model gave no actions", "lower")
    value = scoring.branch_score(scoring.step_magnitudes(branch.actions))
    if limit is None and branch.actions_before.size:
        limit = scoring.threshold(scoring.step_magnitudes(branch.actions_before), k)
    if limit is None:
        return Score(value, None, "nothing to compare with: no steps before the fork, no limit", "lower")
    good = value <= limit
    return Score(value, good, f"{value:.3f} is {'within' if good else 'above'} {limit:.3f}", "lower")


def smoothness(branch: Branch, *, limit: float | None = None) -> Score:
    """Mean size of the change from one action to the next (a discrete second derivative of the motion); lower is
    smoother."""
    if not branch.actions.size:
        return Score(float("nan"), None, "the model gave no actions", "lower")
    motion = branch.actions[..., :-1].reshape(-1, branch.actions.shape[-1] - 1)
    value = float(np.linalg.norm(np.diff(motion, axis=0), axis=1).mean()) if len(motion) > 1 else 0.0
    return Score(value, None if limit is None else value <= limit, f"{value:.3f} per action", "lower")


def latent_drift(branch: Branch, *, limit: float | None = None) -> Score:
    """Root mean square distance of the last latent to the first that the variant made, in the latent's own unit."""
    first, last = branch.latents[0].astype(np.float64), branch.latents[-1].astype(np.float64)
    value = float(np.sqrt(np.mean((last - first) ** 2)))
    return Score(value, None if limit is None else value <= limit, f"{value:.3f} from its first latent", "lower")


def goal_distance(branch: Branch, *, goal: str, limit: float | None = None) -> Score:
    """Mean absolute distance, in grey levels of 255, of the last frame to that of the checkpoint `goal`."""
    last, wanted = branch.frames[-1].astype(np.float32), branch.frames_of(goal)[-1].astype(np.float32)
    value = float(np.abs(last - wanted).mean())
    return Score(value, None if limit is None else value <= limit, f"{value:.2f} of 255 from the goal", "lower")


def motion(branch: Branch, *, least: float | None = None) -> Score:
    """Mean absolute difference, in grey levels of 255, of the last frame to the last one before the fork."""
    value = float(np.abs(branch.frames[-1].astype(np.float32) - branch.start.astype(np.float32)).mean())
    return Score(value, None if least is None else value >= least, f"{value:.2f} of 255 from the start", "higher")


BUILT_IN: dict[str, Scorer] = {
    "action_magnitude": action_magnitude,
    "smoothness": smoothness,
    "latent_drift": latent_drift,
    "goal_distance": goal_distance,
    "motion": motion,
    "tabletop_success": tabletop_success,
    "imagined_observed": imagined_observed,
    "seed_spread": seed_spread,
}


def names() -> dict[str, str]:
    """Name of every scorer that can be used by name -> what it says of itself."""
    found = {name: inspect.getdoc(scorer) or "" for name, scorer in BUILT_IN.items()}
    return found | {point.name: f"from {point.value}" for point in entry_points(group=GROUP)}


def check_name(name: str, allowed: tuple[str, ...]) -> None:
    """Raise InvalidRequest unless a scorer may be used by this name: one of `names()`, or a function of one of the
    `allowed` modules. Imports nothing: who names a scorer may be a stranger."""
    module, colon, function = name.partition(":")
    if name in names() or (colon and function.isidentifier() and module in allowed):
        return
    if colon:
        raise InvalidRequest(
            f"The scorer {name} is not allowed here.",
            hint=f"Whoever runs the server can allow it: ARC_FABRIC_SCORER_MODULES={module}",
        )
    raise InvalidRequest(f"There is no scorer {name!r}.", hint=f"Use one of {', '.join(names())}, or module:function.")


@cache
def scorer_of(name: str) -> Scorer:
    """The scorer of this name. Raises InvalidRequest where it cannot be loaded."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    for point in entry_points(group=GROUP):
        if point.name == name:
            loaded: Scorer = point.load()
            return loaded
    module, _, function = name.partition(":")
    try:
        made: Scorer = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InvalidRequest(f"The scorer {name} cannot be loaded: {error}.") from error
    return made


def check_options(name: str, options: dict[str, Any]) -> None:
    """Raise InvalidRequest where a built-in scorer does not take these options."""
    if name not in BUILT_IN:
        return
    try:
        inspect.signature(BUILT_IN[name]).bind(None, **options)
    except TypeError as error:
        raise InvalidRequest(f"The scorer {name}: {error}.") from None


def of_groups(name: str) -> bool:
    """Whether it judges groups of variants that differ in the seed alone. It is loaded for that."""
    return getattr(scorer_of(name), "over", None) == "seeds"


def version_of(name: str) -> str:
    """What is recorded as a scorer's version: its own, else this package's for those that come with it."""
    return str(getattr(scorer_of(name), "version", __version__ if name in BUILT_IN else "unversioned"))
