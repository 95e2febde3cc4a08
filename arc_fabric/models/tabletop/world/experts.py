"""Scripted experts: what to do next, from the present scene and the manner of who acts.

What to do depends on nothing past, so that an episode can be cut anywhere: a window that begins with the cup in the
gripper continues as the whole episode would have. What an expert chooses (speed, heights, the order of its moves, how
far a push goes, how well it aims) is its `Manner`, drawn once per episode; `Expert` adds pauses, and aims anew after a
slip. A task whose goal holds ends in rest above the table. Goals of pushes are zones of the table (left, right, far).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from arc_fabric.models.tabletop.world.limits import BODY_HIGH, BODY_LOW, GRIPPER_HIGH, GRIPPER_LOW, MAX_STEP
from arc_fabric.models.tabletop.world.physics import REACH, clamp, holding_opening
from arc_fabric.models.tabletop.world.scene import Body, Scene

LEFT, RIGHT, FAR = 17.0, 47.0, 40.0
"""Goal zones of a push: x <= LEFT, x >= RIGHT, y <= FAR."""
BESIDE = 12.0
"""Distance in x of "next to"."""
OPEN, CLOSE = -1.0, 1.0

Move = tuple[float, float, float, float]


@dataclass(frozen=True)
class Task:
    """What the prompt asks for: verb in pick, left, right, away, on, beside; objects by name; pace 1 or slower."""

    verb: str
    target: str
    other: str = ""
    pace: float = 1.0


@dataclass(frozen=True)
class Manner:
    """How somebody does things: the choices that no prompt tells."""

    speed: float = 1.0
    """Share of the largest step."""
    clear: float = 13.0
    """Tip height for moves above the table."""
    lift: float = 15.0
    """Tip height to which a picked object is lifted."""
    beyond: float = 0.0
    """How far into its zone a thing is pushed, in pixels."""
    order: str = "both"
    """Above the table: along "both" axes at once, along "x" first, or along "y" first."""
    aim: tuple[float, float] = (0.0, 0.0)
    """How far beside a thing's middle it is grasped or pushed, in pixels."""
    pauses: float = 0.0
    """Probability per frame of beginning a pause."""

    @classmethod
    def draw(cls, rng: np.random.Generator, offset: float = 0.0, noise: float = 0.6, pauses: float = 0.015) -> Manner:
        """Choices at random; the aim is `offset` pixels off with this `noise` along each axis."""
        return cls(
            rng.uniform(0.75, 1.0),
            rng.uniform(11.0, 16.0),
            rng.uniform(10.0, 19.5),
            rng.uniform(0.0, 5.0),
            str(rng.choice(["both", "both", "x", "y"])),
            aim(rng, offset, noise),
            pauses,
        )


def aim(rng: np.random.Generator, offset: float, noise: float) -> tuple[float, float]:
    """Where a hand of this skill goes, beside a thing's middle: off in some direction, mostly to the front or back."""
    side = np.array([0.35 * rng.uniform(-1, 1), rng.choice([-1.0, 1.0])])
    x, y = offset * side / np.hypot(*side) + rng.normal(0, noise, 2) * [0.5, 1.0]
    return clamp(x, -1.7, 1.7), clamp(y, -2.9, 2.9)


class Expert:
    """A policy: does a task in a manner, pauses now and then, and aims anew when it has to grasp again."""

    def __init__(
        self, task: Task, manner: Manner, rng: np.random.Generator, offset: float = 0.0, noise: float = 0.6
    ) -> None:
        self.task, self.manner, self._rng = task, manner, rng
        self._skill = offset, noise
        self._rest, self._closed = 0, False

    def __call__(self, scene: Scene) -> np.ndarray:
        """The next action."""
        if self._closed and scene.gripper.held < 0:
            self.manner = replace(self.manner, aim=aim(self._rng, *self._skill))
        move = act(scene, self.task, self.manner)
        if self._rest == 0 and self._rng.random() < self.manner.pauses:
            self._rest = int(self._rng.integers(2, 7))
        if self._rest > 0:
            self._rest -= 1
            move[:3] = 0
            move[3] = CLOSE if scene.gripper.held >= 0 or scene.gripper.opening < 0.5 else OPEN
        self._closed = bool(move[3] > 0) and scene.gripper.opening > 0.9
        return move


