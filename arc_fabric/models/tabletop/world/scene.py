"""What stands on the table: kinds of objects, their sizes, and seeded initial scenes.

Coordinates are in pixels of the 64x64 image: `x` to the right, `y` towards the viewer along the table, `z` up.
A point is drawn at column `x`, row `y - z` (an oblique projection), its shadow at row `y`.

>>> scene = sample_scene(np.random.default_rng(7))
>>> scene.bodies[0].kind.name
'red cup'
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from arc_fabric.models.tabletop.world.limits import KIND_NAMES


@dataclass(frozen=True)
class Kind:
    """One kind of object: its name in prompts, its colour and its sizes in pixels."""

    name: str
    shape: str
    colour: tuple[int, int, int]
    radius: float
    height: float
    support: float
    """Height above its base at which something put on it comes to rest."""


KINDS = (
    Kind(KIND_NAMES[0], "cup", (205, 38, 38), 3.6, 8.0, 8.0),
    Kind(KIND_NAMES[1], "block", (38, 78, 205), 3.6, 7.0, 7.0),
    Kind(KIND_NAMES[2], "cup", (30, 150, 62), 3.6, 8.0, 8.0),
    Kind(KIND_NAMES[3], "bowl", (232, 188, 24), 4.4, 5.0, 3.0),
)
KIND_BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass
class Body:
    """One object: its kind and the centre of its base."""

    kind: Kind
    x: float
    y: float
    z: float = 0.0

    @property
    def top(self) -> float:
        """Height at which another object rests on this one."""
        return self.z + self.kind.support


@dataclass
class Gripper:
    """The gripper: finger tips at (x, y, z), `opening` in [0, 1], `held` the index of the grasped body or -1."""

    x: float = 32.0
    y: float = 44.0
    z: float = 16.0
    opening: float = 1.0
    held: int = -1


@dataclass(frozen=True)
class Look:
    """Colours of one scene: table and wall, float RGB in 0..255."""

    table: tuple[float, float, float] = (172.0, 162.0, 152.0)
    wall: tuple[float, float, float] = (206.0, 210.0, 216.0)


@dataclass
class Scene:
    """The whole state of the world at one moment."""

    gripper: Gripper
    bodies: list[Body]
    look: Look = field(default_factory=Look)

    def index_of(self, name: str) -> int:
        """Index of the body of this kind; raises KeyError if the scene has none."""
        for index, body in enumerate(self.bodies):
            if body.kind.name == name:
                return index
        raise KeyError(name)

    def proprio(self) -> np.ndarray:
        """Proprioceptive state, float32 [4]: gripper x, y, z in pixels and its opening in [0, 1]."""
        g = self.gripper
        return np.array([g.x, g.y, g.z, g.opening], np.float32)

    def positions(self) -> np.ndarray:
        """Base centres of the bodies, float32 [N, 3]."""
        return np.array([(b.x, b.y, b.z) for b in self.bodies], np.float32)


def sample_look(rng: np.random.Generator) -> Look:
    """Table and wall colours a little different in every scene."""
    table = np.array(Look.table) + rng.normal(0, 5) + rng.normal(0, 3, 3)
    wall = np.array(Look.wall) + rng.normal(0, 5) + rng.normal(0, 3, 3)
    return Look(tuple(table), tuple(wall))


def _spot(rng: np.random.Generator, taken: list[Body]) -> tuple[float, float]:
    """A place on the table with room around it."""
    best, best_room = (32.0, 46.0), -1.0
    for _ in range(40):
        x, y = rng.uniform(13, 51), rng.uniform(39.5, 55)
        room = min((max(abs(x - b.x) / 12, abs(y - b.y) / 8) for b in taken), default=9.0)
        if room >= 1:
            return x, y
        if room > best_room:
            best, best_room = (x, y), room
    return best


def sample_scene(rng: np.random.Generator, others: int | None = None) -> Scene:
    """A red cup and `others` (1 to 3, random if None) other objects, apart from each other, gripper open above."""
    count = int(rng.integers(1, 4)) if others is None else others
    chosen = [KINDS[0]] + [KINDS[i] for i in 1 + rng.permutation(len(KINDS) - 1)[:count]]
    bodies: list[Body] = []
    for kind in chosen:
        x, y = _spot(rng, bodies)
        bodies.append(Body(kind, x, y))
    gripper = Gripper(rng.uniform(12, 52), rng.uniform(38, 54), rng.uniform(13, 18))
    return Scene(gripper, bodies, sample_look(rng))
