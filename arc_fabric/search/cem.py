"""The cross-entropy method over action sequences: planning in the world model (de Boer et al., Annals of OR 134, 2005;
as in PlaNet, arXiv 1811.04551, appendix A.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from arc_fabric.errors import InvalidRequest
from arc_fabric.search.explorer import Explorer, Try


def cem(
    explorer: Explorer,
    steps: int,
    *,
    low: Sequence[float],
    high: Sequence[float],
    horizon: int,
    rounds: int = 4,
    population: int = 16,
    elite: int = 4,
    seed: int = 0,
    at: str | None = None,
) -> tuple[Try, np.ndarray]:
    """The best try and its actions, float32 [steps, horizon, action_dim].

    `low`, `high` [action_dim]: the model's limits; `horizon`: actions per step (GET /api/model has both). Sequences are
    drawn per step from a normal distribution, held for the step's `horizon` actions, and fitted to the `elite` best.
    Repeats for a `seed` draw the same.
    """
    bounds = np.asarray([low, high], np.float64)
    if (
        not 1 <= elite <= population
        or min(steps, rounds, horizon) < 1
        or bounds.ndim != 2
        or (bounds[0] > bounds[1]).any()
    ):
        raise InvalidRequest("1 <= elite <= population; steps, rounds and horizon are 1 or more; low <= high.")
    rng = np.random.default_rng(seed)
    mean = np.tile(bounds.mean(0), (steps, 1))
    spread = np.tile((bounds[1] - bounds[0]) / 2, (steps, 1))
    best: tuple[Try, np.ndarray] | None = None
    for _ in range(rounds):
        drawn = np.clip(rng.normal(mean, spread, (population, *mean.shape)), *bounds)
        plans = [np.repeat(one[:, None], horizon, 1).astype(np.float32) for one in drawn]
        tries = [explorer.try_(steps, at=at, actions=plan) for plan in plans]
        order = sorted(range(population), key=lambda n: tries[n].worth, reverse=True)
        chosen = drawn[order[:elite]]
        mean, spread = chosen.mean(0), chosen.std(0) + 1e-3 * (bounds[1] - bounds[0])
        if best is None or tries[order[0]].worth > best[0].worth:
            best = tries[order[0]], plans[order[0]]
    assert best is not None
    return best
