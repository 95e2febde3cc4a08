"""Spread over seeds: how uncertain the model is about what comes. A scorer of groups, not of single variants."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from arc_fabric.evaluation.scores import Branch, Score


def seed_spread(branches: Sequence[Branch], *, limit: float | None = None) -> Score:
    """Standard deviation of a pixel over the seeds of one prompt, checkpoint and plan, root mean square over pixels, in
    grey levels of 255, averaged over steps. Judged once all seeds are made."""
    per_step = []
    for steps in zip_longest(*([step.checkpoint for step in branch.steps] for branch in branches)):
        shown = [(branch, step) for branch, step in zip(branches, steps, strict=True) if step is not None]
        if len(shown) < 2:
            break
        per_step.append(_spread([branch.frames_of(step) for branch, step in shown]))
    if not per_step:
        return Score(float("nan"), None, "it takes two seeds", "lower")
    value = float(np.mean(per_step))
    reason = f"{per_step[0]:.2f} at the first step, {per_step[-1]:.2f} at step {len(per_step)}, {len(branches)} seeds"
    return Score(value, None if limit is None else value <= limit, reason, "lower")


def _spread(strips: Sequence[np.ndarray]) -> float:
    """Of frames uint8 [F, H, W, 3] of the same step."""
    total = squares = 0.0 * strips[0].astype(np.float64)
    for strip in strips:
        frames = strip.astype(np.float64)
        total, squares = total + frames, squares + frames**2
    n = len(strips)
    variance = np.maximum(0.0, squares - total**2 / n) / (n - 1)
    return float(np.sqrt(variance.mean()))


seed_spread.over = "seeds"  # type: ignore[attr-defined]
