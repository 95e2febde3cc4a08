"""Imagined against observed: how far a branch is from what really happened."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from arc_fabric.errors import InvalidRequest
from arc_fabric.evaluation.scores import Branch, Score


def imagined_observed(branch: Branch, *, observed: str | None = None, least: float | None = None) -> Score:
    """Peak signal-to-noise ratio, in dB, of the imagined frames against the real ones, averaged over the steps.
    `observed` is the head of the branch in which the real frames were given (closed loop); left out, the variant's own
    steps had them. A step is compared with what was observed after it, or with that branch's frames if nothing was."""
    pairs = _pairs(branch, observed)
    if not pairs:
        return Score(float("nan"), None, "no real frames to compare with")
    values = [psnr(imagined, real) for imagined, real in pairs]
    value = float(np.mean(values))
    reason = f"{values[0]:.1f} dB at the first step, {values[-1]:.1f} dB at step {len(values)}"
    return Score(value, None if least is None else value >= least, reason)


def _pairs(branch: Branch, observed: str | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames of each step with the real ones of the same time."""
    steps = [step.checkpoint for step in branch.steps]
    if observed is None:
        found = [(one, branch.observed_of(after)) for one, after in pairwise(steps)]
    else:
        path = branch.path_of(observed)
        fork = branch.before[-1].checkpoint
        if fork not in path:
            raise InvalidRequest(f"{observed} does not descend from {fork}, where the variant begins.")
        real = path[path.index(fork) + 1 :]
        after = [branch.observed_of(checkpoint) for checkpoint in real[1:]] + [None]
        found = [
            (one, branch.frames_of(theirs) if seen is None else seen)
            for one, theirs, seen in zip(steps, real, after, strict=False)
        ]
    return [(branch.frames_of(one)[-len(seen) :], seen) for one, seen in found if seen is not None]


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio of uint8 frames in dB; of equal ones 99. Where one has fewer, the last ones."""
    count = min(len(one), len(other))
    error = float(np.mean((one[-count:].astype(np.float64) - other[-count:].astype(np.float64)) ** 2))
    return 99.0 if error == 0 else 10 * math.log10(255**2 / error)
