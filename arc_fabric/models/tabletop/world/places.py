"""The scenes behind the sample frames; `python -m arc_fabric.models.tabletop.world.places` draws their pictures."""

from __future__ import annotations

from PIL import Image

from arc_fabric.models.tabletop.samples import FOLDER, STATES
from arc_fabric.models.tabletop.world.render import render_scene
from arc_fabric.models.tabletop.world.scene import KIND_BY_NAME, Body, Gripper, Look, Scene

_BODIES: dict[str, tuple[tuple[str, float, float], ...]] = {
    "cup-and-block": (("red cup", 36.0, 48.0), ("blue block", 18.0, 51.0)),
    "two-cups": (("red cup", 40.0, 46.0), ("green cup", 24.0, 49.0)),
    "bowl-and-block": (("red cup", 33.0, 44.0), ("yellow bowl", 46.0, 51.0), ("blue block", 22.0, 53.0)),
    "full-table": (
        ("red cup", 30.0, 50.0),
        ("green cup", 45.0, 43.0),
        ("yellow bowl", 46.0, 54.0),
        ("blue block", 17.0, 44.0),
    ),
}


def sample_scene_named(name: str) -> Scene:
    """The simulator's scene behind a sample frame; raises KeyError for an unknown name."""
    bodies = [Body(KIND_BY_NAME[kind], x, y) for kind, x, y in _BODIES[name]]
    return Scene(Gripper(*STATES[name]), bodies, Look())


def write_pictures() -> None:
    """Draw the PNG files."""
    FOLDER.mkdir(exist_ok=True)
    for name in STATES:
        Image.fromarray(render_scene(sample_scene_named(name))).save(FOLDER / f"{name}.png")


if __name__ == "__main__":
    write_pictures()
