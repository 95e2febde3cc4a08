"""Where a rewind leads, and when it is refused: one rule for a session in this process, the web, ledger and workers."""

from __future__ import annotations

from collections.abc import Sequence

from arc_fabric.errors import Conflict, InvalidRequest, RewindBeyondRoot


def check_n_steps(n_steps: object) -> None:
    """Raise InvalidRequest unless it is a whole number of at least 1."""
    if isinstance(n_steps, bool) or not isinstance(n_steps, int) or n_steps < 1:
        raise InvalidRequest(f"n_steps must be a positive whole number, got {n_steps!r}.")


def step_before(step: int, n_steps: int) -> int:
    """The step that lies `n_steps` before this one. Raises InvalidRequest, RewindBeyondRoot."""
    check_n_steps(n_steps)
    if n_steps > step:
        raise RewindBeyondRoot(
            f"Cannot rewind {n_steps} steps: the session is at step {step}.",
            hint=f"n_steps can be at most {step}; or name a checkpoint." if step else "It is at its root.",
            frame_index=step,
        )
    return step - n_steps


def step_of_checkpoint(lineage: Sequence[str], checkpoint_id: str) -> int:
    """The step of a checkpoint on the path root..head. Raises Conflict if it is not there."""
    if checkpoint_id not in lineage:
        raise Conflict(
            f"Checkpoint {checkpoint_id} is not on the session's lineage.",
            hint="Rewind goes to an ancestor of the head; fork the checkpoint to continue from elsewhere.",
            checkpoint_id=checkpoint_id,
        )
    return lineage.index(checkpoint_id)


def step_reached(lineage: Sequence[str], target: Sequence[str], *, own: bool) -> int:
    """The step of the checkpoint at the end of `target`, a path from the root, for a session whose path is `lineage`:
    an ancestor of its head, or, after a rewind, one further on that the session itself made (`own`). Raises Conflict
    elsewhere.

    >>> step_reached(["root", "a"], ["root", "a", "b", "c"], own=True)
    3
    """
    if own and list(target[: len(lineage)]) == list(lineage):
        return len(target) - 1
    return step_of_checkpoint(lineage, target[-1])
