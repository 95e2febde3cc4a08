"""Scorers for tests of evaluations."""

from __future__ import annotations

import time

from arc_fabric.evaluation.scores import Branch, Score


def hangs(branch: Branch) -> Score:
    """A scorer that does not come back."""
    time.sleep(600)
    return Score(0.0)


def raises_on_odd(branch: Branch) -> Score:
    """A scorer that works for every other seed."""
    if branch.seed % 2:
        raise RuntimeError("odd")
    return Score(float(branch.frames.mean()), branch.actions.shape[0] == len(branch.steps), "even")
