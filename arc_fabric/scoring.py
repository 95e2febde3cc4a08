"""Score branches by how large the actions are: a policy that has lost its goal swings the arm more.

The heuristic of the demo: the magnitude of a step is the mean Euclidean norm of its actions' motion part (the gripper
opening, the last dimension, is left out: it saturates by design). A branch's score is the mean over its steps. The
threshold comes from data: the steps of a reference trajectory that did the task, their mean plus `k` standard errors
of that mean, so that a branch may be about as busy as the reference was, and no busier.

>>> import numpy as np
>>> calm, wild = np.full((4, 8, 4), 0.125), np.full((4, 8, 4), 2.0)
>>> limit = threshold(step_magnitudes(calm))
>>> branch_score(step_magnitudes(calm)) <= limit < branch_score(step_magnitudes(wild))
True
"""

from __future__ import annotations

import numpy as np

from arc_fabric.errors import InvalidRequest


def step_magnitudes(actions: np.ndarray) -> np.ndarray:
    """float [steps, horizon, action_dim] -> float64 [steps], in the unit of the actions."""
    actions = np.asarray(actions, dtype=np.float64)
    if actions.ndim != 3 or actions.shape[2] < 2 or 0 in actions.shape:
        raise InvalidRequest(
            f"Actions have shape {actions.shape}; expected [steps, horizon, action_dim] with action_dim of 2 or more.",
            hint="Pass the actions of one or more steps, the gripper opening last.",
        )
    magnitudes: np.ndarray = np.linalg.norm(actions[:, :, :-1], axis=2).mean(axis=1)
    return magnitudes


def branch_score(magnitudes: np.ndarray) -> float:
    """Mean step magnitude of a branch; lower is calmer."""
    return float(np.mean(magnitudes))


def threshold(reference: np.ndarray, k: float = 1.0) -> float:
    """Largest score that still counts as a success, from the step magnitudes [steps] of a reference trajectory."""
    spread = float(np.std(reference, ddof=1)) if len(reference) > 1 else 0.0
    return float(np.mean(reference)) + k * spread / float(len(reference) ** 0.5)