VERBS = ("pick", "left", "right", "away", "on", "beside")
PLAIN = Manner()


def act(scene: Scene, task: Task, manner: Manner = PLAIN) -> np.ndarray:
    """The expert's action, float32 [4]: dx, dy, dz in pixels, grip in [-1, 1]."""
    body = scene.bodies[scene.index_of(task.target)]
    if task.verb == "pick":
        move = _pick(scene, body, manner)
    elif task.verb in ("on", "beside"):
        move = _put(scene, body, scene.bodies[scene.index_of(task.other)], task.verb, manner)
    else:
        move = _push(scene, body, task.verb, manner)
    limit = MAX_STEP * task.pace * manner.speed
    return np.array([*(clamp(m, -limit, limit) for m in move[:3]), move[3]], np.float32)


def done(scene: Scene, task: Task) -> bool:
    """Whether the task's goal holds now."""
    body = scene.bodies[scene.index_of(task.target)]
    if task.verb == "pick":
        return _held(scene) is body and body.z >= 6
    if task.verb in ("on", "beside"):
        return _is_put(scene, body, scene.bodies[scene.index_of(task.other)], task.verb)
    return _is_pushed(body, task.verb, 0.0)


def sensible(scene: Scene, task: Task) -> bool:
    """Whether the task leaves something to do: a push has at least 6 pixels to go, nothing is done already."""
    body = scene.bodies[scene.index_of(task.target)]
    room = {"left": body.x - LEFT, "right": RIGHT - body.x, "away": body.y - FAR + 1}.get(task.verb, 9.0)
    if task.verb == "beside":
        other = scene.bodies[scene.index_of(task.other)]
        room = 0.0 if _taken(scene, body, other, _spot_beside(scene, body, other)) else room
    return room >= 6 and not done(scene, task)


def _held(scene: Scene) -> Body | None:
    return scene.bodies[scene.gripper.held] if scene.gripper.held >= 0 else None


def _rise(scene: Scene, height: float, grip: float) -> Move:
    return 0.0, 0.0, max(0.0, height - scene.gripper.z), grip


def _go(scene: Scene, x: float, y: float, z: float, grip: float) -> Move:
    g = scene.gripper
    return x - g.x, y - g.y, z - g.z, grip


def _approach(scene: Scene, x: float, y: float, z: float, grip: float, manner: Manner) -> Move:
    """Move to above (x, y); rise first while low."""
    g = scene.gripper
    if g.z < z - 3.5:
        return _rise(scene, z, grip)
    dx, dy, dz, grip = _go(scene, x, y, max(z, min(g.z, z + 2)), grip)
    if manner.order == "x" and abs(dx) > 2:
        dy = 0.0
    if manner.order == "y" and abs(dy) > 2:
        dx = 0.0
    return dx, dy, dz, grip


def _pick(scene: Scene, body: Body, manner: Manner) -> Move:
    g, held = scene.gripper, _held(scene)
    if held is body:
        return _rise(scene, manner.lift, CLOSE)
    if held is not None:
        return _rise(scene, g.z, OPEN)
    x, y = body.x + manner.aim[0], body.y + manner.aim[1]
    if max(abs(x - g.x), abs(y - g.y)) > 1.2:
        return _approach(scene, x, y, body.z + manner.clear, OPEN, manner)
    if g.z > body.z + 1.2:
        wait = g.opening < 0.95 and g.z < body.z + manner.clear - 3
        return _go(scene, x, y, g.z if wait else body.z + 1.0, OPEN)
    return 0.0, 0.0, 0.0, CLOSE


def _is_pushed(body: Body, verb: str, beyond: float) -> bool:
    return {
        "left": body.x <= LEFT - beyond,
        "right": body.x >= RIGHT + beyond,
        "away": body.y <= FAR - beyond / 2,
    }[verb]


def _push(scene: Scene, body: Body, verb: str, manner: Manner) -> Move:
    g, held = scene.gripper, _held(scene)
    if held is not None:
        lower = held.z > 0.5 and g.z > 1.5
        return (0.0, 0.0, -MAX_STEP, CLOSE) if lower else _rise(scene, g.z, OPEN)
    begun = g.z <= body.z + 3.0 and g.opening < 0.5
    if _is_pushed(body, verb, manner.beyond if begun else 0.0):
        return _rise(scene, manner.clear, CLOSE)
    if verb == "away":
        return _push_along_y(scene, body, manner)
    return _push_along_x(scene, body, -1.0 if verb == "left" else 1.0, manner)


