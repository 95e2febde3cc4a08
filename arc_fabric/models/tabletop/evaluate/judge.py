"""Reads positions off frames by colour, as a person would. It knows neither latents nor the simulator's state.

seen = read(render_scene(scene))
seen["red cup"].x
# 36.1
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from arc_fabric.models.tabletop.world.experts import LEFT, RIGHT, Task

GRIPPER = "gripper"
LOOSE = 28.0
"""Colour distance at which a pixel counts as a trace (a ghost) of an object."""
STRICT = 60.0
"""Colour distance at which a pixel counts as the object."""
RISE, WAY = 6.0, {"left": 6.0, "right": 6.0, "away": 5.0}
"""Pixels by which a thing rises, or is pushed, when it does as it was asked."""


@dataclass(frozen=True)
class Blob:
    """Pixels of one colour: centre (column, row) and number of pixels; the centre is NaN where there are none."""

    x: float
    row: float
    area: int

    def distance(self, other: Blob) -> float:
        """Pixels between the centres; half the image if one of them is missing."""
        if self.area == 0 or other.area == 0:
            return 32.0
        return float(np.hypot(self.x - other.x, self.row - other.row))


def strengths(frame: np.ndarray) -> dict[str, np.ndarray]:
    """How much each pixel of a uint8 frame [H, W, 3] looks like each thing: float [H, W] per name."""
    r, g, b = frame.astype(np.float32).transpose(2, 0, 1)
    most, least = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    return {
        "red cup": r - np.maximum(g, b),
        "blue block": b - np.maximum(r, g),
        "green cup": 1.3 * (g - np.maximum(r, b)),
        "yellow bowl": np.minimum(r, g) - b - 10,
        GRIPPER: 140 - most - 2 * (most - least),
    }


def _blob(mask: np.ndarray) -> Blob:
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return Blob(float("nan"), float("nan"), 0)
    return Blob(float(columns.mean()), float(rows.mean()), len(rows))


def read(frame: np.ndarray) -> dict[str, Blob]:
    """Where everything is in a uint8 frame [64, 64, 3]; names as in `scene.KINDS`, and "gripper"."""
    return {name: _blob(strength > STRICT) for name, strength in strengths(frame).items()}


def track(clip: np.ndarray, name: str) -> list[Blob]:
    """Where the named thing is in each frame."""
    return [read(frame)[name] for frame in clip]


def ghost(frame: np.ndarray, name: str, at: Blob, reach: float = 2.5) -> int:
    """Number of pixels within `reach` of the place `at` that still look, even faintly, like the named object."""
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]]
    near = np.maximum(abs(rows - at.row), abs(columns - at.x)) <= reach
    return int(((strengths(frame)[name] > LOOSE) & near).sum())


def intact(before: Blob, after: Blob) -> bool:
    """The object is there and has kept its size (part of it may be hidden by the gripper or another object)."""
    return 0.35 * before.area <= after.area <= 1.6 * before.area


def lifted(clip: np.ndarray, name: str) -> bool:
    """At the end the object is 6 pixels or more above where it was, at the gripper, whole, and has left no ghost."""
    before, after, gripper = read(clip[0])[name], read(clip[-1])[name], read(clip[-1])[GRIPPER]
    held = gripper.area > 0 and abs(gripper.x - after.x) <= 4 and 0 <= after.row - gripper.row <= 12
    clean = before.area == 0 or ghost(clip[-1], name, before) <= 3
    return bool(before.row - after.row >= RISE and held and intact(before, after) and clean)


def succeeded(clip: np.ndarray, task: Task) -> bool:
    """The named object was lifted, or pushed left, right (6 pixels or more) or away (5 or more), and is whole."""
    if task.verb == "pick":
        return lifted(clip, task.target)
    before, after = read(clip[0])[task.target], read(clip[-1])[task.target]
    far = {"left": before.x - after.x, "right": after.x - before.x, "away": before.row - after.row}[task.verb]
    return bool(intact(before, after) and far >= WAY[task.verb])


def reached(clip: np.ndarray, task: Task) -> bool:
    """As the simulator's own `done`: lifted, or pushed all the way into the zone."""
    if task.verb == "pick":
        return lifted(clip, task.target)
    x = read(clip[-1])[task.target].x
    return bool(x <= LEFT + 0.5 if task.verb == "left" else x >= RIGHT - 0.5)


def farthest(clip: np.ndarray, names: list[str]) -> str:
    """Which of the named objects moved most from the first frame to the last."""
    before, after = read(clip[0]), read(clip[-1])
    return max(names, key=lambda name: before[name].distance(after[name]))


def largest_difference(a: np.ndarray, b: np.ndarray, names: list[str]) -> float:
    """How far apart in two frames the gripper or one of the things is, at most, in pixels; hidden ones do not count."""
    one, two = read(a), read(b)
    both = [name for name in (*names, GRIPPER) if min(one[name].area, two[name].area) >= 12]
    return max((one[name].distance(two[name]) for name in both), default=0.0)


def largest_jump(clip: np.ndarray) -> float:
    """Largest move of the gripper between neighbouring frames, pixels."""
    places = track(clip, GRIPPER)
    return max(a.distance(b) for a, b in pairwise(places))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 arrays, in dB."""
    error = np.square(a.astype(np.float64) - b.astype(np.float64)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
