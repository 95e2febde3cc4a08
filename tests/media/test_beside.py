"""Branches side by side in one picture."""

from __future__ import annotations

import numpy as np

from arc_fabric.media.beside import GAP, beside


def grey(value: int, count: int) -> list[np.ndarray]:
    """`count` frames of 4 x 6 pixels."""
    return [np.full((4, 6, 3), value, np.uint8)] * count


def test_a_branch_that_has_ended_stays_at_its_last_frame_dimmed() -> None:
    """The longest decides the length; between two pictures there is a black gap."""
    frames = list(beside([grey(100, 1), grey(60, 3)]))
    assert [frame.shape for frame in frames] == [(4, 12 + GAP, 3)] * 3
    assert [int(frame[0, 0, 0]) for frame in frames] == [100, 50, 50]
    assert [int(frame[0, -1, 0]) for frame in frames] == [60, 60, 60]
    assert not frames[0][:, 6 : 6 + GAP].any()


def test_more_than_three_go_into_the_next_row() -> None:
    """What is missing in the last row is black."""
    (frame,) = beside([grey(value, 1) for value in (10, 20, 30, 40)])
    assert frame.shape == (8 + GAP, 18 + 2 * GAP, 3)
    assert [int(frame[-1, 0, 0]), int(frame[-1, -1, 0])] == [40, 0]
