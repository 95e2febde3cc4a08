"""Initial frames to start sessions from.

The same pictures lie beside this file as `samples/<name>.png`, where the web finds them without torch;
`python -m arc_fabric.models.tabletop.samples` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from arc_fabric.models.tabletop.render import render_scene
from arc_fabric.models.tabletop.scene import KIND_BY_NAME, Body, Gripper, Look, Scene

FOLDER = Path(__file__).with_name("samples")
"""Where the pictures are."""

_PLACES: dict[str, tuple[tuple[float, float, float], tuple[tuple[str, float, float], ...]]] = {
    "cup-and-block": ((24.0, 44.0, 15.0), (("red cup", 36.0, 48.0), ("blue block", 18.0, 51.0))),
    "two-cups": ((32.0, 42.0, 16.0), (("red cup", 40.0, 46.0), ("green cup", 24.0, 49.0))),
    "bowl-and-block": (
        (20.0, 45.0, 15.0),
        (("red cup", 33.0, 44.0), ("yellow bowl", 46.0, 51.0), ("blue block", 22.0, 53.0)),
    ),
    "full-table": (
        (44.0, 46.0, 16.0),
        (("red cup", 30.0, 50.0), ("green cup", 45.0, 43.0), ("yellow bowl", 46.0, 54.0), ("blue block", 17.0, 44.0)),
    ),
}


def sample_names() -> list[str]:
    """Names of the sample scenes; the first is the default."""
    return list(_PLACES)


def sample_scene_named(name: str) -> Scene:
    """The simulator's scene behind a sample frame; raises KeyError for an unknown name."""
    (x, y, z), bodies = _PLACES[name]
    return Scene(Gripper(x, y, z), [Body(KIND_BY_NAME[kind], bx, by) for kind, bx, by in bodies], Look())


def samples() -> dict[str, np.ndarray]:
    """Name -> first frame, uint8 [64, 64, 3]."""
    return {name: render_scene(sample_scene_named(name)) for name in _PLACES}


def sample_state(name: str) -> np.ndarray:
    """Proprioceptive state that belongs to a sample frame, float32 [4]."""
    return sample_scene_named(name).proprio()


def write_pictures() -> None:
    """Draw the PNG files."""
    FOLDER.mkdir(exist_ok=True)
    for name, frame in samples().items():
        Image.fromarray(frame).save(FOLDER / f"{name}.png")


if __name__ == "__main__":
    write_pictures()
