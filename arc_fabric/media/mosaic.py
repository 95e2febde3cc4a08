"""Many clips in one picture: a cell each, with a frame in the colour of its verdict; time runs in all of them at once.

>>> cells = [Cell(np.zeros((2, 8, 8, 3), np.uint8), "good"), Cell(np.zeros((3, 8, 8, 3), np.uint8), "bad")]
>>> [frame.shape for frame in mosaic(cells, columns=2)]
[(14, 28, 3), (14, 28, 3), (14, 28, 3)]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

BORDER = 2
GAP = 1
COLOURS = {"good": (26, 127, 75), "bad": (192, 57, 43), "error": (138, 90, 0), "none": (102, 114, 128)}


@dataclass(frozen=True)
class Cell:
    """A clip, uint8 [F, H, W, 3], and what is thought of it: good, bad, error or none."""

    frames: np.ndarray
    word: str = "none"


def mosaic(cells: Sequence[Cell], *, columns: int, width: int | None = None) -> Iterator[np.ndarray]:
    """Frames uint8 [H, W, 3] of all cells, row by row, of one size each: `width` pixels, or that of the first. A clip
    that is over shows its last frame."""
    height, own = cells[0].frames.shape[1:3]
    width = width or own
    size = (max(1, round(height * width / own)), width)
    step = tuple(side + 2 * BORDER + GAP * 2 for side in size)
    rows = -(-len(cells) // columns)
    for number in range(max(len(cell.frames) for cell in cells)):
        page = np.zeros((rows * step[0], columns * step[1], 3), np.uint8)
        for place, cell in enumerate(cells):
            top, left = place // columns * step[0] + GAP, place % columns * step[1] + GAP
            inner = page[top : top + size[0] + 2 * BORDER, left : left + size[1] + 2 * BORDER]
            inner[:] = COLOURS[cell.word]
            frame = cell.frames[min(number, len(cell.frames) - 1)]
            inner[BORDER:-BORDER, BORDER:-BORDER] = _scaled(frame, size)
        yield page


def _scaled(frame: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    if frame.shape[:2] == size:
        return frame
    return np.asarray(Image.fromarray(frame).resize((size[1], size[0]), Image.Resampling.BILINEAR))
