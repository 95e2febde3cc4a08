"""Steps and video frames. Frame 0 is the picture a world began with; every step adds `per_step` frames after it.

The server's one place for it; the page's is webapp/static/js/state/frames.js. Both are tested on the cases of
tests/data/frame_cases.json. `lua/sessions/open.lua` counts the frames of a fork by the same rule.

>>> frame_count(2, 8), first_frame_of(2, 8), step_of(9, 8), place_in_step(9, 8)
(17, 9, 2, 0)
"""

from __future__ import annotations


def frame_count(steps: int, per_step: int) -> int:
    """Frames of a world after so many steps, the initial one included."""
    return 1 + steps * per_step


def first_frame_of(step: int, per_step: int) -> int:
    """The first frame that a step makes; of step 0 the initial frame."""
    return frame_count(step - 1, per_step) if step else 0


def step_of(frame: int, per_step: int) -> int:
    """The step that makes a frame; 0: the frame was there before."""
    return -(-frame // per_step)


def place_in_step(frame: int, per_step: int) -> int:
    """A frame's place among those of its step, from 0."""
    return (frame - 1) % per_step if frame else 0
