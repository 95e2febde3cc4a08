"""Where a rewind leads, and when it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from arc_fabric.base.rewind import step_before, step_of_checkpoint, step_reached
from arc_fabric.errors import Conflict, InvalidRequest, RewindBeyondRoot


def test_steps_and_checkpoints_of_the_lineage() -> None:
    """Back to the root at most; the head itself is on the lineage."""
    assert [step_before(3, n) for n in (1, 3)] == [2, 0]
    assert [step_of_checkpoint(["a", "b"], name) for name in ("a", "b")] == [0, 1]


def test_forward_again_after_a_rewind() -> None:
    """To what the session itself made beyond its head; what another made there, or lies beside, is a conflict."""
    assert step_reached(["r", "a"], ["r", "a", "b", "c"], own=True) == 3
    assert step_reached(["r", "a", "b"], ["r", "a"], own=False) == 1
    for target, own in ((["r", "a", "b"], False), (["r", "x", "y"], True)):
        with pytest.raises(Conflict, match="not on the session's lineage"):
            step_reached(["r", "a"], target, own=own)


@pytest.mark.parametrize("n_steps", [0, -1, True, 1.0, "1", None])
def test_what_is_no_number_of_steps_is_refused(n_steps: Any) -> None:
    """Not taken for one."""
    with pytest.raises(InvalidRequest, match="positive whole number"):
        step_before(3, n_steps)


def test_beyond_the_root_and_beside_the_lineage() -> None:
    """The error says how far one can go; a checkpoint of another branch is a conflict, which HTTP answers with 409."""
    with pytest.raises(RewindBeyondRoot, match="at step 3") as beyond:
        step_before(3, 4)
    assert (beyond.value.context["frame_index"], "at most 3" in beyond.value.what_to_do) == (3, True)
    with pytest.raises(Conflict, match="not on the session's lineage") as beside:
        step_of_checkpoint(["a"], "z")
    assert (beside.value.status, beside.value.context["checkpoint_id"]) == (409, "z")
