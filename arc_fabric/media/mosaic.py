"""Many clips in one picture: a cell each, with a frame in the colour of its verdict; time runs in all of them at once.

>>> cells = [Cell(np.zeros((2, 8, 8, 3), np.uint8), "good"), Cell(np.zeros((3, 8, 8, 3), np.uint8), "bad")]
>>> [frame.shape for frame in mosaic(cells, columns=2)]
[(14, 28, 3), (14, 28, 3), (14, 28, 3)]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from PIL import Image

BORDER = 2
GAP = 1
COLOURS = {"good": (26, 127, 75), "bad": (192, 57, 43), "error": (138, 90, 0), "none": (102, 114, 128)}


@dataclass(frozen=True)
class Cell:
    """A clip, frames uint8 [H, W, 3], and what is thought of it: good, bad, error or none."""

    frames: Iterable[np.ndarray]
    word: str = "none"


def mosaic(cells: Sequence[Cell], *, columns: int, width: int | None = None) -> Iterator[np.ndarray]:
    """Frames uint8 [H, W, 3] of all cells, row by row, of one size each: `width` pixels, or that of the first. A clip
    that is over shows its last frame. No more than a frame of each clip is held."""
    size: tuple[int, int] = (0, 0)
    last: list[np.ndarray] = []
    for frames in zip_longest(*(cell.frames for cell in cells)):
        if not last:
            height, own = next(frame for frame in frames if frame is not None).shape[:2]
            size = (max(1, round(height * (width or own) / own)), width or own)
            last = [np.zeros((*size, 3), np.uint8)] * len(cells)
        last = [was if frame is None else _scaled(frame, size) for frame, was in zip(frames, last, strict=True)]
        yield _page(last, [COLOURS[cell.word] for cell in cells], columns)


def _page(pictures: Sequence[np.ndarray], colours: Sequence[tuple[int, int, int]], columns: int) -> np.ndarray:
    """Pictures of one size, each in a frame of its colour."""
    height, width = (side + 2 * BORDER for side in pictures[0].shape[:2])
    step = (height + 2 * GAP, width + 2 * GAP)
    page = np.zeros((-(-len(pictures) // columns) * step[0], columns * step[1], 3), np.uint8)
    for place, (picture, colour) in enumerate(zip(pictures, colours, strict=True)):
        top, left = place // columns * step[0] + GAP, place % columns * step[1] + GAP
        inner = page[top : top + height, left : left + width]
        inner[:] = colour
        inner[BORDER:-BORDER, BORDER:-BORDER] = picture
    return page


def _scaled(frame: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    if frame.shape[:2] == size:
        return frame
    return np.asarray(Image.fromarray(frame).resize((size[1], size[0]), Image.Resampling.BILINEAR))
