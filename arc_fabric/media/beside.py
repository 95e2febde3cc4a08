"""Branches side by side in one picture: the same frame of each; one that has ended stays at its last frame, dimmed.

>>> import numpy as np
>>> short, long = [np.full((2, 2, 3), 200, np.uint8)], [np.zeros((2, 2, 3), np.uint8)] * 3
>>> [frame.shape for frame in beside([short, long])]
[(2, 6, 3), (2, 6, 3), (2, 6, 3)]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

import numpy as np

from arc_fabric.errors import InvalidRequest

GAP = 2
"""Black pixels between two pictures."""
MOST_PER_ROW = 3


def beside(branches: Iterable[Iterable[np.ndarray]]) -> Iterator[np.ndarray]:
    """Frames of the branches, uint8 [H, W, 3] each and all of one size, three in a row, -> uint8 [H', W', 3] as long
    as one of them goes on. A branch without a frame is black. Raises InvalidRequest where sizes differ."""
    last: list[np.ndarray] = []
    for frames in zip_longest(*branches):
        first = next(frame for frame in frames if frame is not None)
        if any(frame is not None and frame.shape != first.shape for frame in frames):
            raise InvalidRequest("The branches have pictures of several sizes.", hint="Show those of one model.")
        last = last or [np.zeros_like(first) for _ in frames]
        shown = [was // 2 if frame is None else frame for frame, was in zip(frames, last, strict=True)]
        last = [was if frame is None else frame for frame, was in zip(frames, last, strict=True)]
        yield _tiled(shown)


def _tiled(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures in rows with gaps between them; what is missing in the last row is black."""
    height, width = pictures[0].shape[:2]
    columns = min(MOST_PER_ROW, len(pictures))
    rows = -(-len(pictures) // columns)
    out = np.zeros((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), np.uint8)
    for at, picture in enumerate(pictures):
        top, left = at // columns * (height + GAP), at % columns * (width + GAP)
        out[top : top + height, left : left + width] = picture
    return out
