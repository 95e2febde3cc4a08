"""Small pictures: a thumbnail of a frame, and a sprite sheet of many thumbnails in a grid.

>>> import numpy as np
>>> sheet, cell = sprite([np.zeros((64, 64, 3), np.uint8)] * 5, width=32, columns=3)
>>> sheet.shape, cell
((64, 96, 3), (32, 32))
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from arc_fabric.errors import InvalidRequest


def thumbnail(frame: np.ndarray, width: int) -> np.ndarray:
    """uint8 [H, W, 3] -> the same picture `width` pixels wide (never enlarged)."""
    height, full = frame.shape[:2]
    if width >= full:
        return frame
    size = (width, max(1, round(height * width / full)))
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))


def sprite(frames: Sequence[np.ndarray], *, width: int, columns: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Thumbnails row by row in a grid, and the (width, height) of a cell. Empty cells are black. Raises InvalidRequest
    where sizes differ."""
    small = [thumbnail(frame, width) for frame in frames]
    if any(image.shape != small[0].shape for image in small):
        raise InvalidRequest("The branch has pictures of several sizes.", hint="Look at its checkpoints one by one.")
    height, width = small[0].shape[:2]
    rows = -(-len(small) // columns)
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    for index, image in enumerate(small):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + height, left : left + width] = image
    return sheet, (width, height)
