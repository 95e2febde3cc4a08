"""Initial frames to start sessions from: the pictures `samples/<name>.png`, drawn by `world.places`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).with_name("samples")
"""Where the pictures are."""
STATES: dict[str, tuple[float, float, float, float]] = {
    "cup-and-block": (24.0, 44.0, 15.0, 1.0),
    "two-cups": (32.0, 42.0, 16.0, 1.0),
    "bowl-and-block": (20.0, 45.0, 15.0, 1.0),
    "full-table": (44.0, 46.0, 16.0, 1.0),
}
"""The gripper's x, y, z and opening in each; the first is the default."""


def sample_names() -> list[str]:
    """Names of the sample frames."""
    return list(STATES)


@cache
def _picture(name: str) -> np.ndarray:
    with Image.open(FOLDER / f"{name}.png") as picture:
        return np.asarray(picture.convert("RGB"))


def samples() -> dict[str, np.ndarray]:
    """Name -> first frame, uint8 [64, 64, 3]."""
    return {name: _picture(name).copy() for name in STATES}


def sample_state(name: str) -> np.ndarray:
    """Proprioceptive state that belongs to a sample frame, float32 [4]."""
    return np.array(STATES[name], np.float32)