def _push_along_x(scene: Scene, body: Body, way: float, manner: Manner) -> Move:
    g, y = scene.gripper, body.y + manner.aim[1]
    behind, reach = (body.x - g.x) * way, body.kind.radius + REACH[0]
    if g.z <= body.z + 3.0 and abs(g.y - y) <= 2.0 and reach - 1 <= behind <= reach + 6:
        return way * MAX_STEP, y - g.y, body.z + 1.5 - g.z, CLOSE
    start = clamp(body.x - way * (reach + 2.0), GRIPPER_LOW[0], GRIPPER_HIGH[0])
    return _descend_at(scene, start, y, body.z + 1.5, manner)


def _push_along_y(scene: Scene, body: Body, manner: Manner) -> Move:
    g, x = scene.gripper, body.x + manner.aim[1]
    behind = g.y - body.y
    if g.z <= body.z + 3.0 and abs(g.x - x) <= 2.0 and REACH[1] - 1 <= behind <= REACH[1] + 5:
        return x - g.x, -MAX_STEP * 0.75, body.z + 1.5 - g.z, CLOSE
    return _descend_at(scene, x, body.y + REACH[1] + 1.5, body.z + 1.5, manner)


def _descend_at(scene: Scene, x: float, y: float, z: float, manner: Manner) -> Move:
    if max(abs(scene.gripper.x - x), abs(scene.gripper.y - y)) > 1.2:
        return _approach(scene, x, y, z + manner.clear - 1.5, CLOSE, manner)
    return _go(scene, x, y, z, CLOSE)


def _is_put(scene: Scene, body: Body, other: Body, verb: str) -> bool:
    if _held(scene) is body:
        return False
    if verb == "on":
        return abs(body.z - other.top) < 0.6 and abs(body.x - other.x) < 4.5 and abs(body.y - other.y) < 3.5
    return abs(abs(body.x - other.x) - BESIDE) < 3.0 and abs(body.y - other.y) < 3.5 and body.z < 1.0


def _put(scene: Scene, body: Body, other: Body, verb: str, manner: Manner) -> Move:
    g = scene.gripper
    if _is_put(scene, body, other, verb):
        return _rise(scene, manner.clear + (5 if verb == "on" else 0), OPEN)
    if _held(scene) is not body:
        return _pick(scene, body, manner)
    x, y, floor = other.x, other.y, other.top
    if verb == "beside":
        x, floor = _spot_beside(scene, body, other), 0.0
    if max(abs(body.x - x), abs(body.y - y)) > 1.5:
        return carry_to(scene, x, y, other.top + 3.5)
    if body.z > floor + 0.6:
        return x - body.x, y - body.y, floor - body.z, CLOSE
    return _rise(scene, g.z, OPEN)


def _spot_beside(scene: Scene, body: Body, other: Body) -> float:
    """The x next to `other` towards the middle of the table, or on its other side if something stands there."""
    side = BESIDE if other.x < 32 else -BESIDE
    far = other.x - side
    taken = _taken(scene, body, other, other.x + side)
    return far if taken and BODY_LOW[0] < far < BODY_HIGH[0] else other.x + side


def _taken(scene: Scene, body: Body, other: Body, x: float) -> bool:
    """A third object stands about (x, other.y)."""
    rest = [b for b in scene.bodies if b is not body and b is not other]
    return any(abs(b.x - x) < 9 and abs(b.y - other.y) < 5 for b in rest)


def carry_to(scene: Scene, x: float, y: float, clear: float) -> Move:
    """Carry the held body to above (x, y), its base at `clear` or more."""
    body = scene.bodies[scene.gripper.held]
    lift = clear - body.z
    if lift > 1.5:
        return 0.0, 0.0, lift, CLOSE
    return x - body.x, y - body.y, max(0.0, lift), CLOSE


def holding_state(scene: Scene, index: int) -> None:
    """Put body `index` into the gripper where the gripper is, in place: a scene to start from."""
    g, body = scene.gripper, scene.bodies[index]
    body.x, body.y, body.z = g.x, g.y, g.z - 1.0
    g.held, g.opening = index, holding_opening(body)
