"""Reads positions off frames by colour, as a person would: the judge of rollouts. It knows no latents.

>>> seen = read(render_scene(scene))
>>> seen["red cup"].x
36.1
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRIPPER = "gripper"
LOOSE = 28.0
"""Colour distance at which a pixel counts as a trace (a ghost) of an object."""
STRICT = 60.0
"""Colour distance at which a pixel counts as the object."""


@dataclass(frozen=True)
class Blob:
    """Pixels of one colour: centre (column, row) and number of pixels; the centre is NaN where there are none."""

    x: float
    row: float
    area: int

    def distance(self, other: Blob) -> float:
        """Pixels between the centres; the image's width if one of them is missing."""
        if self.area == 0 or other.area == 0:
            return 64.0
        return float(np.hypot(self.x - other.x, self.row - other.row))


def strengths(frame: np.ndarray) -> dict[str, np.ndarray]:
    """How much each pixel of a uint8 frame [H, W, 3] looks like each thing: float [H, W] per name."""
    r, g, b = frame.astype(np.float32).transpose(2, 0, 1)
    return {
        "red cup": r - np.maximum(g, b),
        "blue block": b - np.maximum(r, g),
        "green cup": 1.3 * (g - np.maximum(r, b)),
        "yellow bowl": np.minimum(r, g) - b - 10,
        GRIPPER: 140 - np.maximum(np.maximum(r, g), b) - 2 * (frame.max(2).astype(np.float32) - frame.min(2)),
    }


def _blob(mask: np.ndarray) -> Blob:
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return Blob(float("nan"), float("nan"), 0)
    return Blob(float(columns.mean()), float(rows.mean()), len(rows))


def read(frame: np.ndarray) -> dict[str, Blob]:
    """Where everything is in a uint8 frame [64, 64, 3]; names as in `scene.KINDS`, and "gripper"."""
    return {name: _blob(strength > STRICT) for name, strength in strengths(frame).items()}


def ghost(frame: np.ndarray, name: str, at: Blob, reach: float = 4.0) -> int:
    """Number of pixels within `reach` of the place `at` that still look, even faintly, like the named object."""
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]]
    near = np.maximum(abs(rows - at.row), abs(columns - at.x)) <= reach
    return int(((strengths(frame)[name] > LOOSE) & near).sum())


def intact(before: Blob, after: Blob) -> bool:
    """The object is there and has kept its size (part of it may be hidden by the gripper or another object)."""
    return 0.35 * before.area <= after.area <= 1.6 * before.area


def lifted(first: np.ndarray, last: np.ndarray, name: str) -> bool:
    """The object rose by 6 pixels or more, hangs at the gripper, is whole, and left no ghost behind."""
    before, after, gripper = read(first)[name], read(last)[name], read(last)[GRIPPER]
    rose = before.row - after.row >= 6
    held = gripper.area > 0 and abs(gripper.x - after.x) <= 4 and 0 <= after.row - gripper.row <= 12
    return bool(rose and held and intact(before, after) and ghost(last, name, before, reach=2.5) <= 3)


def moved(first: np.ndarray, last: np.ndarray, name: str, verb: str) -> bool:
    """The object was pushed left, right (6 pixels or more) or away (5 or more) and is whole."""
    before, after = read(first)[name], read(last)[name]
    if not intact(before, after):
        return False
    way = {"left": before.x - after.x, "right": after.x - before.x, "away": before.row - after.row}[verb]
    return bool(way >= (5 if verb == "away" else 6))


def displacements(first: np.ndarray, last: np.ndarray, names: list[str]) -> dict[str, float]:
    """How far each named object moved, in pixels."""
    before, after = read(first), read(last)
    return {name: before[name].distance(after[name]) for name in names}


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 arrays, in dB."""
    error = np.square(a.astype(np.float64) - b.astype(np.float64)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
