"""Many clips in one picture: a cell each, with a frame in the colour of its verdict; time runs in all of them at once.

>>> cells = [Cell(np.zeros((2, 8, 8, 3), np.uint8), "good"), Cell(np.zeros((3, 8, 8, 3), np.uint8), "bad")]
>>> [frame.shape for frame in mosaic(cells, columns=2)]
[(14, 28, 3), (14, 28, 3), (14, 28, 3)]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from PIL import Image, ImageDraw

BORDER = 2
GAP = 1
CAPTION = 16
"""Pixels that a caption is high."""
COLOURS = {"good": (26, 127, 75), "bad": (192, 57, 43), "error": (138, 90, 0), "none": (102, 114, 128)}


@dataclass(frozen=True)
class Cell:
    """A clip, frames uint8 [H, W, 3], and what is thought of it: good, bad, error or none."""

    frames: Iterable[np.ndarray]
    word: str = "none"


def mosaic(
    cells: Sequence[Cell | None], *, columns: int, width: int | None = None, captions: Mapping[int, str] | None = None
) -> Iterator[np.ndarray]:
    """Frames uint8 [H, W, 3] of all cells, row by row, of one size each: `width` pixels, or that of the first. A clip
    that is over shows its last frame, a cell that is None nothing; `captions` stand above the rows of these numbers. No
    more than a frame of each clip is held."""
    shown = [place for place, cell in enumerate(cells) if cell is not None]
    clips = [cell for cell in cells if cell is not None]
    page: _Page | None = None
    for frames in zip_longest(*(cell.frames for cell in clips)):
        if page is None:
            height, own = next(frame for frame in frames if frame is not None).shape[:2]
            size = (max(1, round(height * (width or own) / own)), width or own)
            page = _Page(size, len(cells), columns, captions or {})
        for place, cell, frame in zip(shown, clips, frames, strict=True):
            if frame is not None:
                page.put(place, frame, COLOURS[cell.word])
        yield page.pixels.copy()


class _Page:
    """The picture, with a cell for each of `count` clips of one size."""

    def __init__(self, size: tuple[int, int], count: int, columns: int, captions: Mapping[int, str]) -> None:
        self._size, self._columns = size, columns
        self._step = tuple(side + 2 * (BORDER + GAP) for side in size)
        self._tops, top = list[int](), 0
        for row in range(-(-count // columns)):
            top += CAPTION if row in captions else 0
            self._tops.append(top)
            top += self._step[0]
        picture = Image.new("RGB", (columns * self._step[1], top))
        draw = ImageDraw.Draw(picture)
        for row, text in captions.items():
            draw.text((GAP + BORDER, self._tops[row] - CAPTION + 1), text, fill=(232, 235, 238), font_size=CAPTION - 4)
        self.pixels = np.array(picture)

    def put(self, place: int, frame: np.ndarray, colour: tuple[int, int, int]) -> None:
        """Show a frame in its cell, framed in a colour."""
        row, column = divmod(place, self._columns)
        top, left = self._tops[row] + GAP, column * self._step[1] + GAP
        inner = self.pixels[top : top + self._step[0] - 2 * GAP, left : left + self._step[1] - 2 * GAP]
        inner[:] = colour
        inner[BORDER:-BORDER, BORDER:-BORDER] = _scaled(frame, self._size)


def _scaled(frame: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    if frame.shape[:2] == size:
        return frame
    return np.asarray(Image.fromarray(frame).resize((size[1], size[0]), Image.Resampling.BILINEAR))
