"""Pictures of a step that a model hands on before its block is done, on their way to whoever looks.

>>> seen = []
>>> early = Early((4, 8, 8, 3), lambda frames, at: seen.append((at, len(frames))))
>>> early(np.zeros((1, 8, 8, 3), np.uint8)), early(np.ones((2, 8, 8, 3), np.uint8)), seen
(None, None, [(0, 1), (1, 2)])
>>> early.require_kept(np.zeros((4, 8, 8, 3), np.uint8))
Traceback (most recent call last):
...
arc_fabric.errors.ModelError: The model showed other pictures than its step gave (frame 1 of 4).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from arc_fabric.errors import ModelError

OnFrames = Callable[[np.ndarray, int], object]
"""Takes frames uint8 [F, H, W, 3], and which of its step's frames the first of them is, from 0."""
_MEND = "Hand on each frame once, in order, as the step will return it."


class Early:
    """What one step has shown so far."""

    def __init__(self, size: tuple[int, int, int, int], on_frames: OnFrames) -> None:
        """`size`: what the whole step gives, [F, H, W, 3]."""
        self._size, self._on_frames = size, on_frames
        self._shown: list[np.ndarray] = []
        self._ended = False

    def __call__(self, frames: np.ndarray) -> None:
        """Hand frames on; they are copied, for the model may go on to write into them. Raises ModelError where they are
        not of the step's form, or too many."""
        count = sum(map(len, self._shown))
        fits = frames.ndim == 4 and frames.dtype == np.uint8 and frames.shape[1:] == self._size[1:]
        if self._ended or not fits or count + len(frames) > self._size[0]:
            raise ModelError(
                f"The model showed {frames.dtype} {list(frames.shape)} after {count} frames of a step of "
                f"{list(self._size)}{' that had ended' if self._ended else ''}.",
                hint=_MEND,
            )
        kept = frames.copy()
        self._shown.append(kept)
        self._on_frames(kept, count)

    def end(self) -> None:
        """The step is over, or has failed: nothing more is shown."""
        self._ended = True

    def require_kept(self, frames: np.ndarray) -> None:
        """Raise ModelError where what was shown is not what the step gave."""
        at = 0
        for shown in self._shown:
            for frame in shown:
                if not np.array_equal(frame, frames[at]):
                    raise ModelError(
                        f"The model showed other pictures than its step gave (frame {at} of {len(frames)}).", hint=_MEND
                    )
                at += 1
